import { EtcdError, EtcdErrorCode } from "../util/errors.js";
import type { KeysResponse } from "./types.js";
import type { KeyAddress } from "./wire/keys.js";
import { cleanKey } from "./wire/paths.js";

/**
 * Whether this event has nothing to do with the key. From its history etcd (2.0 to 3.5) matches a deleted directory by
 * bare string prefix: a watcher of `/application` gets the end of `/app`.
 */
export function isForeign({ node }: KeysResponse, at: KeyAddress): boolean {
  if (!isComparable(at) || !node.dir) return false;
  const watched = watchedKey(at);
  return watched.startsWith(node.key) && watched !== node.key && node.key !== "/" && watched[node.key.length] !== "/";
}

/** Whether the key is hidden for a watcher of the directory: live watches and lists leave such keys out, history does not. */
export function isHiddenBelow(key: string, directory: string): boolean {
  const root = directory.replace(/\/+$/, "");
  return key.startsWith(root) && key.slice(root.length).includes("/_");
}

/** Why a watcher cannot go on: the cluster behind the endpoints is not the one it watched. `isIndexCleared` recognizes it. */
export function startedOver(why: string, index: number): EtcdError {
  const error = new EtcdError({
    status: 400,
    errorCode: EtcdErrorCode.watcherCleared,
    serverMessage: "watcher is cleared due to etcd recovery",
    serverCause: why,
    index,
  });
  startOvers.add(error);
  return error;
}

const startOvers = new WeakSet<object>();

/** Whether it was made by {@link startedOver}. etcd itself sends this code, too, when a member has caught up by a snapshot. */
export function isStartOver(error: unknown): boolean {
  return typeof error === "object" && error !== null && startOvers.has(error);
}

/** Whether the keys of events can be compared to the watched one: not under a proxy's prefix. */
export function isComparable({ prefix }: KeyAddress): boolean {
  return `${prefix}/`.startsWith("/v2/keys/");
}

/** The key as etcd spells it. */
export function watchedKey({ namespace = "", key }: KeyAddress): string {
  return namespace + cleanKey(key) || "/";
}
