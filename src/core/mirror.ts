import { UsageError } from "../util/errors.js";
import { Backoff } from "../util/backoff.js";
import { safeCallback } from "../util/callback.js";
import { noop } from "../util/deferred.js";
import { requireFields } from "../util/fields.js";
import { abortable, linkSignal, throwIfAborted } from "../util/signals.js";
import { requireIndex, requireSignal } from "../util/validate.js";
import type { KeysAPI } from "./keys.js";
import { changesBetween, merged, removal, setting, type MirrorChange, type MirrorUpdate } from "./mirror-changes.js";
import type { Listing } from "./mirror-list.js";
import { mirrorChecks, requireKeys, type MirrorOptions } from "./mirror-options.js";
import { MirrorReader } from "./mirror-reader.js";
import type { KeyNode, KeysAction, KeysResponse } from "./types.js";
import { isHiddenBelow } from "./watch-checks.js";

/** How long `waitFor` waits for an event before it reads again, in ms; twice as long each time, up to the second. */
const rereadMs = 1_000;
const maxRereadMs = 30_000;

/**
 * A local copy of the files below a key, or of one file: reads them, then watches from the index of that read. It outlives
 * outages, cleared history, and a cluster that is set up again or restored: it reads again and delivers the difference, so
 * that folding all changes gives what is in etcd. Hidden names (`_name`) below the key are left out.
 *
 * It is pulled: it holds no resource, and sends no request, between calls. Iterate it, or call `next` in a loop, to keep it
 * up to date; read it with `get`, `has`, `list` and the iterators at any time.
 *
 * @example
 * const mirror = new Mirror(keys, "/config");
 * for await (const { changes } of mirror) {
 *   for (const { type, node } of changes) console.log(type, node.key, node.value);
 *   console.log(mirror.get("/config/color")?.value, mirror.size);
 * }
 */
export class Mirror {
  readonly #key: string;
  readonly #reader: MirrorReader;
  #nodes = new Map<string, KeyNode>();
  #index = 0;
  /** What `next` has not returned yet. More than one update is merged: it grows no larger than the copy. */
  #unread: MirrorUpdate | undefined;
  /** Settles, and never rejects, when the pull is over that some call makes for all. */
  #pulling: Promise<void> | undefined;
  /** Ends the wait of that pull. */
  #interrupt: ((reason: unknown) => void) | undefined;
  #pending = false;

