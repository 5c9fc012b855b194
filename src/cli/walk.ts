import { isKeyNotFound, compareNodes, type KeyNode, type KeysAPI } from "../core/index.js";

/**
 * Walks a tree in the order of its keys, directory by directory: only the directories from the top to the present one
 * are in memory. It is not a snapshot: a key that changes during the walk may be seen before or after the change.
 * Hidden keys come only below a hidden name that was given.
 *
 * @param onNode is given each node below `key`, directories before what is in them; a file itself
 */
export async function walk(
  keys: KeysAPI,
  key: string,
  signal: AbortSignal,
  onNode: (node: KeyNode, isEmpty: boolean) => Promise<void>,
): Promise<void> {
  const { node } = await keys.get(key, { signal });
  if (!node.dir) {
    await onNode(node, false);
    return;
  }
  await walkNodes(keys, node.nodes, signal, onNode);
}

async function walkNodes(
  keys: KeysAPI,
  nodes: readonly KeyNode[],
  signal: AbortSignal,
  onNode: (node: KeyNode, isEmpty: boolean) => Promise<void>,
): Promise<void> {
  for (const node of [...nodes].sort(compareNodes)) {
    signal.throwIfAborted();
    if (!node.dir) {
      await onNode(node, false);
      continue;
    }
    const inside = await childrenOf(keys, node.key, signal);
    if (inside === undefined) continue;
    await onNode(node, inside.length === 0);
    await walkNodes(keys, inside, signal, onNode);
  }
}

/** Undefined if the directory is gone by now, or is a file. */
async function childrenOf(keys: KeysAPI, key: string, signal: AbortSignal): Promise<readonly KeyNode[] | undefined> {
  try {
    const { node } = await keys.get(key, { signal });
    return node.dir ? node.nodes : undefined;
  } catch (error) {
    if (isKeyNotFound(error)) return undefined;
    throw error;
  }
}
