/** A decimal number below 2^64, without leading zeros: more than a `number` can hold. */
export type Uint64 = string;

/** The key that a call is about. */
export interface At {
  /** Absolute, decoded and cleaned, without a slash at the end: "/a/b", or "/" for the root. */
  readonly key: string;
}

/** What all writes have in common. */
export interface Write extends At {
  /** "" for a directory, and for a refresh, which keeps the value. */
  readonly value: string;
  /** Whether a directory is written. */
  readonly dir: boolean;
  /** Time to live, in whole seconds; 0 expires at once. Absent: the key is permanent. */
  readonly ttl?: number | undefined;
  /** The response leaves out `node` and `prevNode`. */
  readonly noValueOnSuccess: boolean;
}

/** What must hold of the key for a conditional call to be applied. At least one of the fields is there. */
export interface Compare {
  /** The value that the key must have. Absent: any. */
  readonly prevValue?: string | undefined;
  /** The `modifiedIndex` that the key must have. Absent: any. */
  readonly prevIndex?: Uint64 | undefined;
}

/** Reads a key, and what is below it. */
export interface GetCall extends At {
  /** The name of the call. */
  readonly kind: "get";
  /** Lists all levels, not only the first one. */
  readonly recursive: boolean;
  /** Orders siblings by the bytes of their keys. */
  readonly sort: boolean;
  /** The response is no older than any write that was acknowledged before. */
  readonly quorum: boolean;
}

/** `set` writes whether or not the key exists, `update` only if it does (`prevExist=true` without a comparison). */
export interface SetCall extends Write {
  /** The name of the call. */
  readonly kind: "set" | "update";
  /** Gives the key a new TTL, keeps its value and tells no watcher. */
  readonly refresh: boolean;
}

/** `create` writes only if the key does not exist (`prevExist=false`); `createInOrder` makes a key below the directory `key`. */
export interface CreateCall extends Write {
  /** The name of the call. */
  readonly kind: "create" | "createInOrder";
}

/** Writes if the key matches `prevValue` and `prevIndex`. */
export interface CompareAndSwapCall extends Write, Compare {
  /** The name of the call. */
  readonly kind: "compareAndSwap";
  /** Gives the key a new TTL, keeps its value and tells no watcher. */
  readonly refresh: boolean;
}

/** Deletes a key. */
export interface DeleteCall extends At {
  /** The name of the call. */
  readonly kind: "delete";
  /** Deletes a directory with all that is below it. */
  readonly recursive: boolean;
  /** Deletes a directory if it is empty. */
  readonly dir: boolean;
}

/** Deletes a file if it matches `prevValue` and `prevIndex`. */
export interface CompareAndDeleteCall extends At, Compare {
  /** The name of the call. */
  readonly kind: "compareAndDelete";
}

/** Reads or changes keys. */
export type KeysCall = GetCall | SetCall | CreateCall | CompareAndSwapCall | DeleteCall | CompareAndDeleteCall;

/** Waits for events of a key. */
export interface WatchCall extends At {
  /** The name of the call. */
  readonly kind: "watch";
  /** Watches what is below the key, too. */
  readonly recursive: boolean;
  /** The first index of interest; "0": from now on. */
  readonly waitIndex: Uint64;
}

/** Patterns of a role as in JSON; null if none were set. */
export interface RolePatterns {
  /** For the key space; v2 has no others. */
  readonly kv: {
    /** Patterns of the keys that may be read. */
    readonly read: readonly string[] | null;
    /** Patterns of the keys that may be written. */
    readonly write: readonly string[] | null;
  };
}

/** Calls without a parameter. */
export interface StatusCall {
  /** The name of the call. */
  readonly kind:
    | "version"
    | "health"
    | "selfStats"
    | "leaderStats"
    | "storeStats"
    | "listMembers"
    | "leader"
    | "authStatus"
    | "authEnable"
    | "authDisable"
    | "listUsers"
    | "listRoles";
}

/** Reads or removes one user, role or member. */
export interface NamedCall {
  /** The name of the call. */
  readonly kind: "getUser" | "removeUser" | "getRole" | "removeRole" | "removeMember";
  /** The name as the path has it, decoded; of a member, its id in hexadecimal. */
  readonly name: string;
}

/** Adds a member. */
export interface AddMemberCall {
  /** The name of the call. */
  readonly kind: "addMember";
  /** Checked URLs of the form `scheme://host:port`, sorted. */
  readonly peerURLs: readonly string[];
}

/** Gives a member other peer URLs. */
export interface UpdateMemberCall {
  /** The name of the call. */
  readonly kind: "updateMember";
  /** The member's id, in hexadecimal. */
  readonly name: string;
  /** Checked URLs of the form `scheme://host:port`, sorted. */
  readonly peerURLs: readonly string[];
}

/** Adds a user, sets a password, grants and revokes roles: in v2 the fields present decide which. */
export interface PutUserCall {
  /** The name of the call. */
  readonly kind: "putUser";
  /** The user's name, as the path has it, decoded. */
  readonly name: string;
  /** "" or absent: the password stays. */
  readonly password?: string | undefined;
  /** Roles of a new user; null or absent for one made by its password alone. */
  readonly roles?: readonly string[] | null | undefined;
  /** Roles to grant to a user who exists. */
  readonly grant?: readonly string[] | null | undefined;
  /** Roles to revoke from a user who exists. */
  readonly revoke?: readonly string[] | null | undefined;
}

/** Adds a role, grants and revokes patterns: in v2 the fields present decide which. */
export interface PutRoleCall {
  /** The name of the call. */
  readonly kind: "putRole";
  /** The role's name, as the path has it, decoded. */
  readonly name: string;
  /** Patterns of a new role. */
  readonly permissions?: RolePatterns | undefined;
  /** Patterns to grant to a role that exists. */
  readonly grant?: RolePatterns | undefined;
  /** Patterns to revoke from a role that exists. */
  readonly revoke?: RolePatterns | undefined;
}

/** Everything but keys: members, auth, version, health and stats. */
export type AdminCall = StatusCall | NamedCall | AddMemberCall | UpdateMemberCall | PutUserCall | PutRoleCall;

/**
 * One v2 operation as a plain value. The wire functions put it into a `RequestSpec`; a server parses HTTP into the same
 * value. A store that executes it reads no URL, query or form.
 */
export type Call = KeysCall | WatchCall | AdminCall;
