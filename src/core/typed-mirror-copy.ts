import { safeCallback } from "../util/callback.js";
import { abortable } from "../util/signals.js";
import { Slice } from "../util/slices.js";
import { DecodeError, tryDecode, type Codec } from "./codec.js";
import type { LoadedCopy } from "./lazy-copy.js";
import { removal, setting, UnreadChanges, type MirrorUpdate } from "./mirror-changes.js";
import type { MirrorCopy } from "./mirror-copy.js";
import type { MirrorOptions } from "./mirror-options.js";
import type { TypedMirrorChange, TypedMirrorUpdate } from "./typed-mirror.js";
import { typedFile, type TypedFile } from "./typed-types.js";

/** The local copy behind a mirror with decoded values: decodes what the copy of texts has read. */
export class TypedMirrorCopy<T> implements LoadedCopy<TypedFile<T>, TypedMirrorUpdate<T>> {
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

  /** Does no I/O. */
  constructor(copy: MirrorCopy, codec: Codec<T>, { onError }: MirrorOptions) {
    this.#copy = copy;
    this.#codec = codec;
    this.#onError = safeCallback("options.onError", onError);
  }

  /** The files by key, each with its last good value, without a copy. */
  get files(): ReadonlyMap<string, TypedFile<T>> {
    return this.#files;
  }

  /** etcd's index up to which the copy is complete; 0 before the first read. */
  get index(): number {
    return this.#index;
  }

  /** Waits for a change, of good values or of bad ones. */
  next(signal: AbortSignal | undefined): Promise<TypedMirrorUpdate<T>> {
    return this.#copy.pull(async () => {
      await abortable(this.#decode(), signal);
      return this.#take();
    }, signal);
  }

  /** Waits until the copy is complete up to an index, and decoded. */
  async waitFor(index: number, signal: AbortSignal | undefined): Promise<void> {
    await this.#copy.waitFor(index, signal);
    await abortable(this.#decode(), signal);
  }

  /** Makes it read everything again: at once if a call is waiting, else with the next one. */
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
