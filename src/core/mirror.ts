import { EtcdError, isIndexCleared, isKeyNotFound, ResponseError, UsageError } from "../util/errors.js";
import type { KeysAPI } from "./keys.js";
import type { KeyNode, KeysAction, KeysResponse } from "./types.js";
import { Backoff } from "../util/backoff.js";
import { log } from "../util/log.js";
import { sleep } from "../util/signals.js";
import { requireFunction, requireMs, requireOptions, requireSignal } from "../util/validate.js";
import type { Watcher } from "./watcher.js";

export interface MirrorOptions {
  /** Told of every failure that is tried again: outages, and history that was cleared. If it throws, `next` rejects with that. */
  readonly onError?: ((error: unknown) => void) | undefined;
  /** Pause after the first failure in a row, in ms; doubles with each, at random up to half shorter. @default 100 */
  readonly minRetryMs?: number | undefined;
  /** Longest pause, in ms. @default 10000 */
  readonly maxRetryMs?: number | undefined;
}

/** One file of the subtree that came, changed or went. */
export interface MirrorChange {
  readonly type: "set" | "remove";
  /** The file as it is now; of one that went, as it was known last. */
  readonly node: KeyNode;
  /** As it was known before; absent for one that is new. */
  readonly prevNode?: KeyNode;
  /** What etcd said; "list" where it comes from reading, not from an event. */
  readonly action: KeysAction | "list";
}

export interface MirrorUpdate {
  /** `list`: the whole subtree was read, the first time or again; `event`: one event. */
  readonly kind: "list" | "event";
  /** What differs from before; of the first list, everything. May be empty for lists only. */
  readonly changes: readonly MirrorChange[];
  /** etcd's index up to which the mirror is complete. */
  readonly index: number;
}

/**
 * A local copy of the files below a key, or of one file: reads it, then watches from that very index. Outlives outages
 * and cleared history: it reads again and hands out the difference, so that folding all changes gives what is in etcd.
 * Hidden names (`_name`) below the key are left out. Pulled: it holds no resource, and makes no request, between calls.
 */
export class Mirror {
  readonly #keys: KeysAPI;
  readonly #key: string;
  readonly #onError: ((error: unknown) => void) | undefined;
  readonly #backoff: Backoff;
  #nodes = new Map<string, KeyNode>();
  #watcher: Watcher | undefined;
  #index = 0;
  #pending = false;

  /** @param key a directory or a file; need not exist. @throws {UsageError} for bad arguments */
  constructor(keys: KeysAPI, key: string, options: MirrorOptions = {}) {
    requireOptions("options", options, mirrorOptionNames);
    const { minRetryMs = 100, maxRetryMs = 10_000 } = options;
    requireFunction("options.onError", options.onError);
    requireMs("options.minRetryMs", minRetryMs);
    requireMs("options.maxRetryMs", maxRetryMs);
    // checks the key
    keys.watcher(key);
    this.#keys = keys;
    this.#key = key;
    this.#onError = options.onError;
    this.#backoff = new Backoff(minRetryMs, Math.max(minRetryMs, maxRetryMs));
  }

