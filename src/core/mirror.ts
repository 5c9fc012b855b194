import { EtcdError, EtcdErrorCode, isIndexCleared, ResponseError, UsageError } from "../util/errors.js";
import type { KeysAPI } from "./keys.js";
import type { KeyNode, KeysAction, KeysResponse } from "./types.js";
import { Backoff } from "../util/backoff.js";
import { safeCallback } from "../util/callback.js";
import { diagnostics, trace } from "../util/diagnostics.js";
import { messageOf } from "../util/error-like.js";
import { optional, requireFields, type Checks } from "../util/fields.js";
import { log } from "../util/log.js";
import { retry } from "../util/retry.js";
import { sleep, throwIfAborted } from "../util/signals.js";
import { StalledWarning } from "../util/stalled-warning.js";
import { isTransient } from "../util/transient.js";
import { badArgument, kindOf, requireFunction, requireMs, requireSignal } from "../util/validate.js";
import { listFiles, type Listing } from "./mirror-list.js";
import { isHiddenBelow, startedOver } from "./watch-checks.js";
import type { Watcher } from "./watcher.js";

export interface MirrorOptions {
  /**
   * Called with every failure after which the mirror goes on: outages, and what `isIndexCleared` recognizes, after which it
   * reads again. What it throws becomes a process warning. Absent: a mirror that gets nowhere for 5 s emits a process
   * warning, once per `KeysAPI`.
   */
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
 * A local copy of the files below a key, or of one file: reads it, then watches from that very index. It outlives outages,
 * cleared history, and a cluster that is set up again or restored: it reads again and delivers the difference, so that
 * folding all changes gives what is in etcd. Hidden names (`_name`) below the key are left out. It is pulled: it holds no
 * resource, and sends no request, between calls.
 */
export class Mirror {
  readonly #keys: KeysAPI;
  readonly #key: string;
  readonly #onError: (error: unknown) => void;
  readonly #stalled: StalledWarning;
  /** Between failures. */
  readonly #backoff: Backoff;
  /** Between lists, as long as no watch works in between. */
  readonly #listBackoff: Backoff;
  #nodes = new Map<string, KeyNode>();
  #watcher: Watcher | undefined;
  /** Whether the watch since the last list has worked: cleared history is then read again at once. */
  #watchWorked = true;
  /** Why the next list has to be read by quorum, and may be older than the last: `onError` knows. */
  #startedOver = false;
  #isListed = false;
  #index = 0;
  #pending = false;

