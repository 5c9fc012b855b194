import {
  isIndexCleared,
  keysOf,
  type KeyNode,
  type KeysAPI,
  type KeysClient,
  type KeysResponse,
} from "../core/index.js";
import { log } from "../util/log.js";
import { badArgument, requireFunction, requireOptions, requireText } from "../util/validate.js";
import { readTree } from "./read-tree.js";

export interface ListOptions {
  readonly labelSelector?: string | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface WatchOptions extends ListOptions {
  /** Events after this version, as a list, or an object of an event, has it. */
  readonly resourceVersion: string;
  readonly fieldSelector?: string | undefined;
}

export interface Listing<T> {
  readonly items: readonly T[];
  /** Where to watch from. */
  readonly resourceVersion: string;
}

/** Something went, came or changed, and `object` has the version of that; or the stream cannot go on: list again. */
export type WatchEvent<T> =
  | { readonly type: "ADDED" | "MODIFIED" | "DELETED"; readonly object: T }
  | {
      readonly type: "ERROR";
      readonly status: { readonly code?: number; readonly reason?: string; readonly message: string };
    };

/** Any API that can list objects and watch them from there. */
export interface ListerWatcher<T> {
  /** All objects, of all namespaces. */
  list(options: ListOptions): Promise<Listing<T>>;
  /** A stream of events. It may end at any time; a timeout is an error of the name `TimeoutError`, or with Node's code of one. */
  watch(options: WatchOptions): AsyncIterable<WatchEvent<T>>;
}

export interface EtcdListerWatcherOptions<T> {
  readonly client: KeysClient;
  /** The directory of the objects; need not exist. */
  readonly path: string;
  /** Makes an object of a file. Its version is the node's `modifiedIndex`. A file for which it throws is left out. */
  readonly decode: (node: KeyNode) => T;
}

/**
 * Lists and watches the objects below a directory of etcd; versions are etcd's indexes. Cleared history is an `ERROR`
 * with the code 410, and so is the end of a whole directory, which etcd tells in one event.
 *
 * @throws {UsageError} for bad arguments; `list` and `watch` for selectors, which etcd does not have
 */
export function etcdListerWatcher<T>(options: EtcdListerWatcherOptions<T>): ListerWatcher<T> {
  requireOptions("options", options, optionNames);
  const { client, path, decode } = options;
  requireText("options.path", path);
  requireFunction("options.decode", decode);
  const keys = keysOf(client);
  // checks the path
  keys.watcher(path);
  const tryDecode = (node: KeyNode): readonly T[] => {
    try {
      return [decode(node)];
    } catch (error) {
      log.config("%s cannot be decoded: %s", node.key, error instanceof Error ? error.name : "");
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
  if (!/^\d+$/.test(resourceVersion)) badArgument("resourceVersion must be an index of etcd, in digits");
  const watcher = keys.watcher(path, { recursive: true, afterIndex: Number(resourceVersion) });
  for (;;) {
    const event = await nextUnlessCleared(() => watcher.next(signal));
    const told = event === undefined ? relist("history was cleared") : eventOf(event, path, tryDecode);
    if (told !== undefined) yield told;
    if (told?.type === "ERROR") return;
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

/** undefined for what is no change of an object: new directories, hidden names, texts that cannot be decoded. */
function eventOf<T>(
  { action, node, prevNode }: KeysResponse,
  path: string,
  tryDecode: (node: KeyNode) => readonly T[],
): WatchEvent<T> | undefined {
  const removes = action === "delete" || action === "expire" || action === "compareAndDelete";
  if (node.dir)
    return removes || prevNode?.dir === false ? relist("a directory went or came in place of an object") : undefined;
  if (isHidden(node.key, path)) return undefined;
  if (!removes) {
    const [object] = tryDecode(node);
    return object && { type: prevNode === undefined ? "ADDED" : "MODIFIED", object };
  }
  const [object] = prevNode === undefined ? [] : tryDecode({ ...prevNode, modifiedIndex: node.modifiedIndex });
  return object === undefined ? relist("an object went of which nothing is known") : { type: "DELETED", object };
}

function relist(message: string): WatchEvent<never> {
  return { type: "ERROR", status: { code: 410, reason: "Gone", message } };
}

/** Listings leave hidden names out, history does not. */
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

const optionNames: ReadonlySet<string> = new Set<keyof EtcdListerWatcherOptions<unknown>>(["client", "path", "decode"]);
