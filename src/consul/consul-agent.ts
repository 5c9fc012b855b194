import pLimit from "p-limit";
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
import { UsageError } from "../util/errors.js";
import { log } from "../util/log.js";
import { persist } from "../util/persist.js";
import { linkSignal } from "../util/signals.js";
import {
  badArgument,
  requireFunction,
  requireMs,
  requireOptions,
  requireSender,
  requireText,
} from "../util/validate.js";
import { BlockingQuery } from "./blocking-query.js";
import { readServices } from "./catalog.js";
import { ConsulRegistration, type TtlCheck } from "./consul-registration.js";
import { RequestError } from "./errors.js";
import { decode } from "./fields.js";
import { healthOf, keyOf, readInstances } from "./health.js";
import { isForbidden, readOwnAgent, type OwnAgent } from "./own-agent.js";
import { request, requirePrintable, segment, specOf } from "./request.js";

export interface ConsulAgentOptions extends AgentOptions {
  /** The client of the node's own agent. */
  readonly client: Sender;
  /** Whose services are looked for. Absent or "": those of the agent's own datacenter. */
  readonly dc?: string | undefined;
  /** `false`: instances have no check, and stay when their process dies. @default { ttlMs: 15000, deregisterAfterMs: 60000 } */
  readonly check?: false | TtlCheck | undefined;
  /** Told what is tried again, or left out. If it throws, that is ignored. */
  readonly onWarning?: ((warning: AgentWarning) => void) | undefined;
}

/** Longest that Consul is to wait for a change, in ms. */
const waitMs = 30_000;
/** Between two reads of a service that changes all the time, in ms. */
const everyMs = 100;
const minRetryMs = 100;
const maxRetryMs = 10_000;
/** Services read at once. */
const listWidth = 8;
/** Registrations and removals at once: each waits with a long poll. */
const registerWidth = 32;
/** The servers themselves: no service of anybody's. */
const ownService = "consul";

/**
 * Makes an agent over Consul. Instances are registered with the node's own agent; those of the whole datacenter are found,
 * if they pass their checks.
 *
 * @throws {UsageError} for a bad option
 */
export function createConsulAgent(options: ConsulAgentOptions): Agent {
  if ((options as ConsulAgentOptions | undefined) === undefined)
    badArgument("a Consul agent needs options: { client, ... }");
  requireOptions("options", options, optionNames);
  const { client, dc, check, onWarning, ...agentOptions } = options;
  requireSender("options.client", client);
  if (dc !== undefined) requireText("options.dc", dc);
  requireFunction("options.onWarning", onWarning);
  return createBackendAgent(new ConsulBackend(client, dc, checkOf(check), safely(onWarning)), agentOptions);
}

class ConsulBackend implements Backend {
  readonly #client: Sender;
  readonly #dc: string | undefined;
  readonly #check: TtlCheck | undefined;
  readonly #warn: (warning: AgentWarning) => void;
  readonly #limit = pLimit(registerWidth);
  #own: OwnAgent | undefined;

