/** What the server did: the word that etcd gives to it. */
export type KeysAction =
  "get" | "set" | "create" | "update" | "delete" | "compareAndSwap" | "compareAndDelete" | "expire";

/** An entry of the key tree: a file with a value, or a directory with nodes. */
export interface KeyNode {
  /** Absolute key, "/" for the root. */
  readonly key: string;
  /** "" for directories, and for nodes that were just deleted or have expired: their value is in `prevNode`. */
  readonly value: string;
  readonly dir: boolean;
  /** Children, where the answer lists them, in no order unless `sort` was asked for; hidden ones (`_name`) are left out by etcd. */
  readonly nodes: readonly KeyNode[];
  /** etcd's index when this key came into being; `set` on an existing key counts as that, `update` and compare-and-swap do not. 0 for the root. */
  readonly createdIndex: number;
  /** etcd's index of the last change. 0 for the root. */
  readonly modifiedIndex: number;
  /** When it will expire, cut to milliseconds, by the clock of the member that took the write; absent without TTL. */
  readonly expiration?: Date;
  /** `expiration` as the server wrote it, to the nanosecond. */
  readonly expirationText?: string;
  /** Seconds left, rounded up. Negative for a key that should have expired while the cluster has no leader; absent without TTL. */
  readonly ttl?: number;
}

/** What a keys call, or a watcher, hands out. */
export interface KeysResponse {
  readonly action: KeysAction;
  readonly node: KeyNode;
  /** The node as it was before; absent for reads and for new keys. */
  readonly prevNode?: KeyNode;
  /** `X-Etcd-Index`: of a read, the index to watch after; of a watch event, the index when the watch began. 0 when the server sent none. */
  readonly index: number;
  /** `X-Etcd-Cluster-Id`, "" when the server sent none. */
  readonly clusterId: string;
}

/** What a write with `noValueOnSuccess` hands out: that it was done. */
export type KeysSummary = Pick<KeysResponse, "action" | "index" | "clusterId">;

/** An etcd server as the membership lists it. */
export interface Member {
  /** Hexadecimal, without leading zeros. */
  readonly id: string;
  /** "" until it has started for the first time. */
  readonly name: string;
  readonly peerURLs: readonly string[];
  /** What it advertises to clients; empty until it has started for the first time. */
  readonly clientURLs: readonly string[];
}

/** A user of v2 auth, with the names of the roles that were granted. */
export interface User {
  readonly user: string;
  readonly roles: readonly string[];
}

/** A role of v2 auth: keys, or prefixes with a final `*`, that may be read and written. */
export interface Role {
  readonly role: string;
  readonly permissions: { readonly kv: { readonly read: readonly string[]; readonly write: readonly string[] } };
}

/** What a server says of itself. */
export interface Versions {
  /** Of the member that answered, e.g. "3.4.23". */
  readonly server: string;
  /** What the cluster has agreed on, e.g. "3.4.0"; "not_decided" while it forms. */
  readonly cluster: string;
}

/** Orders nodes as etcd's `sort` does: by the UTF-8 bytes of their keys. For `nodes.toSorted(compareNodes)`. */
export function compareNodes(a: Pick<KeyNode, "key">, b: Pick<KeyNode, "key">): number {
  return Buffer.compare(Buffer.from(a.key), Buffer.from(b.key));
}
