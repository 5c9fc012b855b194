import { noop } from "../util/deferred.js";
import type { KeysAPI } from "./keys.js";
import type { MirrorUpdate } from "./mirror-changes.js";
import { LazyCopy } from "./lazy-copy.js";
import { filesBelow, rooted } from "./files-below.js";
import type { MirrorOptions } from "./mirror-options.js";
import type { KeyNode } from "./types.js";

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
  readonly #copy: LazyCopy<KeyNode, MirrorUpdate>;

  /** @param key a directory or a file; need not exist. @throws {UsageError} for bad arguments */
  constructor(keys: KeysAPI, key: string, options: MirrorOptions = {}) {
    this.#copy = new LazyCopy({
      keys,
      key,
      options,
      make: ({ MirrorCopy }, checked) => new MirrorCopy(keys, key, checked),
    });
  }

  /** How many files there are. */
  get size(): number {
    return this.#copy.files.size;
  }

  /** etcd's index up to which the copy is complete; 0 before the first read. */
  get index(): number {
    return this.#copy.index;
  }

  /** A snapshot of all files, by key. It is a copy: for single files use `get`, to look at all of them the iterators. */
  get nodes(): ReadonlyMap<string, KeyNode> {
    return new Map(this.#copy.files);
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
    // a program that only reads the property need not handle a rejection
    ready.catch(noop);
    return ready;
  }

  /** The file with that key. undefined if there is none. */
  get(key: string): KeyNode | undefined {
    return this.#copy.files.get(rooted(key));
  }

  /** Whether there is a file with that key. Directories do not count. */
  has(key: string): boolean {
    return this.#copy.files.has(rooted(key));
  }

  /**
   * All files below a directory, at any depth, sorted by key. Empty if there are none.
   *
   * @example
   * for (const { key, value } of mirror.list("/config/colors")) console.log(key, value);
   */
  list(dir: string): readonly KeyNode[] {
    return filesBelow(this.#copy.files, dir);
  }

  /** The keys of all files, without a copy. */
  keys(): IterableIterator<string> {
    return this.#copy.files.keys();
  }

  /** All files, without a copy. */
  values(): IterableIterator<KeyNode> {
    return this.#copy.files.values();
  }

  /** All files with their keys, without a copy. */
  entries(): IterableIterator<[string, KeyNode]> {
    return this.#copy.files.entries();
  }

  /** The same as {@link entries}. */
  [Symbol.iterator](): IterableIterator<[string, KeyNode]> {
    return this.entries();
  }

  /**
   * The first call reads; each further one waits for a change. Transient failures (no endpoint answered, a proxy or rate
   * limiter refused) are tried again, with growing pauses that respect `Retry-After`. What `ready` and `waitFor` have
   * read since the last call comes first, as one update.
   *
   * @throws {EtcdError | ResponseError} what another attempt would not change: etcd's own refusal, such as missing rights; for the
   * first read, also a response that is not etcd's, such as that of a server without the v2 API
   * @throws {UsageError} `ERR_BUSY`: an earlier `next` is still waiting; `ERR_CLOSED`: the client is closed
   * Rejects with `signal.reason` when aborted; may be called again.
   */
  async next(signal?: AbortSignal): Promise<MirrorUpdate> {
    return this.#copy.next(signal);
  }

  /** Calls `next` again and again; ends by throwing what `next` rejects with. */
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
   * within a second (a refresh, or a write elsewhere, causes no event), it reads again.
   *
   * @throws as {@link next}
   * Rejects with `signal.reason` when aborted.
   * @example
   * const { index } = await keys.set("/config/color", "red");
   * await mirror.waitFor(index);
   */
  async waitFor(index: number, signal?: AbortSignal): Promise<void> {
    return this.#copy.waitFor(index, signal);
  }

  /** Makes the mirror read everything again, as after cleared history: at once if a call is waiting, else with the next one. */
  resync(): void {
    this.#copy.resync();
  }
}
