import { safeCallback } from "../util/callback.js";
import { noop } from "../util/deferred.js";
import { abortable } from "../util/signals.js";
import { Slice } from "../util/slices.js";
import type { KeysAPI } from "./keys.js";
import { DecodeError, tryDecode, type Codec } from "./codec.js";
import { removal, setting, UnreadChanges, type MirrorChange, type MirrorUpdate } from "./mirror-changes.js";
import { MirrorCopy } from "./mirror-copy.js";
import { filesBelow, rooted } from "./mirror-list.js";
import type { MirrorOptions } from "./mirror-options.js";
import { typedFile, type TypedFile } from "./typed-types.js";

/** One file that was added, changed or removed. */
export interface TypedMirrorChange<T> extends Omit<MirrorChange, "node" | "prevNode"> {
  /** The file as it is now; a removed one has its last good value. */
  readonly node: TypedFile<T>;
  /** The file with its last good value; absent if there was none. */
  readonly prevNode?: TypedFile<T>;
}

/** What has changed since the last update. */
export interface TypedMirrorUpdate<T> extends Omit<MirrorUpdate, "changes"> {
  /** Changes of good values only. May be empty for lists, and where `errors` is not. */
  readonly changes: readonly TypedMirrorChange<T>[];
  /** The values that cannot be decoded. Their keys keep the last good value, if they had one. */
  readonly errors: readonly DecodeError[];
}

/**
 * A local copy of the files below a key, with decoded values. Follows them as {@link Mirror} does, and is pulled and read
 * as that is. A value that cannot be decoded is reported, by the update's `errors` and by `onError`, and the key keeps its
 * last good value. Made by `TypedKeys.mirror`.
 *
 * @example
 * const colors = keys.withCodec(jsonCodec<{ hex: string }>()).mirror("/colors");
 * await colors.ready;
 * console.log(colors.get("/colors/red")?.hex);
 * for await (const { changes, errors } of colors) {
 *   for (const { type, node } of changes) console.log(type, node.key, node.value.hex);
 *   for (const { message } of errors) console.error(message);
 * }
 */
export class TypedMirror<T> {
  readonly #copy: MirrorCopy;
  readonly #codec: Codec<T>;
  readonly #onError: (error: DecodeError) => void;
  readonly #files = new Map<string, TypedFile<T>>();
  #index = 0;
  /** What `next` has not returned yet. */
  readonly #unread = new UnreadChanges<TypedFile<T>>();
  /** The values of `#unread` that cannot be decoded, by key. */
  readonly #errors = new Map<string, DecodeError>();
  /** Settles, and never rejects, when everything that was read so far is decoded. */
  #decoding: Promise<void> = Promise.resolve();

  /** For `TypedKeys.mirror`. @throws {UsageError} for bad arguments */
  constructor(keys: KeysAPI, key: string, codec: Codec<T>, options: MirrorOptions) {
    this.#copy = new MirrorCopy(keys, key, options);
    this.#codec = codec;
    this.#onError = safeCallback("options.onError", options.onError);
  }

  /** How many files there are that have had a good value. */
  get size(): number {
    return this.#files.size;
  }

  /** etcd's index up to which the copy is complete; 0 before the first read. */
  get index(): number {
    return this.#index;
  }

  /** A snapshot of the files, by key, each with its last good value. It is a copy, as `Mirror.nodes` is. */
  get nodes(): ReadonlyMap<string, TypedFile<T>> {
    return new Map(this.#files);
  }

  /** Resolves when the subtree has been read and decoded, as `Mirror.ready` does. No value makes it reject. */
  get ready(): Promise<void> {
    const ready = this.waitFor(0);
    // a program that only reads the property need not handle a rejection
    ready.catch(noop);
    return ready;
  }

  /** The last good value of a file. undefined if there is none. */
  get(key: string): T | undefined {
    return this.#files.get(rooted(key))?.value;
  }

  /** Whether there is a file with that key that has had a good value. */
  has(key: string): boolean {
    return this.#files.has(rooted(key));
  }

  /** All files below a directory, at any depth, sorted by key, each with its last good value. Empty if there are none. */
  list(dir: string): readonly TypedFile<T>[] {
    return filesBelow(this.#files, dir);
  }

  /** The keys of all files, without a copy. */
  keys(): IterableIterator<string> {
    return this.#files.keys();
  }

  /** All files, each with its last good value, without a copy. */
  values(): IterableIterator<TypedFile<T>> {
    return this.#files.values();
  }

  /** All files with their keys, without a copy. */
  entries(): IterableIterator<[string, TypedFile<T>]> {
    return this.#files.entries();
  }

  /** The same as {@link entries}. */
  [Symbol.iterator](): IterableIterator<[string, TypedFile<T>]> {
    return this.entries();
  }

  /**
   * The first call reads; each further one waits for a change, of good values or of bad ones. Rejects as `Mirror.next`
   * does, and never because of a value.
   */
  async next(signal?: AbortSignal): Promise<TypedMirrorUpdate<T>> {
    return this.#copy.next(async () => {
      await abortable(this.#decode(), signal);
      return this.#take();
    }, signal);
  }

  /** Calls `next` again and again; ends by throwing what `next` rejects with. */
  async *updates(signal?: AbortSignal): AsyncGenerator<TypedMirrorUpdate<T>, void, undefined> {
    for (;;) yield await this.next(signal);
  }

  /** The same as {@link updates} without a signal. */
  [Symbol.asyncIterator](): AsyncGenerator<TypedMirrorUpdate<T>, void, undefined> {
    return this.updates();
  }

  /** Waits until the copy is complete up to an index, and decoded, as `Mirror.waitFor` does. No value makes it reject. */
  async waitFor(index: number, signal?: AbortSignal): Promise<void> {
    await this.#copy.waitFor(index, signal);
    await abortable(this.#decode(), signal);
  }

  /** Makes the mirror read everything again: at once if a call is waiting, else with the next one. */
  resync(): void {
    this.#copy.resync();
  }

  /** Takes in what was read. One call after the other, since a codec may be slow. */
  #decode(): Promise<void> {
    this.#decoding = this.#decoding.then(async () => {
      const { index } = this.#copy;
      const update = this.#copy.take();
      if (update !== undefined) await this.#apply(update);
      this.#index = index;
    });
    return this.#decoding;
  }

  async #apply({ changes, ...head }: MirrorUpdate): Promise<void> {
    const good: TypedMirrorChange<T>[] = [];
    const slice = new Slice();
    for (const { type, node, action } of changes) {
      // a codec that does not wait would hold up everything else until the last file of a large list
      if (slice.isOver) await slice.next();
      const before = this.#files.get(node.key);
      this.#errors.delete(node.key);
      if (type === "remove") {
        this.#files.delete(node.key);
        if (before !== undefined) good.push(removal(before, action));
        continue;
      }
      const result = await tryDecode(this.#codec, node);
      if (result instanceof DecodeError) {
        this.#errors.set(node.key, result);
        this.#onError(result);
        continue;
      }
      const file = typedFile(node, result.value);
      this.#files.set(file.key, file);
      good.push(setting(file, before, action));
    }
    if (head.kind === "list" || good.length > 0) this.#unread.add({ ...head, changes: good });
  }

  /** undefined if nothing has changed. */
  #take(): TypedMirrorUpdate<T> | undefined {
    const errors = [...this.#errors.values()];
    const update = this.#unread.take();
    this.#errors.clear();
    if (update !== undefined) return { ...update, errors };
    return errors.length === 0 ? undefined : { kind: "event", index: this.#index, changes: [], errors };
  }
}
