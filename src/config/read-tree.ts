import { EtcdError, isKeyNotFound, type KeyNode, type KeysAPI } from "../core/index.js";

/** The files below a directory, or the file itself, with etcd's index; a key that is not there has none. */
export async function readTree(
  keys: KeysAPI,
  key: string,
  signal: AbortSignal | undefined,
): Promise<{ readonly nodes: readonly KeyNode[]; readonly isFile: boolean; readonly index: number }> {
  try {
    const { node, index } = await keys.get(key, { recursive: true, signal });
    return { nodes: filesOf(node), isFile: !node.dir, index };
  } catch (error) {
    if (!isKeyNotFound(error) || !(error instanceof EtcdError)) throw error;
    return { nodes: [], isFile: false, index: error.index };
  }
}

function filesOf(node: KeyNode): readonly KeyNode[] {
  return node.dir ? node.nodes.flatMap(filesOf) : [node];
}
