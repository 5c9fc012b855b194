import { EtcdErrorCode } from "../util/errors.js";
import { ExpiryQueue } from "./expiry-queue.js";
import { addNode, childPath, copyNode, removeNode, type NewNode, type TreeNode } from "./key-node.js";

/** Why there is no node at a path, and the element that it is about. */
export interface NotFound {
  readonly errorCode: typeof EtcdErrorCode.keyNotFound | typeof EtcdErrorCode.notDir;
  readonly path: string;
}

/**
 * The keys of a store and when they expire, in three namespaces: members in "/0", users' keys in "/1", auth in "/2".
 */
export class KeyTree {
  readonly #root = addNode(undefined, "", { dir: true, value: "", index: 0, expiresMs: undefined });
  readonly #expiry = new ExpiryQueue();

  constructor() {
    for (const name of ["0", "1"]) this.add(this.#root, name, { dir: true, value: "", index: 0 });
  }

  /** When the next key expires, in ms of the clock; undefined: none does. */
  get nextExpiryMs(): number | undefined {
    return this.#expiry.nextMs;
  }

  /** The key that expires first, if that is at or before the given time. */
  due(untilMs: number): TreeNode | undefined {
    return this.#expiry.due(untilMs);
  }

  find(path: string): TreeNode | NotFound {
    let node = this.#root;
    if (path === "/") return node;
    for (const name of path.slice(1).split("/")) {
      if (node.children === undefined) return { errorCode: EtcdErrorCode.notDir, path: node.path };
      const child = node.children.get(name);
      if (child === undefined) return { errorCode: EtcdErrorCode.keyNotFound, path: childPath(node.path, name) };
      node = child;
    }
    return node;
  }

  /** The directory for a new node. Creates missing directories on the way. */
  parentFor(path: string, index: number): TreeNode | NotFound {
    let node = this.#root;
    for (const name of path === "" ? [] : path.slice(1).split("/")) {
      const child = node.children?.get(name);
      if (child !== undefined && child.children === undefined)
        return { errorCode: EtcdErrorCode.notDir, path: child.path };
      node = child ?? this.add(node, name, { dir: true, value: "", index });
    }
    return node;
  }

  add(parent: TreeNode, name: string, fields: Omit<NewNode, "expiresMs"> & Partial<NewNode>): TreeNode {
    const node = addNode(parent, name, { expiresMs: undefined, ...fields });
    this.#expiry.add(node);
    return node;
  }

  /** Removes a node with everything below it, and reports each one, children first. */
  remove(node: TreeNode, onRemoved?: (node: TreeNode) => void): void {
    removeNode(node, (removed) => {
      this.#expiry.forget(removed);
      onRemoved?.(removed);
    });
  }

  /** Changes when a node expires; undefined: never. */
  retime(node: TreeNode, expiresMs: number | undefined): void {
    this.#expiry.forget(node);
    node.expiresMs = expiresMs;
    this.#expiry.add(node);
  }

  /** The value of a file, and the names in a directory; undefined if there is no such node. */
  peek(path: string): { readonly value: string; readonly names: readonly string[] } | undefined {
    const node = this.find(path);
    return "errorCode" in node ? undefined : { value: node.value, names: Array.from(node.children?.keys() ?? []) };
  }

  /** All files below a path, hidden ones too: their paths and values, in no order. */
  *files(path: string): Generator<readonly [path: string, value: string], undefined> {
    const from = this.find(path);
    const left = "errorCode" in from ? [] : [from];
    for (let node = left.pop(); node !== undefined; node = left.pop()) {
      if (node.children === undefined) yield [node.path, node.value];
      else left.push(...node.children.values());
    }
  }

  /** Empties users' keys and auth. */
  clear(): void {
    for (const name of ["1", "2"]) {
      const space = this.#root.children?.get(name);
      if (space !== undefined) this.remove(space);
    }
    this.add(this.#root, "1", { dir: true, value: "", index: 0 });
  }

  /** Becomes a copy of another tree. */
  copyFrom(other: KeyTree): void {
    for (const child of this.#root.children?.values() ?? []) this.remove(child);
    for (const child of other.#root.children?.values() ?? [])
      copyNode(child, this.#root, (node) => {
        this.#expiry.add(node);
      });
  }
}
