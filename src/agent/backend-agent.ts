import { randomUUID } from "node:crypto";
import { optional, requireFields, type Checks } from "../util/fields.js";
import { closedError } from "../util/handle.js";
import { UsageError } from "../util/errors.js";
import { Limiter } from "../util/limiter.js";
import { abortable, linkSignal, throwIfAborted } from "../util/signals.js";
import { badArgument, requireBoolean, requireSignal, requireText } from "../util/validate.js";
import {
  watchChecks,
  type Agent,
  type DeregisterOptions,
  type QueryOptions,
  type RegisterOptions,
  type Service,
  type ServiceWatcher,
  type WatchOptions,
} from "./agent.js";
import { requireTags, resolveAdvertised, resolveAgentOptions, type AgentOptions } from "./agent-options.js";
import type { Backend } from "./backend.js";
import { AgentError } from "./errors.js";
import {
  checkNewInstance,
  freezeInstance,
  hasTags,
  type Instance,
  type InstanceData,
  type NewInstance,
} from "./instance.js";
import { requireMethods } from "./require-methods.js";
import { SharedWatch } from "./shared-watch.js";
import { Slots } from "./slots.js";

/** How many deregistrations run at once when leaving. */
const leaveWidth = 8;

/**
 * Makes an agent from a backend. What all backends have in common is done here: checks, ids, tags, which instances are the
 * agent's own, one poll for each watched service, leaving.
 *
 * @throws {UsageError} for bad arguments
 */
export function createBackendAgent(backend: Backend, options: AgentOptions = {}): Agent {
  requireMethods("backend", backend, ["add", "list", "source"]);
  return new BackendAgent(backend, options);
}

class BackendAgent implements Agent {
  readonly #backend: Backend;
  readonly #advertiseAddress: string | undefined;
  readonly #defaultTags: readonly string[];
  readonly #slots = new Slots();
  readonly #watches = new Map<string, SharedWatch>();
  #closing: Promise<void> | undefined;

  constructor(backend: Backend, options: AgentOptions) {
    ({ advertiseAddress: this.#advertiseAddress, defaultTags: this.#defaultTags } = resolveAgentOptions(options));
    this.#backend = backend;
  }

  async register(newInstance: NewInstance, options: RegisterOptions = {}): Promise<string> {
    requireFields("options", options, registerChecks);
    const { signal, replace = false } = options;
    const checked = checkNewInstance(newInstance);
    this.#begin(signal);
    const id = checked.id ?? this.#newId(checked);
    const link = linkSignal(signal);
    const work = this.#slots.run(id, async (slot) => {
      const { held, name } = slot;
      if (held !== undefined && !replace) {
        throw new AgentError("ERR_ALREADY_REGISTERED", `this agent has already registered an instance "${id}"`);
      }
      try {
        const data = await this.#dataOf(id, checked, link.signal);
        link.signal.throwIfAborted();
        slot.name = data.name;
        slot.held = await this.#backend.add(data, { signal: link.signal, replaced: held });
      } catch (error) {
        slot.name = name;
        throw error;
      } finally {
        slot.adding.delete(link);
      }
    });
    this.#slots.get(id)?.adding.add(link);
    try {
      await abortable(work, link.signal);
      return id;
    } finally {
      link.unlink();
    }
  }

  async deregister(id: string, options: DeregisterOptions = {}): Promise<void> {
    requireText("id", id);
    requireFields("options", options, deregisterChecks);
    this.#begin(options.signal);
    await this.#remove(id, options.signal);
  }

