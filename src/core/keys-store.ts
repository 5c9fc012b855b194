import type { EtcdErrorCode } from "../util/errors.js";
import type { AdminCall, KeysCall, WatchCall } from "./call.js";
import type { KeysAction, RaftPosition } from "./types.js";

/** Executes v2 calls on some store. */
export interface KeysStore {
  /**
   * Resolves to v2's response, including refusals.
   *
   * @throws {EndpointError | ClusterError} when there is no response; its `outcome` says whether the write may have been
   * applied
   * @throws `signal.reason` when aborted
   */
  execute(call: KeysCall, context: CallContext): Promise<Done | Refused>;
  /** Resolves once the watch is set up, before any event. Rejects as `execute` does. */
  watch(call: WatchCall, context: CallContext): Promise<KeysWatch | Refused>;
  /**
   * Members, auth, version, health and stats: status and JSON as v2 has them. Absent: such paths do not exist (404).
   * Rejects as `execute` does.
   */
  administer?(call: AdminCall, context: CallContext): Promise<Administered>;
  /** Ends streams and timers; idempotent. */
  close?(): Promise<void>;
}

/** Who calls, and for how long. */
export interface CallContext {
  /** From HTTP basic authentication. Absent: the caller is a guest. */
  readonly credentials?: Credentials | undefined;
  /** The key before it was cleaned: for v2's rights `/a` and `/a/` differ. */
  readonly keyAsSent?: string | undefined;
  /** Aborts the call. */
  readonly signal?: AbortSignal | undefined;
}

/** A user's name and password. */
export interface Credentials {
  /** The user's name. */
  readonly username: string;
  /** The user's password, in plain text. */
  readonly password: string;
}

/** The state of the store when it responded. */
export interface Place {
  /** The store's index. */
  readonly index: number;
  /** In hexadecimal, without leading zeros. */
  readonly clusterId: string;
  /** Absent where the store has no such numbers. */
  readonly raft?: RaftPosition | undefined;
}

/** A call was executed; also an event of a watch. */
export interface Done extends Place {
  /** What was done, in etcd's own word. */
  readonly action: KeysAction;
  /** The node as it is now. Absent for a write whose response leaves it out. */
  readonly node?: AnswerNode | undefined;
  /** The node as it was before. Absent: there was none, or the call was a read. */
  readonly prevNode?: AnswerNode | undefined;
}

/** The store refused the call. */
export interface Refused extends Place {
  /** etcd's own number for the refusal. */
  readonly errorCode: EtcdErrorCode;
  /** What the refusal is about, such as the key. Absent: v2's own text for it. */
  readonly cause?: string | undefined;
}

/** A node as in v2's JSON: undefined fields are left out. */
export interface AnswerNode {
  /** Absent for the root. */
  readonly key?: string | undefined;
  /** Absent for directories, and for what was deleted or has expired. */
  readonly value?: string | undefined;
  /** True for a directory; absent for a file. */
  readonly dir?: true | undefined;
  /** Children. Absent where there are none, or none are listed. */
  readonly nodes?: readonly AnswerNode[] | undefined;
  /** RFC 3339, in UTC. */
  readonly expiration?: string | undefined;
  /** Seconds left, rounded up. */
  readonly ttl?: number | undefined;
  /** The index of the last change. Absent for the root. */
  readonly modifiedIndex?: number | undefined;
  /** The index at which the key was created. Absent for the root. */
  readonly createdIndex?: number | undefined;
}

/** A watch that is set up. Its `index` is the store's when the watch began. */
export interface KeysWatch extends Place {
  /**
   * The events of the next index, nearly always one. Undefined when the watch ended without one: poll again from the
   * same place. Rejects with `signal.reason` when aborted, and as `execute` does.
   */
  next(signal?: AbortSignal): Promise<readonly Done[] | Refused | undefined>;
  /** Ends the watch; idempotent. */
  close(): void;
}

/** The result of an admin call. */
export interface Administered {
  /** HTTP status of the response. */
  readonly status: number;
  /** The body. Absent: there is none. */
  readonly json?: unknown;
  /** In hexadecimal, without leading zeros. Absent: the response does not say. */
  readonly clusterId?: string | undefined;
}
