import { EtcdError, isKeyNotFound, type KeyNode, type KeysAPI } from "../core/index.js";
import { filesOf } from "../util/files-of.js";

/** A directory as it was read. */
export interface Tree {
  /** The files below the directory, or the file itself; none if the key does not exist. */
  readonly nodes: readonly KeyNode[];
  /** Whether the key is a file. */
  readonly isFile: boolean;
  /** etcd's index of the read. */
  readonly index: number;
}

/** Reads all files below a directory, by quorum: a member that lags would give an older state than the last one. */
export async function readTree(keys: KeysAPI, key: string, signal: AbortSignal | undefined): Promise<Tree> {
  try {
    const { node, index } = await keys.get(key, { recursive: true, quorum: true, signal });
    return { nodes: filesOf(node), isFile: !node.dir, index };
  } catch (error) {
    if (!isKeyNotFound(error) || !(error instanceof EtcdError)) throw error;
    return { nodes: [], isFile: false, index: error.index };
  }
}
