import {
  EtcdError,
  isKeyNotFound,
  KeysAPI,
  type Client,
  type KeyNode,
  type KeysResponse,
  type Watcher,
} from "../../core/index.js";
import { compareBytes } from "../../v3/layout.js";
import { CommandFailed } from "../io.js";

/** A file or a directory of the v2 tree. */
export interface Entry {
  /** The key of a file; of a directory, its key and a slash, as its marker in v3. */
  readonly path: string;
  readonly node: KeyNode;
  /** A directory that v2 lists, but does not find by that name: the name is not UTF-8. */
  readonly isUnreadable?: boolean;
}

/** Where the v2 store is. */
export interface Place {
  /** Of the last change. */
  readonly index: number;
  /** In hexadecimal. */
  readonly clusterId: string;
}

/** The v2 tree, as far as it is read. */
export class Source {
  readonly client: Client;
  readonly keys: KeysAPI;
  readonly #signal: AbortSignal;

  constructor(client: Client, signal: AbortSignal) {
    this.client = client;
    this.keys = new KeysAPI(client);
    this.#signal = signal;
  }

  /**
   * The index and the cluster id of the store, by the majority. Asks for a key that is hidden, and should not be there.
   *
   * @throws {EtcdError} etcd refused
   */
  async place(prefix: string): Promise<Place> {
    const key = `${prefix === "/" ? "" : prefix}/_etcd2-migrate`;
    const path = `/v2/keys${key.split("/").map(encodeURIComponent).join("/")}`;
    const { status, headers } = await this.client.send({ method: "GET", path, query: "quorum=true" }, this.#signal);
    const { "x-etcd-index": index, "x-etcd-cluster-id": clusterId } = headers;
    // throws an error that says what is wrong
    if (index === undefined || clusterId === undefined || status === 401) {
      await this.keys.get(key, { signal: this.#signal });
      throw new CommandFailed("the response of --from is not one of etcd's v2 API");
    }
    return { index: Number(index), clusterId };
  }

  /**
   * Reads a node; of a directory, with its children.
   *
   * @param atLeast no older than this index
   * @returns undefined if it does not exist
   */
  async read(key: string, atLeast: number): Promise<KeyNode | undefined> {
    const found = await this.#get(key, false);
    return found.index >= atLeast ? found.node : (await this.#get(key, true)).node;
  }

  /**
   * All that is at and below a key, in the order of the paths' bytes, which is v3's. What is in memory at once is what is
   * in the directories from the top to here. Hidden names are left out by v2.
   *
   * @param atLeast each directory is no older than this index
   */
  async *walk(root: string, atLeast: number): AsyncGenerator<Entry, void, undefined> {
    const top = await this.read(root, atLeast);
    if (top === undefined) return;
    const left: KeyNode[] = [top];
    const isRead = new Set([top]);
    for (let node = left.pop(); node !== undefined; node = left.pop()) {
      if (!node.dir) {
        yield { path: node.key, node };
        continue;
      }
      const inside = isRead.delete(node) ? node : await this.read(node.key, atLeast);
      // gone by now, or a file; a name that is not UTF-8 is not found either
      if (inside?.dir !== true) {
        if (node.key.includes("\ufffd")) yield { path: `${node.key}/`, node, isUnreadable: true };
        continue;
      }
      if (node.key !== "/") yield { path: `${node.key}/`, node: inside };
      left.push(...[...inside.nodes].sort((a, b) => compareBytes(pathOf(b), pathOf(a))));
    }
  }

  /** All changes at and below a key after this index. */
  watcher(root: string, { index, clusterId }: Place): Watcher {
    return this.keys.watcher(root, { recursive: true, afterIndex: index, clusterId });
  }

  async #get(key: string, quorum: boolean): Promise<{ readonly node: KeyNode | undefined; readonly index: number }> {
    try {
      const { node, index }: KeysResponse = await this.keys.get(key, { quorum, signal: this.#signal });
      return { node, index };
    } catch (error) {
      if (error instanceof EtcdError && isKeyNotFound(error)) return { node: undefined, index: error.index };
      throw error;
    }
  }
}

/** The seconds that a node has left; undefined if it has no TTL. In its last second etcd leaves the `ttl` out. */
export function ttlOf({ ttl, expiration }: KeyNode): number | undefined {
  return ttl ?? (expiration === undefined ? undefined : 0);
}

/** The path of a node: see {@link Entry}. */
function pathOf({ key, dir }: Pick<KeyNode, "key" | "dir">): string {
  return dir ? `${key}/` : key;
}