  /** @param key a directory or a file; need not exist. @throws {UsageError} for bad arguments */
  constructor(keys: KeysAPI, key: string, options: MirrorOptions = {}) {
    requireKeys(keys);
    requireFields("options", options, mirrorChecks);
    const { minRetryMs = 100, maxRetryMs = 10_000, onError } = options;
    // checks the key
    keys.watcher(key);
    this.#keys = keys;
    this.#key = key;
    this.#onError = safeCallback("options.onError", onError);
    this.#backoff = new Backoff(minRetryMs, Math.max(minRetryMs, maxRetryMs));
    this.#listBackoff = new Backoff(minRetryMs, Math.max(minRetryMs, maxRetryMs));
    this.#stalled = new StalledWarning({
      owner: keys,
      what: `the mirror of ${key}`,
      hint: "pass options.onError to handle this",
      isHeard: onError !== undefined,
    });
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
   * The first call reads; each further one waits for a change. Transient failures (no endpoint answered, a proxy or rate
   * limiter refused) are tried again, with growing pauses that respect `Retry-After`.
   *
   * @throws {EtcdError | ResponseError} what does not pass by itself: etcd's own refusal, such as missing rights; for the
   * first read, also a response that is not etcd's, such as that of a server without the v2 API
   * @throws {UsageError} `ERR_BUSY`: an earlier `next` is still waiting; `ERR_CLOSED`: the client is closed
   * Rejects with `signal.reason` when aborted; may be called again.
   */
  async next(signal?: AbortSignal): Promise<MirrorUpdate> {
    requireSignal("signal", signal);
    throwIfAborted(signal);
    if (this.#pending) throw new UsageError("ERR_BUSY", "an earlier next() of this mirror is still waiting");
    this.#pending = true;
    try {
      for (;;) {
        const watcher = this.#watcher;
        const update = watcher === undefined ? await this.#list(signal) : await this.#event(watcher, signal);
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

  /** undefined if it brought no change, or if everything has to be read again. */
  async #event(watcher: Watcher, signal: AbortSignal | undefined): Promise<MirrorUpdate | undefined> {
    const sinceMs = performance.now();
    try {
      const event = await this.#retry(() => watcher.next(signal), signal);
      this.#watchWorked = true;
      return this.#apply(event);
    } catch (error) {
      throwIfAborted(signal);
      if (!isIndexCleared(error)) throw error;
      this.#watcher = undefined;
      this.#startedOver = isStartedOver(error);
      this.#report(error);
      // one that waited for long did work: a directory in which little happens
      if (this.#watchWorked || performance.now() - sinceMs > steadyMs) this.#listBackoff.reset();
      else await sleep(this.#listBackoff.next(), signal);
      return undefined;
    }
  }

  /**
   * Reads everything. A read that is older than what is known (of a member that lags) is repeated by quorum: the copy only
   * goes back together with the whole cluster.
   */
  async #list(signal: AbortSignal | undefined): Promise<MirrorUpdate> {
    if (!this.#isListed) this.#stalled.start();
    let read = await trace(
      diagnostics.list,
      { key: this.#key, again: this.#isListed },
      () => this.#read(signal, this.#startedOver || undefined),
      (message, { index }) => (message.index = index),
    );
    if (read.index < this.#index && !this.#startedOver) read = await this.#read(signal, true);
    const { index, nodes, clusterId } = read;
    if (index < this.#index && !this.#startedOver)
      this.#report(startedOver(`the index went back from ${String(this.#index)} to ${String(index)}`, index));
    const before = this.#nodes;
    const gone = [...before.values()].filter(({ key }) => !nodes.has(key));
    const come = [...nodes.values()].filter((node) => differs(before.get(node.key), node));
    this.#nodes = nodes;
    this.#index = index;
    this.#isListed = true;
    this.#startedOver = false;
    this.#watchWorked = false;
    this.#watcher = this.#keys.watcher(this.#key, { recursive: true, afterIndex: index, clusterId });
    return {
      kind: "list",
      index,
      changes: [
        ...gone.map((node) => removal(node, "list")),
        ...come.map((node) => setting(node, before.get(node.key), "list")),
      ],
    };
  }

  #read(signal: AbortSignal | undefined, quorum: boolean | undefined): Promise<Listing> {
    return this.#retry(() => listFiles(this.#keys, this.#key, quorum, signal), signal);
  }

  #retry<T>(attempt: () => Promise<T>, signal: AbortSignal | undefined): Promise<T> {
    return retry(attempt, {
      signal,
      backoff: this.#backoff,
      isTransient: (error) => isTransient(error) && (this.#isListed || !isWrongServer(error)),
      onFailure: (error) => {
        this.#report(error);
      },
      stalled: this.#stalled,
    });
  }

  #report(error: unknown): void {
    log.watch("mirror of %s: %s", this.#key, messageOf(error));
    this.#onError(error);
  }

  /** undefined for an event that changes no file: a new directory, a hidden name. */
  #apply({ action, node }: KeysResponse): MirrorUpdate | undefined {
    const removes = removingActions.has(action);
    // a write to a directory, such as a new TTL, leaves what is below it; one that replaced a file ends that file
    const ends = removes || (node.dir && this.#nodes.has(node.key));
    const changes = (ends ? this.#take(node.key) : []).map((file) => removal(file, action));
    if (!removes && !node.dir && !isHiddenBelow(node.key, this.#key)) {
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
}

const removingActions: ReadonlySet<KeysAction> = new Set(["delete", "expire", "compareAndDelete"]);

/** A watch that waited this long, in ms, before its history was cleared has worked, even without an event. */
const steadyMs = 5_000;

/** Before anything was read, such a response shows a wrong URL, or a server without the v2 API. Later it is a proxy's, and passes. */
function isWrongServer(error: unknown): boolean {
  if (!(error instanceof ResponseError || error instanceof EtcdError)) return false;
  return error.status === 403 || error.status === 404 || error.status < 400;
}

function isStartedOver(error: unknown): boolean {
  return error instanceof EtcdError && error.errorCode === EtcdErrorCode.watcherCleared;
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

const mirrorChecks: Checks<MirrorOptions> = {
  onError: requireFunction,
  minRetryMs: optional(requireMs),
  maxRetryMs: optional(requireMs),
};

function requireKeys(keys: unknown): void {
  if (typeof keys !== "object" || keys === null || !("watcher" in keys) || !("get" in keys))
    badArgument(`keys must be a KeysAPI, got ${kindOf(keys)}`);
}
