import { safeCallback } from "../util/callback.js";
import { UsageError } from "../util/errors.js";
import { decoded, DecodeError, type Codec } from "./codec.js";
import type { Mirror } from "./mirror.js";
import type { MirrorChange, MirrorUpdate } from "./mirror-changes.js";
import type { MirrorOptions } from "./mirror-options.js";
import { typedFile, type TypedFile } from "./typed-types.js";

/** One file that came, changed or went. */
export interface TypedMirrorChange<T> extends Omit<MirrorChange, "node" | "prevNode"> {
  /** The file as it is now; of one that went, with its last good value. */
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
 * A local copy of the files below a key, with decoded values. Follows them as {@link Mirror} does. A value that cannot be
 * decoded is reported, by the update's `errors` and by `onError`, and the key keeps its last good value. Made by
 * `TypedKeys.mirror`.
 */
export class TypedMirror<T> {
  readonly #mirror: Mirror;
  readonly #codec: Codec<T>;
  readonly #onError: (error: DecodeError) => void;
  readonly #files = new Map<string, TypedFile<T>>();
  #index = 0;
  #pending = false;

  /** For `TypedKeys.mirror`. */
  constructor(mirror: Mirror, codec: Codec<T>, { onError }: Pick<MirrorOptions, "onError">) {
    this.#mirror = mirror;
    this.#codec = codec;
    this.#onError = safeCallback("options.onError", onError);
  }

  /** A snapshot of the files as of the last update, by key, each with its last good value. */
  get nodes(): ReadonlyMap<string, TypedFile<T>> {
    return new Map(this.#files);
  }

  /** How many files there are. */
  get size(): number {
    return this.#files.size;
  }

  /** etcd's index as of the last update; 0 before the first. */
  get index(): number {
    return this.#index;
  }

  /** The last good value of a file. Undefined if there is none. */
  get(key: string): T | undefined {
    return this.#files.get(key)?.value;
  }

  /**
   * The first call reads; each further one waits for a change, of good values or of bad ones. Rejects as `Mirror.next`
   * does, and never because of a value.
   */
  async next(signal?: AbortSignal): Promise<TypedMirrorUpdate<T>> {
    if (this.#pending) throw new UsageError("ERR_BUSY", "an earlier next() of this mirror is still waiting");
    this.#pending = true;
    try {
      for (;;) {
        const update = await this.#apply(await this.#mirror.next(signal));
        if (update.kind === "list" || update.changes.length > 0 || update.errors.length > 0) return update;
      }
    } finally {
      this.#pending = false;
    }
  }

  /** `next` for ever; ends by throwing what `next` rejects with. */
  async *updates(signal?: AbortSignal): AsyncGenerator<TypedMirrorUpdate<T>, void, undefined> {
    for (;;) yield await this.next(signal);
  }

  /** The same as {@link updates} without a signal. */
  [Symbol.asyncIterator](): AsyncGenerator<TypedMirrorUpdate<T>, void, undefined> {
    return this.updates();
  }

  /** Makes the next call read everything again. */
  resync(): void {
    this.#mirror.resync();
  }

  async #apply({ kind, index, changes }: MirrorUpdate): Promise<TypedMirrorUpdate<T>> {
    const good: TypedMirrorChange<T>[] = [];
    const errors: DecodeError[] = [];
    for (const change of changes) {
      const { prevNode: _text, ...rest } = change;
      const before = this.#files.get(change.node.key);
      if (change.type === "remove") {
        this.#files.delete(change.node.key);
        if (before !== undefined) good.push({ ...rest, node: before });
        continue;
      }
      try {
        const node = typedFile(change.node, await decoded(this.#codec, change.node));
        this.#files.set(node.key, node);
        good.push({ ...rest, node, ...(before !== undefined && { prevNode: before }) });
      } catch (error) {
        if (!(error instanceof DecodeError)) throw error;
        errors.push(error);
      }
    }
    this.#index = index;
    for (const error of errors) this.#onError(error);
    return { kind, index, changes: good, errors };
  }
}
