import { decoded, type Codec } from "./codec.js";
import type { KeyNode, KeysAction, KeysResponse } from "./types.js";

/** A file with its decoded value. */
export interface TypedFile<T> extends Omit<KeyNode, "value" | "dir" | "nodes"> {
  /** False: a file. */
  readonly dir: false;
  /** The decoded value. */
  readonly value: T;
  /** Empty: a file has no children. */
  readonly nodes: readonly [];
}

/** A directory: it has no value. */
export interface TypedDirectory<T> extends Omit<KeyNode, "value" | "dir" | "nodes"> {
  /** True: a directory. */
  readonly dir: true;
  /** Never there: a directory has no value. */
  readonly value?: undefined;
  /** Children, where the response lists them; see `KeyNode.nodes`. */
  readonly nodes: readonly TypedNode<T>[];
}

/** A file or a directory: `dir` says which. */
export type TypedNode<T> = TypedFile<T> | TypedDirectory<T>;

/** What is left of a file or a directory that was deleted or has expired: no value. */
export interface RemovedNode extends Omit<KeyNode, "value" | "nodes"> {
  /** Never there: the value before the change is in `prevNode`. */
  readonly value?: undefined;
}

/** The response of a read. */
export interface TypedRead<T> extends Omit<KeysResponse, "node" | "prevNode"> {
  /** The file, or the directory with what is below it. */
  readonly node: TypedNode<T>;
}

/** The response of a write: the file with the value that was written. */
export interface TypedWrite<T> extends Omit<KeysResponse, "node" | "prevNode"> {
  /** The file as it is now. */
  readonly node: TypedFile<T>;
  /** The node as it was before. Absent for a new key, and where the value that it had cannot be decoded. */
  readonly prevNode?: TypedNode<T>;
}

/** The actions after which a key is gone. */
export type RemovingAction = Extract<KeysAction, "delete" | "expire" | "compareAndDelete">;

/** An event of a watcher: `action` says whether there is a value. */
export type TypedEvent<T> = Omit<KeysResponse, "action" | "node" | "prevNode"> & {
  /** The node as it was before. Absent for a new key, and where the value that it had cannot be decoded. */
  readonly prevNode?: TypedNode<T>;
} & (
    | { readonly action: Exclude<KeysAction, RemovingAction>; readonly node: TypedNode<T> }
    | { readonly action: RemovingAction; readonly node: RemovedNode }
  );

/** @throws {DecodeError} for the first value that cannot be decoded */
export async function typedNode<T>(codec: Codec<T>, node: KeyNode): Promise<TypedNode<T>> {
  if (!node.dir) return typedFile(node, await decoded(codec, node));
  const { value: _none, nodes, ...rest } = node;
  const children: TypedNode<T>[] = [];
  for (const child of nodes) children.push(await typedNode(codec, child));
  return { ...rest, dir: true, nodes: children };
}

/** The same file with another value. */
export function typedFile<T>({ value: _text, nodes: _none, ...rest }: KeyNode, value: T): TypedFile<T> {
  return { ...rest, dir: false, value, nodes: [] };
}

/**
 * The node before a change, if there was one and its values can be decoded: a bad earlier value must not fail the
 * change.
 */
export async function typedPrevNode<T>(
  codec: Codec<T>,
  node: KeyNode | undefined,
): Promise<{ readonly prevNode?: TypedNode<T> }> {
  if (node === undefined) return {};
  return typedNode(codec, node).then(
    (prevNode) => ({ prevNode }),
    () => ({}),
  );
}
