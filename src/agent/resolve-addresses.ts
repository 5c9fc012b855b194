import { requireFields } from "../util/fields.js";
import { watchChecks, type InstanceEvent, type Service, type WatchOptions } from "./agent.js";
import { keyOfInstance } from "./instance.js";
import { requireMethods } from "./require-methods.js";

/** An address that can be used from now on, or no longer. */
export interface AddressUpdate {
  /** Whether the address can be used from now on, or no longer. */
  readonly op: "add" | "delete";
  /** `host:port`, with an IPv6 host in brackets. */
  readonly addr: string;
}

/**
 * Watches the addresses of a service, for load balancers and name resolvers. The first batch is the full set and may be
 * empty; later batches never are. An address that several instances share is deleted with the last of them.
 *
 * It ends as the watcher of the service does: quietly by `break` and when the agent leaves; it throws the reason when the
 * signal aborts, and a UsageError `ERR_CLOSED` if the agent is closed before the first `next`.
 *
 * @throws {UsageError} for bad arguments
 *
 * @example
 * for await (const updates of resolveAddresses(await agent.service("web"))) {
 *   for (const { op, addr } of updates) balancer[op](addr);
 * }
 */
export function resolveAddresses(
  service: Service,
  options: WatchOptions = {},
): AsyncGenerator<readonly AddressUpdate[], void, undefined> {
  requireMethods("service", service, ["watch"]);
  requireFields("options", options, watchChecks);
  return updatesOf(service, options);
}

/** The watcher begins with the first `next`: a generator that is dropped before could not close it. */
async function* updatesOf(
  service: Service,
  options: WatchOptions,
): AsyncGenerator<readonly AddressUpdate[], void, undefined> {
  const addresses = new Addresses();
  let isFirst = true;
  for await (const batch of service.watch(options)) {
    const updates = batch.flatMap((event) => addresses.apply(event));
    if (isFirst || updates.length > 0) yield updates;
    isFirst = false;
  }
}

/** The addresses in use, and how many instances use each. */
class Addresses {
  readonly #byKey = new Map<string, string>();
  readonly #users = new Map<string, number>();

  apply({ op, instance }: InstanceEvent): readonly AddressUpdate[] {
    const key = keyOfInstance(instance);
    const old = this.#byKey.get(key);
    const addr = op === "delete" ? undefined : instance.addr();
    if (addr === old) return [];
    if (addr === undefined) this.#byKey.delete(key);
    else this.#byKey.set(key, addr);
    return [...this.#count(old, -1), ...this.#count(addr, 1)];
  }

  #count(addr: string | undefined, by: 1 | -1): readonly AddressUpdate[] {
    if (addr === undefined) return [];
    const before = this.#users.get(addr) ?? 0;
    const after = before + by;
    if (after === 0) this.#users.delete(addr);
    else this.#users.set(addr, after);
    if (before > 0 && after > 0) return [];
    return [{ op: by === 1 ? "add" : "delete", addr }];
  }
}
