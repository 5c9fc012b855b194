import type { RawResponse, RequestLimits, RequestSpec, Sender } from "../http/exchange.js";
import type { KeysResponse, KeysSummary } from "./types.js";
import {
  badArgument,
  requireBoolean,
  requireIndex,
  requireOptions,
  requireSender,
  requireSignal,
  requireText,
  requireTtl,
} from "../util/validate.js";
import { Watcher } from "./watcher.js";
import { createInOrderSpec, deleteSpec, getSpec, setSpec, type KeyAddress } from "./wire/keys.js";
import { segmentsOf } from "./wire/paths.js";
import { decodeKeys, decodeKeysSummary } from "./wire/response.js";

export interface KeysOptions {
  /** The path before all keys. @default "/v2/keys" */
  readonly prefix?: string | undefined;
}

export interface GetOptions {
  /** List the whole tree below a directory, not only its children. @default false */
  readonly recursive?: boolean | undefined;
  /** Children in the byte order of their keys. @default false, in no order */
  readonly sort?: boolean | undefined;
  /** Ask the majority: never stale, but costs a round of the cluster and needs a leader. @default the client's `quorumReads` */
  readonly quorum?: boolean | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface SetOptions {
  /** Only if the value is this one. "" cannot be compared: use `prevIndex`. Ignored with `dir`, as in Go. */
  readonly prevValue?: string | undefined;
  /** Only if the node's `modifiedIndex` is this one; above 0. */
  readonly prevIndex?: number | undefined;
  /** Only if the key exists (true), or does not (false). Absent: either way. */
  readonly prevExist?: boolean | undefined;
  /** Seconds until it expires, rounded up to whole ones. Absent: never, also where it had a TTL before. */
  readonly ttl?: number | undefined;
  /** Keep the value, take the new `ttl`, and wake no watcher; the value given must be "". Servers before 2.3 blank the value. @default false */
  readonly refresh?: boolean | undefined;
  /** Make a directory. Beware: without a condition it replaces a file, with one it blanks a file's value. @default false */
  readonly dir?: boolean | undefined;
  /** Answer without the node; resolves to a {@link KeysSummary}. Servers before 3.1 ignore it. @default false */
  readonly noValueOnSuccess?: boolean | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** See {@link SetOptions}. */
export type CreateOptions = Pick<SetOptions, "ttl" | "dir" | "signal">;
/** See {@link SetOptions}. */
export type UpdateOptions = Pick<SetOptions, "prevValue" | "prevIndex" | "ttl" | "dir" | "signal">;
/** See {@link SetOptions}; `dir` for the TTL of a directory, which servers 3.5 never renew: they answer 500, also to `update`. */
export type RefreshOptions = Pick<SetOptions, "prevValue" | "prevIndex" | "dir" | "signal">;
/** See {@link SetOptions}. */
export type CreateInOrderOptions = Pick<SetOptions, "ttl" | "signal">;

export interface DeleteOptions {
  /** Only if the value is this one; files only. "" cannot be compared: use `prevIndex`. */
  readonly prevValue?: string | undefined;
  /** Only if the node's `modifiedIndex` is this one; above 0, files only. */
  readonly prevIndex?: number | undefined;
  /** A directory with all that is below it. @default false */
  readonly recursive?: boolean | undefined;
  /** An empty directory. @default false */
  readonly dir?: boolean | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface WatcherOptions {
  /** Take the events after this index: the `index` of a read, or the `modifiedIndex` of the last event. Absent or 0: from now on. */
  readonly afterIndex?: number | undefined;
  /** Also all keys below. Hidden ones (`_name`) show up only while catching up with history. @default false */
  readonly recursive?: boolean | undefined;
}

/**
 * etcd's keys. A key is a path of text segments; it is sent as it is, never decoded, and may not hold `.` or `..`.
 *
 * Every call rejects with `EtcdError` when etcd says no, `ClusterError` when no endpoint answered, `ResponseError` when the
 * answer is not etcd's, `UsageError` for bad arguments and a closed client, and `signal.reason` when aborted. A call that
 * would do harm if sent twice (create, createInOrder, delete, with `prevValue`, `prevIndex` or `prevExist: false`, making a
 * directory) goes on to another endpoint only when nothing of it was sent; see `ClusterError.outcome`.
 */
export class KeysAPI {
  readonly #sender: Sender;
  readonly #prefix: string;

  /** @throws {UsageError} for a bad prefix */
  constructor(sender: Sender, options: KeysOptions = {}) {
    requireSender("sender", sender);
    requireOptions("options", options, keysOptionNames);
    const { prefix = "/v2/keys" } = options;
    requireKey("options.prefix", prefix);
    this.#sender = sender;
    this.#prefix = segmentsOf(prefix)
      .map((segment) => `/${segment}`)
      .join("");
  }

  /** Reads a file or a directory. */
  async get(key: string, options: GetOptions = {}): Promise<KeysResponse> {
    requireOptions("options", options, getOptionNames);
    const { recursive, sort, quorum, signal } = options;
    requireBoolean("options.recursive", recursive);
    requireBoolean("options.sort", sort);
    requireBoolean("options.quorum", quorum);
    return this.#call(
      getSpec(this.#at(key), { recursive, sort, quorum: quorum ?? this.#sender.quorumReads }),
      signal,
      decodeKeys,
    );
  }

  /** Writes a file, or makes a directory, whatever was there before, unless a condition says otherwise. */
  set(key: string, value: string, options: SetOptions & { readonly noValueOnSuccess: true }): Promise<KeysSummary>;
  set(key: string, value: string, options?: SetOptions): Promise<KeysResponse>;
  async set(key: string, value: string, options: SetOptions = {}): Promise<KeysResponse | KeysSummary> {
    requireOptions("options", options, setOptionNames);
    return options.noValueOnSuccess === true
      ? this.#write(key, value, options, decodeKeysSummary)
      : this.#write(key, value, options, decodeKeys);
  }

  /** Writes a file that must not exist yet; `isNodeExist` where it does. */
  async create(key: string, value: string, options: CreateOptions = {}): Promise<KeysResponse> {
    requireOptions("options", options, createOptionNames);
    return this.#write(key, value, { ...options, prevExist: false }, decodeKeys);
  }

  /** Writes a file that must exist; `isKeyNotFound` where it does not. Keeps its `createdIndex`. */
  async update(key: string, value: string, options: UpdateOptions = {}): Promise<KeysResponse> {
    requireOptions("options", options, updateOptionNames);
    return this.#write(key, value, { ...options, prevExist: true }, decodeKeys);
  }

  /**
   * Gives a key a new TTL and leaves its value; no watcher sees it.
   *
   * @param ttl seconds, rounded up to whole ones
   */
  async refresh(key: string, ttl: number, options: RefreshOptions = {}): Promise<KeysResponse> {
    requireOptions("options", options, refreshOptionNames);
    requireTtl("ttl", ttl);
    return this.#write(key, "", { ...options, ttl, refresh: true, prevExist: true }, decodeKeys);
  }

  /** Writes a file into a directory, under a name that etcd makes: the index as 20 digits, so that names sort by age. */
  async createInOrder(dir: string, value: string, options: CreateInOrderOptions = {}): Promise<KeysResponse> {
    requireOptions("options", options, createInOrderOptionNames);
    requireText("value", value);
    if (options.ttl !== undefined) requireTtl("options.ttl", options.ttl);
    return this.#call(createInOrderSpec(this.#at(dir), value, options.ttl), options.signal, decodeKeys);
  }

  /** Deletes a file; a directory only with `dir` (an empty one) or `recursive`. */
  async delete(key: string, options: DeleteOptions = {}): Promise<KeysResponse> {
    requireOptions("options", options, deleteOptionNames);
    requireConditions(options);
    requireBoolean("options.recursive", options.recursive);
    requireBoolean("options.dir", options.dir);
    return this.#call(deleteSpec(this.#at(key), options), options.signal, decodeKeys);
  }

  /** Makes a watcher of a key, which need not exist. No I/O. @throws {UsageError} for bad arguments */
  watcher(key: string, options: WatcherOptions = {}): Watcher {
    requireOptions("options", options, watcherOptionNames);
    const { afterIndex = 0, recursive = false } = options;
    requireIndex("options.afterIndex", afterIndex);
    requireBoolean("options.recursive", recursive);
    return new Watcher(this.#sender, this.#at(key), { afterIndex, recursive });
  }

  /**
   * The same keys, with limits in time for each request to one endpoint. The limits of the client still hold where they
   * are tighter. Long polls keep the client's limits.
   *
   * @param limits called for each request
   */
  withLimits(limits: () => RequestLimits): KeysAPI {
    const sender = this.#sender;
    const limited: Sender = {
      quorumReads: sender.quorumReads,
      send: (spec, signal) => sender.send(spec.longPoll === true ? spec : { ...spec, limits: limits() }, signal),
    };
    return new KeysAPI(limited, { prefix: this.#prefix });
  }

  async #write<T>(key: string, value: string, options: SetOptions, decode: Decode<T>): Promise<T> {
    const at = this.#at(key);
    requireText("value", value);
    requireWrite(value, options);
    return this.#call(setSpec(at, value, options), options.signal, decode);
  }

  async #call<T>(spec: RequestSpec, signal: AbortSignal | undefined, decode: Decode<T>): Promise<T> {
    requireSignal("options.signal", signal);
    return decode(await this.#sender.send(spec, signal), spec);
  }

  #at(key: string): KeyAddress {
    requireKey("key", key);
    return { prefix: this.#prefix, key };
  }
}

/** What the layers take: keys, or a client to make them of. */
export type KeysClient = KeysAPI | Sender;

/** The keys of a client; keys are handed back as they are. @throws {UsageError} for what is neither */
export function keysOf(client: KeysClient): KeysAPI {
  return client instanceof KeysAPI ? client : new KeysAPI(client);
}

type Decode<T> = (raw: RawResponse, spec: RequestSpec) => T;

/** etcd resolves `.` and `..` before it looks, which would leave the keys altogether. */
function requireKey(what: string, key: unknown): asserts key is string {
  requireText(what, key);
  if (/(?:^|\/)\.\.?(?:\/|$)/.test(key)) {
    badArgument(`${what} ${JSON.stringify(key)} holds a segment "." or "..", which etcd cannot store`);
  }
}

function requireWrite(value: string, options: SetOptions): void {
  const { prevExist, ttl, refresh, dir, noValueOnSuccess } = options;
  requireConditions(options);
  requireBoolean("options.prevExist", prevExist);
  requireBoolean("options.refresh", refresh);
  requireBoolean("options.dir", dir);
  requireBoolean("options.noValueOnSuccess", noValueOnSuccess);
  if (ttl !== undefined) requireTtl("options.ttl", ttl);
  if (prevExist === false && (options.prevValue !== undefined || options.prevIndex !== undefined)) {
    badArgument("options.prevExist false goes without prevValue and prevIndex: etcd would ignore them");
  }
  if (refresh !== true) return;
  if (value !== "") badArgument('a refresh keeps the value: give "" with options.refresh');
  if (ttl === undefined) badArgument("a refresh needs options.ttl");
}

function requireConditions({ prevValue, prevIndex }: Pick<SetOptions, "prevValue" | "prevIndex">): void {
  if (prevValue !== undefined) requireText("options.prevValue", prevValue);
  if (prevValue === "") badArgument('options.prevValue "" cannot be compared by etcd: use options.prevIndex');
  if (prevIndex === undefined) return;
  requireIndex("options.prevIndex", prevIndex);
  if (prevIndex === 0)
    badArgument("options.prevIndex 0 would be no condition for etcd: leave it out, or use options.prevExist false");
}

const keysOptionNames: ReadonlySet<string> = new Set<keyof KeysOptions>(["prefix"]);
const getOptionNames: ReadonlySet<string> = new Set<keyof GetOptions>(["recursive", "sort", "quorum", "signal"]);
const createInOrderOptionNames: ReadonlySet<string> = new Set<keyof CreateInOrderOptions>(["ttl", "signal"]);
const createOptionNames: ReadonlySet<string> = new Set<keyof CreateOptions>(["ttl", "dir", "signal"]);
const updateOptionNames: ReadonlySet<string> = new Set<keyof UpdateOptions>([
  "prevValue",
  "prevIndex",
  "ttl",
  "dir",
  "signal",
]);
const refreshOptionNames: ReadonlySet<string> = new Set<keyof RefreshOptions>([
  "prevValue",
  "prevIndex",
  "dir",
  "signal",
]);
const setOptionNames: ReadonlySet<string> = new Set<keyof SetOptions>([
  "prevValue",
  "prevIndex",
  "prevExist",
  "ttl",
  "refresh",
  "dir",
  "noValueOnSuccess",
  "signal",
]);
const deleteOptionNames: ReadonlySet<string> = new Set<keyof DeleteOptions>([
  "prevValue",
  "prevIndex",
  "recursive",
  "dir",
  "signal",
]);
const watcherOptionNames: ReadonlySet<string> = new Set<keyof WatcherOptions>(["afterIndex", "recursive"]);