  async services(options: QueryOptions = {}): Promise<ReadonlyMap<string, Service>> {
    const tags = this.#beginQuery(options);
    const byName = new Map<string, InstanceData[]>();
    for (const data of await this.#backend.list(undefined, options.signal)) {
      if (!hasTags(data, tags)) continue;
      const found = byName.get(data.name);
      if (found === undefined) byName.set(data.name, [data]);
      else found.push(data);
    }
    return new Map([...byName].map(([name, found]) => [name, this.#serviceOf(name, found, tags)]));
  }

  async service(name: string, options: QueryOptions = {}): Promise<Service> {
    requireText("name", name);
    if (name === "") badArgument('name must not be ""');
    const tags = this.#beginQuery(options);
    const found = await this.#backend.list(name, options.signal);
    return this.#serviceOf(
      name,
      found.filter((data) => hasTags(data, tags)),
      tags,
    );
  }

  async leave(options: DeregisterOptions = {}): Promise<void> {
    requireFields("options", options, deregisterChecks);
    this.#begin(options.signal);
    await this.#leave(options.signal);
  }

  close(): Promise<void> {
    this.#closing ??= this.#leave(undefined);
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #begin(signal: AbortSignal | undefined): void {
    throwIfAborted(signal);
    if (this.#closing !== undefined) throw closedError("the agent");
  }

  /** The tags asked for, without repetitions. */
  #beginQuery(options: QueryOptions): readonly string[] {
    requireFields("options", options, queryChecks);
    this.#begin(options.signal);
    return [...new Set(options.tags)];
  }

  #newId({ addr = this.#backend.nodeAddress ?? "" }: NewInstance): string {
    return this.#backend.newId?.(addr) ?? randomUUID();
  }

  async #dataOf(
    id: string,
    { name, addr, port, tags = [], meta }: NewInstance,
    signal: AbortSignal,
  ): Promise<InstanceData> {
    const host =
      this.#advertiseAddress === undefined
        ? (addr ?? this.#backend.nodeAddress ?? "")
        : await resolveAdvertised(this.#advertiseAddress, signal);
    return {
      id,
      name,
      host,
      port,
      tags: [...new Set([...this.#defaultTags, ...tags])],
      ...(meta !== undefined && { meta }),
    };
  }

  #serviceOf(name: string, found: readonly InstanceData[], tags: readonly string[]): Service {
    const instances = Object.freeze(found.map((data) => this.#toInstance(data)));
    return Object.freeze({ name, instances, watch: (options: WatchOptions = {}) => this.#watch(name, tags, options) });
  }

  #toInstance(data: InstanceData): Instance {
    const isLocal = this.#slots.get(data.id)?.name === data.name && this.#backend.isLocal?.(data) !== false;
    return freezeInstance(data, isLocal);
  }

  #watch(name: string, tags: readonly string[], options: WatchOptions): ServiceWatcher {
    requireFields("options", options, watchChecks);
    if (this.#closing !== undefined) throw closedError("the agent");
    const watch = this.#watches.get(name) ?? this.#newWatch(name);
    return watch.open(tags, options.signal);
  }

  #newWatch(name: string): SharedWatch {
    const watch: SharedWatch = new SharedWatch({
      source: this.#backend.source(name),
      toInstance: (data) => this.#toInstance(data),
      onEnd: () => {
        if (this.#watches.get(name) === watch) this.#watches.delete(name);
      },
    });
    this.#watches.set(name, watch);
    return watch;
  }

  /** Cancels the registrations in progress of this id, then deregisters the instance that is held. */
  async #remove(id: string, signal: AbortSignal | undefined): Promise<void> {
    const known = this.#slots.get(id);
    if (known === undefined) return;
    const cancelled = new UsageError("ERR_CLOSED", `the instance "${id}" was deregistered during its registration`);
    for (const link of known.adding) link.abort(cancelled);
    const work = this.#slots.run(id, async (slot) => {
      throwIfAborted(signal);
      await slot.held?.remove();
      slot.held = undefined;
      slot.name = undefined;
    });
    await abortable(work, signal);
  }

  async #leave(signal: AbortSignal | undefined): Promise<void> {
    const ended = [...this.#watches.values()].map((watch) => watch.close());
    const limiter = new Limiter(leaveWidth);
    const ids = this.#slots.ids();
    const results = await Promise.allSettled(ids.map((id) => limiter.run(() => this.#remove(id, signal), signal)));
    await Promise.all(ended);
    throwIfAborted(signal);
    const errors = results.flatMap((result) => (result.status === "rejected" ? [result.reason as unknown] : []));
    if (errors.length === 0) return;
    const message = `${String(errors.length)} of ${String(ids.length)} instances could not be deregistered`;
    throw new AggregateError(errors, message);
  }
}

const registerChecks: Checks<RegisterOptions> = { signal: requireSignal, replace: requireBoolean };
const deregisterChecks: Checks<DeregisterOptions> = { signal: requireSignal };
const queryChecks: Checks<QueryOptions> = { signal: requireSignal, tags: optional(requireTags) };
