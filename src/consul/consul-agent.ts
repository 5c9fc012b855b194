import {
  createBackendAgent,
  type Agent,
  type AgentOptions,
  type AgentWarning,
  type Backend,
  type HeldInstance,
  type InstanceData,
  type InstanceSource,
  type SourceUpdate,
} from "../agent/index.js";
import type { Sender } from "../http/exchange.js";
import { Backoff } from "../util/backoff.js";
import { safeCallback } from "../util/callback.js";
import { messageOf } from "../util/error-like.js";
import { UsageError } from "../util/errors.js";
import { anything, optional, requireFields, type Checks } from "../util/fields.js";
import { Limiter } from "../util/limiter.js";
import { log } from "../util/log.js";
import { retry } from "../util/retry.js";
import { abortable, linkSignal } from "../util/signals.js";
import { StalledWarning } from "../util/stalled-warning.js";
import { badArgument, requireFunction, requireMs, requireText } from "../util/validate.js";
import { BlockingQuery } from "./blocking-query.js";
import { readServices } from "./catalog.js";
import { ConsulRegistration, type TtlCheck } from "./consul-registration.js";
import { RequestError } from "./errors.js";
import { decode } from "./decode.js";
import { healthOf, keyOf, readInstances } from "./health.js";
import { requireConsulClient } from "./options.js";
import { readOwnAgent, type OwnAgent } from "./own-agent.js";
import { request, requirePrintable, segment, specOf } from "./request.js";
import { isConsulTransient } from "./transient.js";

/** Options of {@link createConsulAgent}. */
export interface ConsulAgentOptions extends AgentOptions {
  /** The client of the node's own Consul agent. */
  readonly client: Sender;
  /** The datacenter whose services are found. Instances can be registered in the agent's own only. @default the agent's own */
  readonly dc?: string | undefined;
  /** `false`: instances have no check, and stay when their process dies. @default { ttlMs: 15000, deregisterAfterMs: 60000 } */
  readonly check?: false | TtlCheck | undefined;
  /** Called with what is tried again or left out. @default only trouble that lasts is reported, as a process warning */
  readonly onWarning?: ((warning: AgentWarning) => void) | undefined;
}

/** How long Consul may wait for a change, in ms. It holds the connection of an aborted query for as long. */
const waitMs = 30_000;
/** Between two reads of a service that changes all the time, in ms. */
const everyMs = 100;
const minRetryMs = 100;
const maxRetryMs = 10_000;
/** How many services are read at once. */
const listWidth = 8;
/** How many registrations and removals run at once: each may wait with a long poll. */
const registerWidth = 32;
/** The service of Consul's own servers, which is left out. */
const ownService = "consul";

/**
 * Makes an agent on Consul. Instances are registered with the node's own Consul agent; those of the whole datacenter are
 * found, if they pass their checks. Consul's ids are unique per node: instances with one id on two nodes are two.
 *
 * @throws {UsageError} for a bad option
 *
 * @example
 * const agent = createConsulAgent({ client: createConsulClient() });
 * await agent.register({ name: "web", addr: "10.0.0.1", port: 80 });
 */
export function createConsulAgent(options: ConsulAgentOptions): Agent {
  requireFields("options", options, agentChecks);
  const { client, dc, check = defaultCheck, onWarning, ...agentOptions } = options;
  const call = safeCallback("options.onWarning", onWarning);
  const warn = (warning: AgentWarning): void => {
    log.consul("%s: %s %s", warning.code, warning.message, warning.cause === undefined ? "" : messageOf(warning.cause));
    call(warning);
  };
  const backend = new ConsulBackend({
    client,
    dc: dc === "" ? undefined : dc,
    check: check === false ? undefined : { ...check },
    warn,
    isHeard: onWarning !== undefined,
  });
  return createBackendAgent(backend, agentOptions);
}

interface ConsulSetting {
  readonly client: Sender;
  readonly dc: string | undefined;
  readonly check: TtlCheck | undefined;
  readonly warn: (warning: AgentWarning) => void;
  readonly isHeard: boolean;
}

class ConsulBackend implements Backend {
  readonly #setting: ConsulSetting;
  readonly #limiter = new Limiter(registerWidth);
  #own: OwnAgent | undefined;
  #asking: Promise<OwnAgent> | undefined;

  constructor(setting: ConsulSetting) {
    this.#setting = setting;
  }