  constructor(
    client: Sender,
    dc: string | undefined,
    check: TtlCheck | undefined,
    warn: (warning: AgentWarning) => void,
  ) {
    this.#client = client;
    this.#dc = dc;
    this.#check = check;
    this.#warn = warn;
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
    if (this.#dc !== undefined && this.#dc !== "" && this.#dc !== own.dc) {
      badArgument(
        `options.dc is "${this.#dc}", but the client's agent registers in its own datacenter, "${own.dc}": use an agent of that datacenter to register`,
      );
    }
    const before = replaced instanceof ConsulRegistration ? replaced : undefined;
    const [client, check, warn, inTurn] = [this.#client, this.#check, this.#warn, this.#limit];
    return ConsulRegistration.begin({ client, instance, own, check, warn, inTurn }, before, signal);
  }

  isLocal({ id, key }: InstanceData): boolean {
    const node = this.#own?.node;
    return node === undefined || key === keyOf(node, id);
  }

  async list(name: string | undefined, signal: AbortSignal | undefined): Promise<readonly InstanceData[]> {
    if (name !== undefined) return this.#instances(name, signal);
    const spec = specOf("GET", "/v1/catalog/services", { dc: this.#dc });
    const services = decode(spec, await request(this.#client, spec, signal), readServices);
    const limit = pLimit(listWidth);
    const names = Object.keys(services).filter((each) => each !== ownService);
    const link = linkSignal(signal);
    try {
      return (await Promise.all(names.map((each) => limit(() => this.#listed(each, link.signal))))).flat();
    } catch (error) {
      limit.clearQueue();
      link.abort(error);
      throw error;
    } finally {
      link.unlink();
    }
  }

  source(name: string): InstanceSource {
    const query = new BlockingQuery(this.#client, { ...healthOf(name, { dc: this.#dc }), waitMs, everyMs });
    const backoff = new Backoff(minRetryMs, maxRetryMs);
    const onFailure = (error: unknown): void => {
      this.#warn({ code: "RETRYING", message: `the instances of "${name}" cannot be read: tried again`, cause: error });
    };
    return {
      next: (signal): Promise<SourceUpdate> =>
        persist(signal, { backoff, isFinal: isForbidden, onFailure }, async () => {
          const instances = readInstances(name, query.asked, await query.next(signal));
          backoff.reset();
          return { kind: "state", instances };
        }),
      reread: () => {
        query.reread();
      },
    };
  }

  async #ownAgent(signal: AbortSignal): Promise<OwnAgent> {
    return (this.#own ??= await readOwnAgent(this.#client, signal));
  }

  /** The instances of a service that the catalog lists. Anybody can register a name that nobody can ask for. */
  async #listed(name: string, signal: AbortSignal): Promise<readonly InstanceData[]> {
    try {
      return await this.#instances(name, signal);
    } catch (error) {
      if (!isOddName(error)) throw error;
      this.#warn({
        code: "SKIPPED",
        message: `the service ${JSON.stringify(name)} cannot be queried by its name: it is left out`,
        cause: error,
      });
      return [];
    }
  }

  async #instances(name: string, signal: AbortSignal | undefined): Promise<readonly InstanceData[]> {
    const { path, query } = healthOf(name, { dc: this.#dc });
    const spec = specOf("GET", path, query);
    return readInstances(name, spec, await request(this.#client, spec, signal));
  }
}

/** Whether a name is to blame, and not the state of the servers or our rights. */
function isOddName(error: unknown): boolean {
  if (error instanceof RequestError) return nameStatuses.has(error.statusCode);
  return error instanceof UsageError && error.code === "ERR_ARGUMENT";
}

/** Consul refuses a character in the path; the path, or the request line, is too long. */
const nameStatuses: ReadonlySet<number> = new Set([400, 414, 431]);

function checkOf(check: ConsulAgentOptions["check"]): TtlCheck | undefined {
  if (check === false) return undefined;
  requireOptions("options.check", check, checkNames);
  const { ttlMs, deregisterAfterMs } = check ?? { ttlMs: 15_000, deregisterAfterMs: 60_000 };
  for (const [what, ms] of [
    ["options.check.ttlMs", ttlMs],
    ["options.check.deregisterAfterMs", deregisterAfterMs],
  ] as const) {
    requireMs(what, ms);
    if (ms === Infinity) badArgument(`${what} must be finite`);
  }
  return { ttlMs, deregisterAfterMs };
}

function safely(onWarning: ConsulAgentOptions["onWarning"]): (warning: AgentWarning) => void {
  return (warning) => {
    log.consul("%s: %s", warning.code, warning.message);
    try {
      onWarning?.(warning);
    } catch (error) {
      log.consul("onWarning threw: %s", error instanceof Error ? error.message : "");
    }
  };
}

const checkNames: ReadonlySet<string> = new Set<keyof TtlCheck>(["ttlMs", "deregisterAfterMs"]);
const optionNames: ReadonlySet<string> = new Set<keyof ConsulAgentOptions>([
  "client",
  "dc",
  "advertiseAddress",
  "defaultTags",
  "check",
  "onWarning",
]);
