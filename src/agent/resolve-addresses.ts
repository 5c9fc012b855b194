import type { InstanceEvent, Service, WatchOptions } from "./agent.js";

/** An address that can be used from now on, or no longer. */
export interface AddressUpdate {
  readonly op: "add" | "delete";
  /** `host:port`. */
  readonly addr: string;
}

/**
 * Watches the addresses of a service, for balancers and name resolvers. The first batch is the full set, and may be empty;
 * later ones never are. An address that several instances share is there until the last of them goes.
 *
 * Ends normally on abort and when the agent leaves; throws what the watcher throws.
 */
export async function* resolveAddresses(
  service: Service,
  options: WatchOptions = {},
): AsyncGenerator<readonly AddressUpdate[], void, undefined> {
  const addresses = new Addresses();
  let first = true;
  for await (const batch of service.watch(options)) {
    const updates = batch.flatMap((event) => addresses.take(event));
    if (first || updates.length > 0) yield updates;
    first = false;
  }
}

class Addresses {
  readonly #byId = new Map<string, string>();
  readonly #users = new Map<string, number>();

  take({ op, instance }: InstanceEvent): readonly AddressUpdate[] {
    const old = this.#byId.get(instance.id);
    const addr = op === "delete" ? undefined : instance.addr();
    if (addr === old) return [];
    if (addr === undefined) this.#byId.delete(instance.id);
    else this.#byId.set(instance.id, addr);
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