  /** A snapshot of the files as of the last update, by key. */
  get nodes(): ReadonlyMap<string, KeyNode> {
    return new Map(this.#nodes);
  }

  /** etcd's index as of the last update; 0 before the first. */
  get index(): number {
    return this.#index;
  }

  /**
   * The first call reads; each further one waits for a change. Failures that may pass are tried again, with pauses.
   *
   * @throws {EtcdError | ResponseError} what will not pass by itself: a refusal, such as missing rights, or a server without the v2 API
   * @throws {UsageError} `ERR_BUSY`: an earlier `next` is still waiting; `ERR_CLOSED`: the client is closed
   * Rejects with `signal.reason` when aborted; may be called again.
   */
  async next(signal?: AbortSignal): Promise<MirrorUpdate> {
    requireSignal("signal", signal);
    signal?.throwIfAborted();
    if (this.#pending) throw new UsageError("ERR_BUSY", "an earlier next() of this mirror is still waiting");
    this.#pending = true;
    try {
      for (;;) {
        const update = await this.#attempt(signal);
        if (update !== undefined) return update;
      }
    } finally {
      this.#pending = false;
    }
  }

  /** `next` for ever; ends by throwing what `next` rejects with. */
  async *updates(signal?: AbortSignal): AsyncGenerator<MirrorUpdate, void, undefined> {
    for (;;) yield await this.next(signal);
  }

  /** Makes the next call read everything again, as after cleared history. */
  resync(): void {
    this.#watcher = undefined;
  }

  async #attempt(signal: AbortSignal | undefined): Promise<MirrorUpdate | undefined> {
    try {
      const update =
        this.#watcher === undefined ? await this.#list(signal) : this.#apply(await this.#watcher.next(signal));
      this.#backoff.reset();
      return update;
    } catch (error) {
      signal?.throwIfAborted();
      if (isIndexCleared(error)) this.#watcher = undefined;
      else if (isFinal(error)) throw error;
      log.watch("mirror of %s: %s", this.#key, error instanceof Error ? error.message : "");
      this.#onError?.(error);
      if (!isIndexCleared(error)) await sleep(this.#backoff.next(), signal);
      return undefined;
    }
  }

  /** A read that is older than what we know (another member, lagging) is repeated by quorum: the copy never goes back in time. */
  async #list(signal: AbortSignal | undefined): Promise<MirrorUpdate> {
    let { index, nodes } = await this.#read(signal);
    if (index < this.#index) ({ index, nodes } = await this.#read(signal, true));
    const before = this.#nodes;
    const gone = [...before.values()].filter(({ key }) => !nodes.has(key));
    const come = [...nodes.values()].filter((node) => differs(before.get(node.key), node));
    this.#nodes = nodes;
    this.#index = index;
    this.#watcher = this.#keys.watcher(this.#key, { recursive: true, afterIndex: index });
    return {
      kind: "list",
      index,
      changes: [
        ...gone.map((node) => removal(node, "list")),
        ...come.map((node) => setting(node, before.get(node.key), "list")),
      ],
    };
  }

  /** A key that is not there is an empty subtree; etcd tells the index with that too. */
  async #read(
    signal: AbortSignal | undefined,
    quorum?: boolean,
  ): Promise<{ index: number; nodes: Map<string, KeyNode> }> {
    try {
      const { node, index } = await this.#keys.get(this.#key, { recursive: true, sort: true, quorum, signal });
      return { index, nodes: new Map(filesOf(node).map((file) => [file.key, file])) };
    } catch (error) {
      if (!isKeyNotFound(error) || !(error instanceof EtcdError)) throw error;
      return { index: error.index, nodes: new Map() };
    }
  }

  /** undefined for an event that changes no file: a new directory, a hidden name. */
  #apply({ action, node }: KeysResponse): MirrorUpdate | undefined {
    const removes = removingActions.has(action);
    // a write to a directory, such as a new TTL, leaves what is below it; one that replaced a file ends that file
    const ends = removes || (node.dir && this.#nodes.has(node.key));
    const changes = (ends ? this.#take(node.key) : []).map((file) => removal(file, action));
    if (!removes && !node.dir && !this.#isHidden(node.key)) {
      changes.push(setting(node, this.#nodes.get(node.key), action));
      this.#nodes.set(node.key, node);
    }
    this.#index = node.modifiedIndex;
    return changes.length === 0 ? undefined : { kind: "event", changes, index: this.#index };
  }

  /** Takes out the file of that key, or all below it: the end of a directory, or of one above ours, is one event under its key. */
  #take(key: string): readonly KeyNode[] {
    const file = this.#nodes.get(key);
    const taken =
      file !== undefined
        ? [file]
        : [...this.#nodes.values()].filter((node) => key === "/" || node.key.startsWith(`${key}/`));
    for (const node of taken) this.#nodes.delete(node.key);
    return taken;
  }

  /** Live watchers and listings leave them out, history does not: all the same here. */
  #isHidden(key: string): boolean {
    const root = this.#key.replace(/\/+$/, "");
    return (
      key.startsWith(root) &&
      key
        .slice(root.length)
        .split("/")
        .some((segment) => segment.startsWith("_"))
    );
  }
}

const removingActions: ReadonlySet<KeysAction> = new Set(["delete", "expire", "compareAndDelete"]);

/** What trying again does not mend. */
function isFinal(error: unknown): boolean {
  if (error instanceof ResponseError) return error.status >= 400 && error.status < 500;
  return error instanceof EtcdError || error instanceof UsageError;
}

function filesOf(node: KeyNode): readonly KeyNode[] {
  return node.dir ? node.nodes.flatMap(filesOf) : [node];
}

/** A refresh changes only `modifiedIndex`, and is no event: no difference here either. */
function differs(before: KeyNode | undefined, now: KeyNode): boolean {
  return before?.value !== now.value || before.createdIndex !== now.createdIndex;
}

function setting(node: KeyNode, prevNode: KeyNode | undefined, action: MirrorChange["action"]): MirrorChange {
  return { type: "set", node, action, ...(prevNode !== undefined && { prevNode }) };
}

function removal(node: KeyNode, action: MirrorChange["action"]): MirrorChange {
  return { type: "remove", node, action };
}

const mirrorOptionNames: ReadonlySet<string> = new Set<keyof MirrorOptions>(["onError", "minRetryMs", "maxRetryMs"]);
