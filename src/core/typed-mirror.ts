import { noop } from "../util/deferred.js";
import type { KeysAPI } from "./keys.js";
import type { Codec, DecodeError } from "./codec.js";
import { LazyCopy } from "./lazy-copy.js";
import type { MirrorChange, MirrorUpdate } from "./mirror-changes.js";
import { filesBelow, rooted } from "./files-below.js";
import type { MirrorOptions } from "./mirror-options.js";
import type { TypedFile } from "./typed-types.js";

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
  readonly #copy: LazyCopy<TypedFile<T>, TypedMirrorUpdate<T>>;

  /** For `TypedKeys.mirror`. @throws {UsageError} for bad arguments */
  constructor(keys: KeysAPI, key: string, codec: Codec<T>, options: MirrorOptions) {
    this.#copy = new LazyCopy({
      keys,
      key,
      options,
      make: (parts, checked) => new parts.TypedMirrorCopy(new parts.MirrorCopy(keys, key, checked), codec, checked),
    });
  }

  /** How many files there are that have had a good value. */
  get size(): number {
    return this.#copy.files.size;
  }

  /** etcd's index up to which the copy is complete; 0 before the first read. */
  get index(): number {
    return this.#copy.index;
  }

  /** A snapshot of the files, by key, each with its last good value. It is a copy, as `Mirror.nodes` is. */
  get nodes(): ReadonlyMap<string, TypedFile<T>> {
    return new Map(this.#copy.files);
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
    return this.#copy.files.get(rooted(key))?.value;
  }

  /** Whether there is a file with that key that has had a good value. */
  has(key: string): boolean {
    return this.#copy.files.has(rooted(key));
  }

  /** All files below a directory, at any depth, sorted by key, each with its last good value. Empty if there are none. */
  list(dir: string): readonly TypedFile<T>[] {
    return filesBelow(this.#copy.files, dir);
  }

  /** The keys of all files, without a copy. */
  keys(): IterableIterator<string> {
    return this.#copy.files.keys();
  }

  /** All files, each with its last good value, without a copy. */
  values(): IterableIterator<TypedFile<T>> {
    return this.#copy.files.values();
  }

  /** All files with their keys, without a copy. */
  entries(): IterableIterator<[string, TypedFile<T>]> {
    return this.#copy.files.entries();
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
    return this.#copy.next(signal);
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
    return this.#copy.waitFor(index, signal);
  }

  /** Makes the mirror read everything again: at once if a call is waiting, else with the next one. */
  resync(): void {
    this.#copy.resync();
  }
}
