import { randomUUID } from "node:crypto";
import pLimit from "p-limit";
import { UsageError } from "../util/errors.js";
import { abortable, linkSignal } from "../util/signals.js";
import { badArgument, requireBoolean, requireOptions, requireSignal, requireText } from "../util/validate.js";
import type {
  Agent,
  DeregisterOptions,
  QueryOptions,
  RegisterOptions,
  Service,
  ServiceWatcher,
  WatchOptions,
} from "./agent.js";
import { checkAgentOptions, checkTags, resolveAdvertised, type AgentOptions } from "./agent-options.js";
import type { Backend } from "./backend.js";
import { AgentError } from "./errors.js";
import { Feed } from "./feed.js";
import {
  checkNewInstance,
  createInstance,
  hasTags,
  type Instance,
  type InstanceData,
  type NewInstance,
} from "./instance.js";
import { QueuedWatcher } from "./queued-watcher.js";
import { Turns } from "./turns.js";

/** Deregistrations at once when leaving. */
const leaveWidth = 8;

/**
 * Makes an agent of a backend. What all backends have in common lives here: checks, ids, tags, whose instance is whose,
 * one poll per watched service, leaving.
 *
 * @throws {UsageError} for a bad option
 */
export function createBackendAgent(backend: Backend, options: AgentOptions = {}): Agent {
  return new BackendAgent(backend, options);
}

class BackendAgent implements Agent {
  readonly #backend: Backend;
  readonly #advertiseAddress: string | undefined;
  readonly #defaultTags: readonly string[];
  readonly #turns = new Turns();
  readonly #feeds = new Map<string, Feed>();
  #closing: Promise<void> | undefined;

  constructor(backend: Backend, options: AgentOptions) {
    ({ advertiseAddress: this.#advertiseAddress, defaultTags: this.#defaultTags } = checkAgentOptions(options));
    this.#backend = backend;
  }

  async register(newInstance: NewInstance, options: RegisterOptions = {}): Promise<string> {
    requireOptions("options", options, registerOptionNames);
    const { signal, replace = false } = options;
    requireBoolean("options.replace", replace);
    const checked = checkNewInstance(newInstance);
    this.#begin(signal);
    const id = checked.id ?? this.#newId(checked);
    const link = linkSignal(signal);
    const work = this.#turns.take(id, async (slot) => {
      const { held, name } = slot;
      if (held !== undefined && !replace)
        throw new AgentError("ALREADY_REGISTERED", `this agent has registered an instance "${id}" already`);
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
    this.#turns.get(id)?.adding.add(link);
    try {
      await abortable(work, link.signal);
      return id;
    } finally {
      link.unlink();
    }
  }

  async deregister(id: string, options: DeregisterOptions = {}): Promise<void> {
    requireText("id", id);
    requireOptions("options", options, deregisterOptionNames);
    this.#begin(options.signal);
    await this.#remove(id, options.signal);
  }

  async services(options: QueryOptions = {}): Promise<ReadonlyMap<string, Service>> {
    const tags = this.#beginQuery(options);
    const byName = new Map<string, InstanceData[]>();
    for (const data of await this.#backend.list(undefined, options.signal)) {
      if (hasTags(data, tags)) byName.set(data.name, [...(byName.get(data.name) ?? []), data]);
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
    requireOptions("options", options, deregisterOptionNames);
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
    requireSignal("options.signal", signal);
    signal?.throwIfAborted();
    if (this.#closing !== undefined) throw new UsageError("ERR_CLOSED", "the agent is closed");
  }

  #beginQuery(options: QueryOptions): readonly string[] {
    requireOptions("options", options, queryOptionNames);
    const tags = checkTags("options.tags", options.tags);
    this.#begin(options.signal);
    return tags;
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
    return createInstance(data, this.#turns.get(data.id)?.name === data.name);
  }

  #watch(name: string, tags: readonly string[], options: WatchOptions): ServiceWatcher {
    requireOptions("options", options, watchOptionNames);
    requireSignal("options.signal", options.signal);
    if (this.#closing !== undefined) throw new UsageError("ERR_CLOSED", "the agent is closed");
    const watcher = new QueuedWatcher(tags, (ended) => feed.leave(ended));
    const feed = this.#feeds.get(name) ?? this.#newFeed(name);
    if (options.signal?.aborted !== true) feed.join(watcher);
    watcher.follow(options.signal);
    return watcher;
  }

  #newFeed(name: string): Feed {
    const feed: Feed = new Feed(
      this.#backend.source(name),
      (data) => this.#toInstance(data),
      () => {
        if (this.#feeds.get(name) === feed) this.#feeds.delete(name);
      },
    );
    this.#feeds.set(name, feed);
    return feed;
  }

  /** Calls off what is being registered under the id, then takes out what is held. */
  async #remove(id: string, signal: AbortSignal | undefined): Promise<void> {
    const slot = this.#turns.get(id);
    if (slot === undefined) return;
    for (const link of slot.adding)
      link.abort(new UsageError("ERR_CLOSED", `the instance "${id}" was deregistered while it was being registered`));
    const work = this.#turns.take(id, async (slot) => {
      signal?.throwIfAborted();
      await slot.held?.remove();
      slot.held = undefined;
      slot.name = undefined;
    });
    await (signal === undefined ? work : abortable(work, signal));
  }

  async #leave(signal: AbortSignal | undefined): Promise<void> {
    const ended = [...this.#feeds.values()].flatMap((feed) => feed.watchers().map((watcher) => watcher.close()));
    const limit = pLimit(leaveWidth);
    const ids = this.#turns.ids();
    const results = await Promise.allSettled(ids.map((id) => limit(() => this.#remove(id, signal))));
    await Promise.all(ended);
    signal?.throwIfAborted();
    const errors = results.flatMap((result) => (result.status === "rejected" ? [result.reason as unknown] : []));
    if (errors.length > 0)
      throw new AggregateError(
        errors,
        `${String(errors.length)} of ${String(ids.length)} instances could not be deregistered`,
      );
  }
}

const registerOptionNames: ReadonlySet<string> = new Set<keyof RegisterOptions>(["signal", "replace"]);
const deregisterOptionNames: ReadonlySet<string> = new Set<keyof DeregisterOptions>(["signal"]);
const queryOptionNames: ReadonlySet<string> = new Set<keyof QueryOptions>(["tags", "signal"]);
const watchOptionNames: ReadonlySet<string> = new Set<keyof WatchOptions>(["signal"]);