  /** @param key a directory or a file; need not exist. @throws {UsageError} for bad arguments */
  constructor(keys: KeysAPI, key: string, options: MirrorOptions = {}) {
    requireKeys(keys);
    requireFields("options", options, mirrorChecks);
    const { minRetryMs = 100, maxRetryMs = 10_000, onError } = options;
    // checks the key
    keys.watcher(key);
    this.#key = key;
    this.#reader = new MirrorReader({
      keys,
      key,
      minRetryMs,
      maxRetryMs: Math.max(minRetryMs, maxRetryMs),
      onError: safeCallback("options.onError", onError),
      isHeard: onError !== undefined,
    });
  }

  /** How many files there are. */
  get size(): number {
    return this.#nodes.size;
  }

  /** etcd's index up to which the copy is complete; 0 before the first read. */
  get index(): number {
    return this.#index;
  }

  /** A snapshot of all files, by key. It is a copy: for single files use `get`, to look at all of them the iterators. */
  get nodes(): ReadonlyMap<string, KeyNode> {
    return new Map(this.#nodes);
  }

  /**
   * Resolves when the subtree has been read. If no call has read it yet, this reads it. Rejects as {@link next} does.
   *
   * @example
   * const mirror = new Mirror(keys, "/config");
   * await mirror.ready;
   * console.log(mirror.get("/config/color")?.value);
   */
  get ready(): Promise<void> {
    const ready = this.waitFor(0);
    // who only looks at the property does not have to handle it
    ready.catch(noop);
    return ready;
  }

  /** The file with that key. undefined if there is none. */
  get(key: string): KeyNode | undefined {
    return this.#nodes.get(key);
  }

  /** Whether there is a file with that key. Directories do not count. */
  has(key: string): boolean {
    return this.#nodes.has(key);
  }

  /**
   * All files below a directory, at any depth, sorted by key. Empty if there are none.
   *
   * @example
   * for (const { key, value } of mirror.list("/config/colors")) console.log(key, value);
   */
  list(dir: string): readonly KeyNode[] {
    const start = `${dir.replace(/\/+$/, "")}/`;
    const below: KeyNode[] = [];
    for (const node of this.#nodes.values()) if (node.key.startsWith(start)) below.push(node);
    return below.sort((one, other) => (one.key < other.key ? -1 : 1));
  }

  /** The keys of all files, without a copy. */
  keys(): IterableIterator<string> {
    return this.#nodes.keys();
  }

  /** All files, without a copy. */
  values(): IterableIterator<KeyNode> {
    return this.#nodes.values();
  }

  /** All files with their keys, without a copy. */
  entries(): IterableIterator<[string, KeyNode]> {
    return this.#nodes.entries();
  }

  /** The same as {@link entries}. */
  [Symbol.iterator](): IterableIterator<[string, KeyNode]> {
    return this.entries();
  }

  /**
   * The first call reads; each further one waits for a change. Transient failures (no endpoint answered, a proxy or rate
   * limiter refused) are tried again, with growing pauses that respect `Retry-After`. What `ready` and `waitFor` took in
   * meanwhile comes first, as one update.
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
        const update = this.#unread;
        this.#unread = undefined;
        if (update !== undefined) return update;
        await this.#advance(signal);
      }
    } finally {
      this.#pending = false;
    }
  }

  /** `next` for ever; ends by throwing what `next` rejects with. */
  async *updates(signal?: AbortSignal): AsyncGenerator<MirrorUpdate, void, undefined> {
    for (;;) yield await this.next(signal);
  }

  /** The same as {@link updates} without a signal. */
  [Symbol.asyncIterator](): AsyncGenerator<MirrorUpdate, void, undefined> {
    return this.updates();
  }

  /**
   * Waits until the copy is complete up to an index, such as the `index` of a write of your own: from then on `get` sees
   * that write. It works with and without a loop that calls `next`, which still gets every change. Where no event comes
   * within a second (a refresh is none, and a write elsewhere neither), it reads again.
   *
   * @throws as {@link next}
   * Rejects with `signal.reason` when aborted.
   * @example
   * const { index } = await keys.set("/config/color", "red");
   * await mirror.waitFor(index);
   */
  async waitFor(index: number, signal?: AbortSignal): Promise<void> {
    requireIndex("index", index);
    requireSignal("signal", signal);
    throwIfAborted(signal);
    const pauses = new Backoff(rereadMs, maxRereadMs);
    while (this.#index < index || !this.#reader.isListed) {
      const timer = setTimeout(() => {
        if (this.#reader.isWatching) this.resync();
      }, pauses.next());
      try {
        await this.#advance(signal);
      } finally {
        clearTimeout(timer);
      }
    }
  }

  /** Makes the mirror read everything again, as after cleared history: at once if a call is waiting, else with the next one. */
  resync(): void {
    this.#reader.resync();
    this.#interrupt?.(resynced);
  }

  /** Takes in one list or event; several calls that wait share the work. */
  #advance(signal: AbortSignal | undefined): Promise<void> {
    if (this.#pulling !== undefined) return abortable(this.#pulling, signal);
    const pull = this.#pull(signal);
    this.#pulling = pull.then(noop, noop);
    return pull;
  }

  async #pull(signal: AbortSignal | undefined): Promise<void> {
    const link = linkSignal(signal);
    this.#interrupt = link.abort;
    try {
      const read = await this.#reader.next(link.signal);
      const update = read && ("nodes" in read ? this.#replace(read) : this.#apply(read));
      if (update !== undefined) this.#unread = merged(this.#unread, update);
    } catch (error) {
      throwIfAborted(signal);
      if (error !== resynced) throw error;
    } finally {
      link.unlink();
      this.#interrupt = undefined;
      this.#pulling = undefined;
    }
  }

  #replace({ index, nodes }: Listing): MirrorUpdate {
    const changes = changesBetween(this.#nodes, nodes);
    this.#nodes = nodes;
    this.#index = index;
    return { kind: "list", changes, index };
  }

  /** undefined for events that change no file: a new directory, a hidden name. */
  #apply(events: readonly KeysResponse[]): MirrorUpdate | undefined {
    let update: MirrorUpdate | undefined;
    for (const event of events) {
      this.#index = event.node.modifiedIndex;
      const changes = this.#changesOf(event);
      if (changes.length > 0) update = merged(update, { kind: "event", changes, index: this.#index });
    }
    return update;
  }

  #changesOf({ action, node }: KeysResponse): readonly MirrorChange[] {
    const removes = removingActions.has(action);
    // a write to a directory, such as a new TTL, leaves what is below it; one that replaced a file ends that file
    const ends = removes || (node.dir && this.#nodes.has(node.key));
    const changes = (ends ? this.#take(node.key) : []).map((file) => removal(file, action));
    if (removes || node.dir || isHiddenBelow(node.key, this.#key)) return changes;
    const change = setting(node, this.#nodes.get(node.key), action);
    this.#nodes.set(node.key, node);
    return [...changes, change];
  }

  /** Takes out the file of that key, or all below it: the end of a directory, or of one above ours, is one event under its key. */
  #take(key: string): readonly KeyNode[] {
    const file = this.#nodes.get(key);
    const taken = file !== undefined ? [file] : this.list(key);
    for (const node of taken) this.#nodes.delete(node.key);
    return taken;
  }
}

const removingActions: ReadonlySet<KeysAction> = new Set(["delete", "expire", "compareAndDelete"]);

/** Why the wait of a pull ended: everything is read again. */
const resynced = Symbol("resynced");
