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
import { log } from "../util/log.js";
import { persist } from "../util/persist.js";
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
import { healthOf, readInstances } from "./health.js";
import { request, specOf } from "./request.js";

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
const waitMs = 60_000;
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

  add(
    instance: InstanceData,
    { signal, replaced }: { readonly signal: AbortSignal; readonly replaced?: HeldInstance | undefined },
  ): Promise<HeldInstance> {
    const before = replaced instanceof ConsulRegistration ? replaced : undefined;
    const setting = { client: this.#client, instance, check: this.#check, warn: this.#warn, inTurn: this.#limit };
    return ConsulRegistration.begin(setting, before, signal);
  }

  async list(name: string | undefined, signal: AbortSignal | undefined): Promise<readonly InstanceData[]> {
    if (name !== undefined) return this.#instances(name, signal);
    const spec = specOf("GET", "/v1/catalog/services", { dc: this.#dc });
    const services = decode(spec, await request(this.#client, spec, signal), readServices);
    const limit = pLimit(listWidth);
    const names = Object.keys(services).filter((each) => each !== ownService);
    return (await Promise.all(names.map((each) => limit(() => this.#instances(each, signal))))).flat();
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

  async #instances(name: string, signal: AbortSignal | undefined): Promise<readonly InstanceData[]> {
    const { path, query } = healthOf(name, { dc: this.#dc });
    const spec = specOf("GET", path, query);
    return readInstances(name, spec, await request(this.#client, spec, signal));
  }
}

function isForbidden(error: unknown): boolean {
  return error instanceof RequestError && (error.statusCode === 401 || error.statusCode === 403);
}

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
