/** A node of a tree: a file, or a directory with nodes. */
export interface TreeNode<T> {
  readonly dir: boolean;
  readonly nodes: readonly T[];
}

/** The files of a tree, in the order of the listing; of a file, itself. Not recursive: a key of 4 kB is 2,000 levels deep. */
export function filesOf<T extends TreeNode<T>>(root: T): readonly T[] {
  const files: T[] = [];
  const pending = [root];
  for (let node = pending.pop(); node !== undefined; node = pending.pop()) {
    if (!node.dir) files.push(node);
    // not by spreading: the nodes would be arguments on the stack
    for (let i = node.nodes.length - 1; i >= 0; i--) {
      const child = node.nodes[i];
      if (child !== undefined) pending.push(child);
    }
  }
  return files;
}
