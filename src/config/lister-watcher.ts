import {
  isIndexCleared,
  keysOf,
  type KeyNode,
  type KeysAPI,
  type KeysClient,
  type KeysResponse,
} from "../core/index.js";
import { asErrorLike } from "../util/error-like.js";
import { requireFields, type Check, type Checks } from "../util/fields.js";
import { log } from "../util/log.js";
import { badArgument, requireKeysClient, requireText } from "../util/validate.js";
import { readTree } from "./read-tree.js";

/** What to list. */
export interface ListOptions {
  /** Only objects with these labels; "" or absent: all. */
  readonly labelSelector?: string | undefined;
  /** Aborts the request. */
  readonly signal?: AbortSignal | undefined;
}

/** What to watch. */
export interface WatchOptions extends ListOptions {
  /** Events after this version: that of a list, or of the object of an event. */
  readonly resourceVersion: string;
  /** Only objects with these fields; "" or absent: all. */
  readonly fieldSelector?: string | undefined;
}

/** All objects of one kind. */
export interface Listing<T> {
  /** The objects, of all namespaces. */
  readonly items: readonly T[];
  /** Where to watch from. */
  readonly resourceVersion: string;
}

/**
 * An object was added, changed or removed, and `object` has the version of that change; or the stream cannot go on, and
 * a list is needed.
 */
export type WatchEvent<T> =
  | { readonly type: "ADDED" | "MODIFIED" | "DELETED"; readonly object: T }
  | {
      /** The stream cannot go on. */
      readonly type: "ERROR";
      /** Why, as the API reports it. A `code` of 410 means that the version is too old. */
      readonly status: { readonly code?: number; readonly reason?: string; readonly message: string };
    };

/** Any API that can list objects and watch them from there. */
export interface ListerWatcher<T> {
  /** All objects, of all namespaces. */
  list(options: ListOptions): Promise<Listing<T>>;
  /** A stream of events. It may end at any time. A timeout is an error with the name `TimeoutError` or with Node's code of one. */
  watch(options: WatchOptions): AsyncIterable<WatchEvent<T>>;
}

/** What to list and watch in etcd. */
export interface EtcdListerWatcherOptions<T> {
  /** The client of the cluster, or its keys. */
  readonly client: KeysClient;
  /** The directory of the objects; need not exist. */
  readonly path: string;
  /** Makes an object of a file. Its version must be the node's `modifiedIndex`. If it throws, the file is left out. */
  readonly decode: (node: KeyNode) => T;
}

/**
 * Lists and watches the objects below a directory of etcd. Lists are read by quorum; versions are etcd's indexes. Cleared
 * history, a cluster that has started over, and the removal of a whole directory, which is one event, are an `ERROR` with
 * the code 410.
 *
 * @throws {UsageError} for bad arguments; `list` and `watch` for selectors, which etcd does not have
 */
export function etcdListerWatcher<T>(options: EtcdListerWatcherOptions<T>): ListerWatcher<T> {
  requireFields("options", options, listerWatcherChecks);
  const { client, path, decode } = options;
  const keys = keysOf(client);
  // checks the path
  keys.watcher(path);
  const tryDecode = (node: KeyNode): readonly T[] => {
    try {
      return [decode(node)];
    } catch (error) {
      log.config("%s cannot be decoded: %s", node.key, asErrorLike(error)?.name ?? "");
      return [];
    }
  };
  return {
    list: async (listOptions) => {
      requireNoSelector(listOptions);
      const { nodes, index } = await readTree(keys, path, listOptions.signal);
      return { items: nodes.flatMap(tryDecode), resourceVersion: String(index) };
    },
    watch: (watchOptions) => {
      requireNoSelector(watchOptions);
      return watch(keys, path, tryDecode, watchOptions);
    },
  };
}

async function* watch<T>(
  keys: KeysAPI,
  path: string,
  tryDecode: (node: KeyNode) => readonly T[],
  { resourceVersion, signal }: WatchOptions,
): AsyncGenerator<WatchEvent<T>, void, undefined> {
  if (!/^\d+$/.test(resourceVersion)) badArgument("options.resourceVersion must be an index of etcd, in digits");
  const watcher = keys.watcher(path, { recursive: true, afterIndex: Number(resourceVersion) });
  for (;;) {
    const event = await nextUnlessCleared(() => watcher.next(signal));
    const reported = event === undefined ? relist("history was cleared") : eventOf(event, path, tryDecode);
    if (reported !== undefined) yield reported;
    if (reported?.type === "ERROR") return;
  }
}

async function nextUnlessCleared(next: () => Promise<KeysResponse>): Promise<KeysResponse | undefined> {
  try {
    return await next();
  } catch (error) {
    if (!isIndexCleared(error)) throw error;
    return undefined;
  }
}

/** undefined for an event that changes no object: a new directory, a hidden name, a text that cannot be decoded. */
function eventOf<T>(
  { action, node, prevNode }: KeysResponse,
  path: string,
  tryDecode: (node: KeyNode) => readonly T[],
): WatchEvent<T> | undefined {
  const removes = action === "delete" || action === "expire" || action === "compareAndDelete";
  if (node.dir)
    return removes || prevNode?.dir === false
      ? relist("a directory was removed, or has replaced an object")
      : undefined;
  if (isHidden(node.key, path)) return undefined;
  if (!removes) {
    const [object] = tryDecode(node);
    return object && { type: prevNode === undefined ? "ADDED" : "MODIFIED", object };
  }
  const [object] = prevNode === undefined ? [] : tryDecode({ ...prevNode, modifiedIndex: node.modifiedIndex });
  return object === undefined ? relist("an unknown object was removed") : { type: "DELETED", object };
}

function relist(message: string): WatchEvent<never> {
  return { type: "ERROR", status: { code: 410, reason: "Gone", message } };
}

/** Listings leave hidden names out, history does not: they are left out here, too. */
function isHidden(key: string, path: string): boolean {
  const depth = path.split("/").filter(Boolean).length;
  return key
    .split("/")
    .filter(Boolean)
    .slice(depth)
    .some((segment) => segment.startsWith("_"));
}

function requireNoSelector({ labelSelector = "", fieldSelector = "" }: Partial<WatchOptions>): void {
  if (labelSelector !== "" || fieldSelector !== "") badArgument("etcd has no selectors: filter what it lists");
}

const requireDecode: Check = (what, value) => {
  if (typeof value !== "function") badArgument(`${what} must be a function`);
};

const listerWatcherChecks: Checks<EtcdListerWatcherOptions<unknown>> = {
  client: requireKeysClient,
  path: requireText,
  decode: requireDecode,
};