  async add(
    instance: InstanceData,
    { signal, replaced }: { readonly signal: AbortSignal; readonly replaced?: HeldInstance | undefined },
  ): Promise<HeldInstance> {
    for (const [what, text] of [
      ["id", instance.id],
      ["name", instance.name],
    ] as const) {
      segment(what, text);
      requirePrintable(what, text);
    }
    const own = await this.#ownAgent(signal);
    const { dc } = this.#setting;
    if (dc !== undefined && dc !== own.dc) {
      badArgument(
        `options.dc is "${dc}", but the client's agent registers in its own datacenter, "${own.dc}": use an agent of that datacenter to register`,
      );
    }
    const before = replaced instanceof ConsulRegistration ? replaced : undefined;
    const inTurn = <T>(run: () => Promise<T>): Promise<T> => this.#limiter.run(run, undefined);
    return ConsulRegistration.begin({ ...this.#setting, instance, own, inTurn }, before, signal);
  }

  isLocal({ id, key }: InstanceData): boolean {
    const node = this.#own?.node;
    return node === undefined || key === keyOf(node, id);
  }

  async list(name: string | undefined, signal: AbortSignal | undefined): Promise<readonly InstanceData[]> {
    if (name !== undefined) return this.#instances(name, signal);
    const { client, dc } = this.#setting;
    const spec = specOf("GET", "/v1/catalog/services", { dc });
    const services = decode(spec, await request(client, spec, signal), readServices) ?? {};
    const names = Object.keys(services).filter((each) => each !== ownService);
    const limiter = new Limiter(listWidth);
    const link = linkSignal(signal);
    try {
      const reads = names.map((each) => limiter.run(() => this.#listed(each, link.signal), link.signal));
      return (await Promise.all(reads)).flat();
    } catch (error) {
      // the others are of no use any more
      link.abort(error);
      throw error;
    } finally {
      link.unlink();
    }
  }

  source(name: string): InstanceSource {
    const { client, dc, warn, isHeard } = this.#setting;
    const query = new BlockingQuery(client, { ...healthOf(name, { dc }), waitMs, everyMs });
    const what = `the instances of "${name}"`;
    const options = {
      backoff: new Backoff(minRetryMs, maxRetryMs),
      isTransient: isConsulTransient,
      stalled: new StalledWarning({ owner: client, what, hint: "pass options.onWarning to handle this", isHeard }),
      onFailure: (cause: unknown) => {
        warn({ code: "RETRYING", message: `${what} cannot be read: it is tried again`, cause });
      },
    };
    const read = async (signal: AbortSignal): Promise<SourceUpdate> => {
      const instances = readInstances(name, query.asked, await query.next(signal));
      return { kind: "state", instances };
    };
    return {
      next: (signal) => retry(() => read(signal), { ...options, signal }),
      reread: () => {
        query.reread();
      },
    };
  }

  /** Asks the agent once, for all registrations. */
  async #ownAgent(signal: AbortSignal): Promise<OwnAgent> {
    if (this.#own !== undefined) return this.#own;
    this.#asking ??= readOwnAgent(this.#setting.client, undefined).finally(() => (this.#asking = undefined));
    this.#own = await abortable(this.#asking, signal);
    return this.#own;
  }

  /** The instances of a service that the catalog lists. Some names can be registered, but not queried. */
  async #listed(name: string, signal: AbortSignal): Promise<readonly InstanceData[]> {
    try {
      return await this.#instances(name, signal);
    } catch (error) {
      if (!isOddName(error)) throw error;
      this.#setting.warn({
        code: "SKIPPED",
        message: `the service ${JSON.stringify(name)} cannot be queried by its name: it is left out`,
        cause: error,
      });
      return [];
    }
  }

  async #instances(name: string, signal: AbortSignal | undefined): Promise<readonly InstanceData[]> {
    const { client, dc } = this.#setting;
    const { path, query } = healthOf(name, { dc });
    const spec = specOf("GET", path, query);
    return readInstances(name, spec, await request(client, spec, signal));
  }
}

/** Whether the name caused the error, and not the state of the servers or our rights. */
function isOddName(error: unknown): boolean {
  if (error instanceof RequestError) return nameStatuses.has(error.statusCode);
  return error instanceof UsageError && error.code === "ERR_ARGUMENT";
}

/** Consul refuses a character in the path; the path, or the request line, is too long. */
const nameStatuses: ReadonlySet<number> = new Set([400, 414, 431]);

const defaultCheck: TtlCheck = { ttlMs: 15_000, deregisterAfterMs: 60_000 };

function requireFiniteMs(what: string, value: unknown): void {
  requireMs(what, value);
  if (value === Infinity) badArgument(`${what} must be finite`);
}

const ttlCheckChecks: Checks<TtlCheck> = { ttlMs: requireFiniteMs, deregisterAfterMs: requireFiniteMs };

const agentChecks: Checks<ConsulAgentOptions> = {
  client: requireConsulClient,
  dc: optional(requireText),
  check: (what, value) => {
    if (value !== false && value !== undefined) requireFields(what, value as TtlCheck, ttlCheckChecks);
  },
  onWarning: requireFunction,
  // checked by createBackendAgent
  advertiseAddress: anything,
  defaultTags: anything,
};
