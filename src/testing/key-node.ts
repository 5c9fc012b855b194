import type { AnswerNode } from "../core/keys-store.js";
import { compareText } from "../server/go-text.js";

/** An entry of the store's tree: a directory if it has `children`, else a file. */
export interface TreeNode {
  /** Within the store, where users' keys are below "/1". */
  readonly path: string;
  readonly name: string;
  readonly parent: TreeNode | undefined;
  readonly children: Map<string, TreeNode> | undefined;
  readonly createdIndex: number;
  modifiedIndex: number;
  value: string;
  /** When it expires, in ms of the clock; undefined: never. */
  expiresMs: number | undefined;
  /** Whether it is no longer in the tree. */
  removed: boolean;
}

/** The fields of a new node. */
export interface NewNode {
  readonly dir: boolean;
  readonly value: string;
  readonly index: number;
  readonly expiresMs: number | undefined;
}

/** Makes a node, and puts it below its parent. */
export function addNode(parent: TreeNode | undefined, name: string, fields: NewNode): TreeNode {
  const { dir, index, value, expiresMs } = fields;
  const node: TreeNode = {
    path: parent === undefined ? "/" : childPath(parent.path, name),
    name,
    parent,
    children: dir ? new Map() : undefined,
    createdIndex: index,
    modifiedIndex: index,
    value: dir ? "" : value,
    expiresMs,
    removed: false,
  };
  parent?.children?.set(name, node);
  return node;
}

/** Copies a node with everything below it, and reports each copy. */
export function copyNode(node: TreeNode, parent: TreeNode, onAdded: (node: TreeNode) => void): void {
  const { value, createdIndex, expiresMs } = node;
  const copy = addNode(parent, node.name, { dir: node.children !== undefined, value, index: createdIndex, expiresMs });
  copy.modifiedIndex = node.modifiedIndex;
  onAdded(copy);
  for (const child of node.children?.values() ?? []) copyNode(child, copy, onAdded);
}

/** The path of a child. */
export function childPath(parent: string, name: string): string {
  return parent === "/" ? `/${name}` : `${parent}/${name}`;
}

/** Removes a node with everything below it, and reports each one, children first. */
export function removeNode(node: TreeNode, onRemoved: (node: TreeNode) => void): void {
  for (const child of node.children?.values() ?? []) removeNode(child, onRemoved);
  node.parent?.children?.delete(node.name);
  node.removed = true;
  onRemoved(node);
}

/** Which of its children a node shows. */
export interface Listing {
  readonly recursive: boolean;
  readonly sorted: boolean;
}

/** A node as v2's JSON has it. Without a listing, its children are left out. */
export function viewOf(node: TreeNode, nowMs: number, listing?: Listing): AnswerNode {
  return {
    ...keyField(node.path),
    ...(node.children === undefined ? { value: node.value } : { dir: true }),
    ...expiryFields(node.expiresMs, nowMs),
    ...(listing !== undefined && node.children !== undefined && nodesField(node.children, nowMs, listing)),
    ...indexFields(node.modifiedIndex, node.createdIndex),
  };
}

/** Empty for the root. */
export function keyField(path: string): Pick<AnswerNode, "key"> {
  const key = userKey(path);
  return key === "" ? {} : { key };
}

/** `expiration` and `ttl`; a TTL of 0 is left out, as Go does with zeros. */
function expiryFields(expiresMs: number | undefined, nowMs: number): Pick<AnswerNode, "expiration" | "ttl"> {
  if (expiresMs === undefined) return {};
  // Go's durations end at 2^63 ns
  const ttl = Math.ceil(Math.min(Math.max((expiresMs - nowMs) / 1000, -longestSeconds), longestSeconds));
  return { expiration: rfc3339(expiresMs), ...(ttl !== 0 && { ttl }) };
}

/** Indexes; 0 is left out. */
export function indexFields(modifiedIndex: number, createdIndex: number): Partial<AnswerNode> {
  return { ...(modifiedIndex !== 0 && { modifiedIndex }), ...(createdIndex !== 0 && { createdIndex }) };
}

/** A path of the store as users see it: users' keys without the "/1" before them. */
export function userKey(path: string): string {
  return path.startsWith(keysRoot) ? path.slice(keysRoot.length) : path;
}

/** The path of a user's key in the store. */
export function pathOf(key: string): string {
  return key === "/" ? keysRoot : keysRoot + key;
}

const keysRoot = "/1";

const longestSeconds = 2 ** 63 / 1e9;

/** Children are listed in an order that is neither sorted nor that of insertion: Go's maps have none, and no program should rely on one. */
function nodesField(children: Map<string, TreeNode>, nowMs: number, listing: Listing): Pick<AnswerNode, "nodes"> {
  const shown = Array.from(children.values()).filter((child) => !child.name.startsWith("_"));
  if (shown.length === 0) return {};
  const ordered = listing.sorted ? shown.sort((a, b) => compareText(a.name, b.name)) : shown.reverse();
  return { nodes: ordered.map((child) => viewOf(child, nowMs, listing.recursive ? listing : undefined)) };
}

/** In UTC, without zeros at the end. */
function rfc3339(ms: number): string {
  return new Date(ms).toISOString().replace(/\.?0*Z$/, "Z");
}
