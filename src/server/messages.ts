import { EtcdErrorCode } from "../util/errors.js";

/** A request over HTTP as a plain value. */
export interface HttpRequest {
  readonly method: string;
  /** Path and query as sent: one character for each byte. */
  readonly target: string;
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string | undefined>>;
  /** Up to one byte more than the longest form; the rest may be missing. */
  readonly body: Buffer;
  /** Aborts when the client goes away. */
  readonly signal?: AbortSignal | undefined;
}

/** A response over HTTP as a plain value. */
export interface HttpResponse {
  readonly status: number;
  /** Names as Go spells them. */
  readonly headers: Readonly<Record<string, string>>;
  /** The whole body; "" for a watch. */
  readonly body: string;
  /** For a watch: its events as they come, one line each. The headers are sent before the first one. Absent: the body is `body`. */
  readonly lines?: AsyncIterable<string> | undefined;
}

/** The version of etcd to imitate, where versions differ. */
export type EtcdVersion = "3.3" | "3.4" | "3.5";

/** Why a request is refused before it reaches the store. */
export interface Malformed {
  readonly errorCode: EtcdErrorCode;
  readonly cause: string;
}

/** The messages of etcd's error codes. */
export const etcdMessages: Readonly<Record<EtcdErrorCode, string>> = {
  [EtcdErrorCode.keyNotFound]: "Key not found",
  [EtcdErrorCode.compareFailed]: "Compare failed",
  [EtcdErrorCode.notFile]: "Not a file",
  [EtcdErrorCode.notDir]: "Not a directory",
  [EtcdErrorCode.nodeExist]: "Key already exists",
  [EtcdErrorCode.rootReadOnly]: "Root is read only",
  [EtcdErrorCode.dirNotEmpty]: "Directory not empty",
  [EtcdErrorCode.unauthorized]: "The request requires user authentication",
  [EtcdErrorCode.prevValueRequired]: "PrevValue is Required in POST form",
  [EtcdErrorCode.ttlNaN]: "The given TTL in POST form is not a number",
  [EtcdErrorCode.indexNaN]: "The given index in POST form is not a number",
  [EtcdErrorCode.invalidField]: "Invalid field",
  [EtcdErrorCode.invalidForm]: "Invalid POST form",
  [EtcdErrorCode.refreshValue]: "Value provided on refresh",
  [EtcdErrorCode.refreshTtlRequired]: "A TTL must be provided on refresh",
  [EtcdErrorCode.raftInternal]: "Raft Internal Error",
  [EtcdErrorCode.leaderElect]: "During Leader Election",
  [EtcdErrorCode.watcherCleared]: "watcher is cleared due to etcd recovery",
  [EtcdErrorCode.eventIndexCleared]: "The event in requested index is outdated and cleared",
};

/** The HTTP statuses of error codes. All others have 400. */
export const etcdStatuses: Readonly<Partial<Record<EtcdErrorCode, number>>> = {
  [EtcdErrorCode.keyNotFound]: 404,
  [EtcdErrorCode.compareFailed]: 412,
  [EtcdErrorCode.notFile]: 403,
  [EtcdErrorCode.nodeExist]: 412,
  [EtcdErrorCode.dirNotEmpty]: 403,
  [EtcdErrorCode.unauthorized]: 401,
  [EtcdErrorCode.raftInternal]: 500,
  [EtcdErrorCode.leaderElect]: 500,
};
