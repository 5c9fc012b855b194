/** What the server did, in etcd's own word. */
export type KeysAction =
  "get" | "set" | "create" | "update" | "delete" | "compareAndSwap" | "compareAndDelete" | "expire";

/** An entry of the key tree: a file with a value, or a directory with nodes. */
export interface KeyNode {
  /** Absolute key, "/" for the root. */
  readonly key: string;
  /** "" for directories, and for nodes that were just deleted or have expired: their value is in `prevNode`. */
  readonly value: string;
  /** True for a directory, false for a file. */
  readonly dir: boolean;
  /** Children, if the response lists them; in no order unless `sort` was given. etcd leaves out hidden ones (`_name`). */
  readonly nodes: readonly KeyNode[];
  /** etcd's index when this key was created. `set` on an existing key creates it again, `update` and compare-and-swap do not. 0 for the root. */
  readonly createdIndex: number;
  /** etcd's index of the last change. 0 for the root. */
  readonly modifiedIndex: number;
  /** When it will expire, cut to milliseconds, by the clock of the member that took the write. Absent without TTL. */
  readonly expiration?: Date;
  /** `expiration` as the server wrote it, to the nanosecond. */
  readonly expirationText?: string;
  /**
   * Seconds left, rounded up. Negative for a key that should have expired while the cluster has no leader. Absent without
   * TTL, and when it is 0, which etcd leaves out: then `expiration` is there.
   */
  readonly ttl?: number;
}

/** The result of a keys call, and an event of a watcher. */
export interface KeysResponse {
  /** What the server did. */
  readonly action: KeysAction;
  /** The node that was read or changed, as it is now. */
  readonly node: KeyNode;
  /** The node as it was before. Absent for reads and for new keys. */
  readonly prevNode?: KeyNode;
  /** `X-Etcd-Index`: of a read, the index to watch after; of a watch event, the index when the watch began. 0 if the server sent none. */
  readonly index: number;
  /** `X-Etcd-Cluster-Id`; "" if the server sent none. */
  readonly clusterId: string;
  /** The member's position in the raft log, as it was when it answered; absent if the server sent none. */
  readonly raft?: RaftPosition;
}

/** Where a member is in the log of its cluster. */
export interface RaftPosition {
  /** `X-Raft-Index`: the last log entry that the member has applied. */
  readonly index: number;
  /** `X-Raft-Term`: the term of the cluster leader; it grows with each election. */
  readonly term: number;
}

/** The result of a write with `noValueOnSuccess`. */
export type KeysSummary = Pick<KeysResponse, "action" | "index" | "clusterId" | "raft">;

/** An etcd server as the membership lists it. */
export interface Member {
  /** Hexadecimal, without leading zeros. */
  readonly id: string;
  /** "" until it has started for the first time. */
  readonly name: string;
  /** The URLs at which the other members reach it. */
  readonly peerURLs: readonly string[];
  /** The URLs that it advertises to clients. Empty until it has started for the first time. */
  readonly clientURLs: readonly string[];
}

/** A user of v2 auth, with the names of the roles granted to it. */
export interface User {
  /** The user's name. */
  readonly user: string;
  /** The names of the roles granted to it. */
  readonly roles: readonly string[];
}

/** A role of v2 auth: the keys that it may read and write. A final `*` stands for all keys that begin like this. */
export interface Role {
  /** The role's name. */
  readonly role: string;
  /** What it allows. */
  readonly permissions: {
    /** For the key space; v2 has no others. */
    readonly kv: {
      /** Patterns of the keys that may be read. */
      readonly read: readonly string[];
      /** Patterns of the keys that may be written. */
      readonly write: readonly string[];
    };
  };
}

/** The versions of a server and its cluster. */
export interface Versions {
  /** The version of the member that answered, e.g. "3.4.23". */
  readonly server: string;
  /** The version that the cluster has agreed on, e.g. "3.4.0"; "not_decided" while it forms. */
  readonly cluster: string;
}

/** Orders nodes as etcd's `sort` does: by the UTF-8 bytes of their keys. For `nodes.toSorted(compareNodes)`. */
export function compareNodes(a: Pick<KeyNode, "key">, b: Pick<KeyNode, "key">): number {
  return Buffer.compare(Buffer.from(a.key), Buffer.from(b.key));
}
