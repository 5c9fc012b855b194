import { optional, requireFields, type Checks } from "../util/fields.js";
import { requireBoolean, requireIndex, requireRetryForMs, requireSignal } from "../util/validate.js";
import { encoded, requireCodec, type Codec } from "./codec.js";
import { requireKeyTtl } from "./key-ttl.js";
import type { KeysAPI } from "./keys.js";
import type { GetOptions, SetOptions, WatcherOptions } from "./keys-options.js";
import type { MirrorOptions } from "./mirror-options.js";
import { TypedMirror } from "./typed-mirror.js";
import { typedFile, typedNode, typedPrevNode, type TypedRead, type TypedWrite } from "./typed-types.js";
import type { KeysResponse } from "./types.js";
import { TypedWatcher } from "./typed-watcher.js";

/** See {@link SetOptions}. Values are compared by `prevIndex` only: two texts may stand for one value. */
export type TypedSetOptions = Pick<SetOptions, "prevIndex" | "prevExist" | "ttl" | "resend" | "retryForMs" | "signal">;

/** See {@link SetOptions}. */
export type TypedCreateOptions = Pick<SetOptions, "ttl" | "retryForMs" | "signal">;

/** See {@link SetOptions}. */
export type TypedUpdateOptions = Pick<SetOptions, "prevIndex" | "ttl" | "resend" | "retryForMs" | "signal">;

/**
 * etcd's keys with values of a type: a codec turns values into the texts that etcd stores, and back. Made by
 * `KeysAPI.withCodec`. Methods reject as those of {@link KeysAPI} do, and also like this:
 *
 * @throws {DecodeError} a value that was read cannot be decoded; names key and index
 * @throws {UsageError} a value cannot be encoded; nothing was sent
 *
 * @example
 * const colors = keys.withCodec(jsonCodec<{ hex: string }>());
 * await colors.set("/colors/red", { hex: "#f00" });
 * const { node } = await colors.get("/colors/red");
 * if (!node.dir) console.log(node.value.hex);
 */
export class TypedKeys<T> {
  /** The same keys with texts as values: to delete, to refresh, and for directories. */
  readonly keys: KeysAPI;
  readonly #codec: Codec<T>;

  /** Does no I/O. @throws {UsageError} for a bad codec */
  constructor(keys: KeysAPI, codec: Codec<T>) {
    requireCodec(codec);
    this.keys = keys;
    this.#codec = codec;
  }

  /** Reads a file or a directory, as `KeysAPI.get` does: `node.dir` says which. One bad value rejects the whole read. */
  async get(key: string, options?: GetOptions): Promise<TypedRead<T>> {
    const { node, prevNode: _none, ...rest } = await this.keys.get(key, options);
    return { ...rest, node: await typedNode(this.#codec, node) };
  }

  /** Writes a file, as `KeysAPI.set` does. */
  set(key: string, value: T, options?: TypedSetOptions): Promise<TypedWrite<T>> {
    return this.#write(value, options, setChecks, (text) => this.keys.set(key, text, options));
  }

  /** Writes a file that must not exist yet, as `KeysAPI.create` does. */
  create(key: string, value: T, options?: TypedCreateOptions): Promise<TypedWrite<T>> {
    return this.#write(value, options, createChecks, (text) => this.keys.create(key, text, options));
  }

  /** Writes a file that must exist, as `KeysAPI.update` does. */
  update(key: string, value: T, options?: TypedUpdateOptions): Promise<TypedWrite<T>> {
    return this.#write(value, options, updateChecks, (text) => this.keys.update(key, text, options));
  }

  /** Writes a file into a directory under a name that etcd chooses, as `KeysAPI.createInOrder` does. */
  createInOrder(dir: string, value: T, options?: TypedCreateOptions): Promise<TypedWrite<T>> {
    return this.#write(value, options, createChecks, (text) => this.keys.createInOrder(dir, text, options));
  }

  /** Makes a watcher of a key. Does no I/O. @throws {UsageError} for bad arguments */
  watcher(key: string, options?: WatcherOptions, ...extra: readonly undefined[]): TypedWatcher<T> {
    return new TypedWatcher(this.keys.watcher(key, options, ...extra), this.#codec);
  }

  /** Makes a mirror of the files below a key. Does no I/O. @throws {UsageError} for bad arguments */
  mirror(key: string, options: MirrorOptions = {}): TypedMirror<T> {
    return new TypedMirror(this.keys, key, this.#codec, options);
  }

  async #write<Options extends TypedCreateOptions>(
    value: T,
    options: Options | undefined,
    checks: Checks<Options>,
    write: (text: string) => Promise<KeysResponse>,
  ): Promise<TypedWrite<T>> {
    requireFields("options", options, checks);
    options?.signal?.throwIfAborted();
    const { node, prevNode, ...rest } = await write(await encoded(this.#codec, value));
    return { ...rest, node: typedFile(node, value), ...(await typedPrevNode(this.#codec, prevNode)) };
  }
}

const createChecks: Checks<TypedCreateOptions> = {
  ttl: optional(requireKeyTtl),
  retryForMs: optional(requireRetryForMs),
  signal: requireSignal,
};

const updateChecks: Checks<TypedUpdateOptions> = {
  ...createChecks,
  prevIndex: optional(requireIndex),
  resend: requireBoolean,
};

const setChecks: Checks<TypedSetOptions> = { ...updateChecks, prevExist: requireBoolean };
