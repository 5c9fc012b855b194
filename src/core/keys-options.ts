import { optional, requireFields, type Checks, type OtherNames } from "../util/fields.js";
import { badArgument, requireBoolean, requireIndex, requireText } from "../util/validate.js";

/** Options of {@link KeysAPI}. */
export interface KeysOptions {
  /**
   * The path before all keys. Below "/v2/keys" it is a namespace: keys of requests and of responses are relative to it.
   * (Go's client leaves the keys of responses as etcd sends them, so that they cannot be used again.) Another path is where
   * a proxy serves etcd's keys.
   * @default "/v2/keys"
   */
  readonly prefix?: string | undefined;
  /** A key below which all other keys are: see {@link KeysAPI.namespace}. @default "", all keys of etcd */
  readonly namespace?: string | undefined;
}

/** Options of {@link KeysAPI.get}. */
export interface GetOptions {
  /** Lists the whole tree below a directory, not only its children. @default false */
  readonly recursive?: boolean | undefined;
  /** Children in the byte order of their keys. @default false, in no order */
  readonly sort?: boolean | undefined;
  /** Reads from the majority: never stale, but costs a round of the cluster and needs a leader. @default the client's `quorumReads` */
  readonly quorum?: boolean | undefined;
  /** How long the call is retried while no endpoint responds, in ms. @default the client's `retryForMs` */
  readonly retryForMs?: number | undefined;
  /** Ends the call. */
  readonly signal?: AbortSignal | undefined;
}

/** Options of {@link KeysAPI.set}. */
export interface SetOptions {
  /** Writes only if the key has this value. "" cannot be compared: use `prevIndex`. Files only. */
  readonly prevValue?: string | undefined;
  /** Writes only if the key has this `modifiedIndex`; above 0. */
  readonly prevIndex?: number | undefined;
  /** Writes only if the key exists (true), or does not (false). Absent: either way. */
  readonly prevExist?: boolean | undefined;
  /** Seconds until the key expires, rounded up to whole ones. Absent: never, even if it had a TTL before. */
  readonly ttl?: number | undefined;
  /** Keeps the value, sets the new `ttl` and wakes no watcher; the value given must be "". Servers before 2.3 blank the value. @default false */
  readonly refresh?: boolean | undefined;
  /** Makes a directory; the value given must be "". Without a condition it replaces a file, with one it blanks a file's value. @default false */
  readonly dir?: boolean | undefined;
  /** The response leaves out the node: resolves to a `KeysSummary`. Servers before 3.1 ignore it. @default false */
  readonly noValueOnSuccess?: boolean | undefined;
  /**
   * Sends the write to the next endpoint whatever happened, as Go's client does: also after a header timeout, and after a
   * status of 500 or 504. The first sending may then still be applied later, and undo a newer write. Only for writes
   * without a condition. @default false: such a write rejects with the outcome "unknown"
   */
  readonly resend?: boolean | undefined;
  /** How long the call is retried while no endpoint responds, in ms. @default the client's `retryForMs` */
  readonly retryForMs?: number | undefined;
  /** Ends the call. */
  readonly signal?: AbortSignal | undefined;
}

/** See {@link SetOptions}. */
export type CreateOptions = Pick<SetOptions, "ttl" | "dir" | "retryForMs" | "signal">;

/** See {@link SetOptions}. */
export type UpdateOptions = Pick<
  SetOptions,
  "prevValue" | "prevIndex" | "ttl" | "dir" | "resend" | "retryForMs" | "signal"
>;

/** See {@link SetOptions}. `dir` renews the TTL of a directory; etcd 3.5 cannot do that and returns 500, also to `update`. */
export type RefreshOptions = Pick<SetOptions, "prevValue" | "prevIndex" | "dir" | "resend" | "retryForMs" | "signal">;

/** See {@link SetOptions}. `dir` makes a directory in place of a file. */
export type CreateInOrderOptions = Pick<SetOptions, "ttl" | "dir" | "retryForMs" | "signal">;

/** Options of {@link KeysAPI.delete}. */
export interface DeleteOptions {
  /** Deletes only if the key has this value; files only. "" cannot be compared: use `prevIndex`. */
  readonly prevValue?: string | undefined;
  /** Deletes only if the key has this `modifiedIndex`; above 0, files only. */
  readonly prevIndex?: number | undefined;
  /** Deletes a directory with everything below it. @default false */
  readonly recursive?: boolean | undefined;
  /** Deletes an empty directory. @default false */
  readonly dir?: boolean | undefined;
  /** How long the call is retried while no endpoint responds, in ms. @default the client's `retryForMs` */
  readonly retryForMs?: number | undefined;
  /** Ends the call. */
  readonly signal?: AbortSignal | undefined;
}

/** Options of {@link KeysAPI.watcher}. */
export interface WatcherOptions {
  /** Take the events after this index: the `index` of a read, or the `modifiedIndex` of the last event. Absent or 0: from now on. */
  readonly afterIndex?: number | undefined;
  /** Also watch all keys below. Hidden ones (`_name`) show up only while catching up with history. @default false */
  readonly recursive?: boolean | undefined;
  /**
   * The `clusterId` of the read that `afterIndex` is from: `next` rejects if another cluster responds. Absent: the
   * watcher takes the id from its first poll.
   */
  readonly clusterId?: string | undefined;
}

/** What all calls take. */
export type CallOptions = Pick<GetOptions, "retryForMs" | "signal">;

const keysChecks: Checks<KeysOptions> = { prefix: optional(requireKey), namespace: optional(requireKey) };

const watcherChecks: Checks<WatcherOptions> = {
  afterIndex: optional(requireIndex),
  recursive: requireBoolean,
  clusterId: optional(requireText),
};

/** What other clients call these options. */
const otherWatcherNames: OtherNames = {
  'did you mean "afterIndex"? The first event is the one after that index':
    "from fromindex index start startindex startrevision since waitindex",
  "pass it to next(signal) or events(signal)": "signal",
  "pass a signal to next(), as in next(AbortSignal.timeout(ms))": "timeout timeoutms",
};

/** Checks the options of a {@link KeysAPI}. */
export function requireKeysOptions(options: KeysOptions): void {
  requireFields("options", options, keysChecks);
}

/** Checks the options of a watcher, and that nothing follows them: a callback would never be called. */
export function requireWatcherOptions(options: WatcherOptions, extra: readonly unknown[]): void {
  requireNoCallback("watcher", "use for await (const event of watcher), or next()", options, extra);
  requireFields("options", options, watcherChecks, otherWatcherNames);
}

/** Refuses a callback, and whatever else follows the options. */
export function requireNoCallback(method: string, instead: string, options: unknown, extra: readonly unknown[]): void {
  if (typeof options === "function" || extra.some(isCallback)) badArgument(`${method} takes no callback: ${instead}`);
  if (extra.some(isGiven)) badArgument(`${method} has too many arguments`);
}

function isCallback(value: unknown): boolean {
  return typeof value === "function";
}

function isGiven(value: unknown): boolean {
  return value !== undefined;
}

/** Refuses a key with a segment `.` or `..`: etcd would resolve it before it looks, which could lead out of the keys. */
export function requireKey(what: string, key: unknown): asserts key is string {
  requireText(what, key);
  if (dotSegment.test(key)) {
    badArgument(`${what} ${JSON.stringify(key)} contains a segment "." or "..", which etcd cannot store`);
  }
}

const dotSegment = /(?:^|\/)\.\.?(?:\/|$)/;
