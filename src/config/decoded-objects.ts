import type { KeyNode } from "../core/index.js";
import type { TextOrigin } from "./codec.js";
import { frozenCopy } from "./frozen.js";
import type { ObjectMeta } from "./types.js";
import type { Named } from "./union.js";

/** A file of the registry. */
export type File = Pick<KeyNode, "key" | "value" | "modifiedIndex">;

/** How the objects of one kind differ from others. */
export interface ObjectKind<T> {
  /** The folder of their files, with a final "/". */
  readonly folder: string;
  /** Reads the text of a file. */
  readonly decode: (text: string, origin: TextOrigin) => T;
  /** Makes an object from its name alone. */
  readonly placeholder: (metadata: ObjectMeta) => T;
}

/** The objects of one kind, decoded, by their path below the folder of that kind. */
export class DecodedObjects<T extends Named> {
  readonly #kind: ObjectKind<T>;
  readonly #onUndecodable: (key: string, error: unknown) => void;
  #items = new Map<string, T>();

  /** @param onUndecodable called with each file that cannot be decoded; must not throw */
  constructor(kind: ObjectKind<T>, onUndecodable: (key: string, error: unknown) => void) {
    this.#kind = kind;
    this.#onUndecodable = onUndecodable;
  }

  /** All objects. A fresh array. */
  items(): T[] {
    return [...this.#items.values()];
  }

  /** Their paths: `name` or `namespace/name`. */
  paths(): readonly string[] {
    return [...this.#items.keys()];
  }

  /** Their keys in etcd. */
  keys(): readonly string[] {
    return this.paths().map((path) => this.keyOf(path));
  }

  /** The key of a path. */
  keyOf(path: string): string {
    return `${this.#kind.folder}${path}`;
  }

  /** The path of a key; undefined for keys that do not belong to an object of this kind. */
  pathOf(key: string): string | undefined {
    if (!key.startsWith(this.#kind.folder)) return undefined;
    const path = key.slice(this.#kind.folder.length);
    return path !== "" && path.split("/").length <= 2 ? path : undefined;
  }

  /** Whether there is an object of that path. */
  has(path: string): boolean {
    return this.#items.has(path);
  }

  /** Adds an object, in place of another one with that path. */
  put(path: string, item: T): void {
    this.#items.set(path, frozenCopy(item));
  }

  /** Removes an object. */
  delete(path: string): void {
    this.#items.delete(path);
  }

  /** Replaces everything by a whole listing. A file that cannot be decoded keeps its last object. */
  replace(nodes: readonly KeyNode[]): void {
    const before = this.#items;
    this.#items = new Map();
    for (const node of nodes) {
      const path = this.pathOf(node.key);
      if (path === undefined) continue;
      const item = this.#read(path, node) ?? before.get(path);
      if (item !== undefined) this.#items.set(path, item);
    }
  }

  /** Adds or updates files. Returns the objects that could be decoded. */
  set(nodes: readonly File[]): readonly T[] {
    return nodes.flatMap((node) => {
      const path = this.pathOf(node.key);
      const item = path === undefined ? undefined : this.#read(path, node);
      if (path === undefined || item === undefined) return [];
      this.#items.set(path, item);
      return [item];
    });
  }

  /** Removes files. Returns their objects as they were known, else as the last text says, else placeholders. */
  remove(nodes: readonly File[]): readonly T[] {
    return nodes.flatMap((node) => {
      const path = this.pathOf(node.key);
      if (path === undefined) return [];
      const item = this.#items.get(path) ?? this.#tryDecode(path, node) ?? this.#kind.placeholder(metaOf(path));
      this.#items.delete(path);
      return [item];
    });
  }

  #read(path: string, node: File): T | undefined {
    try {
      return this.#decoded(path, node);
    } catch (error) {
      this.#onUndecodable(node.key, error);
      return undefined;
    }
  }

  #tryDecode(path: string, node: File): T | undefined {
    try {
      return this.#decoded(path, node);
    } catch {
      return undefined;
    }
  }

  #decoded(path: string, { key, value, modifiedIndex }: File): T {
    const item = this.#kind.decode(value, { key, modifiedIndex });
    return frozenCopy({ ...item, metadata: { ...item.metadata, ...metaOf(path) } });
  }
}

/** The metadata that a path gives; the namespace is "" if the path has none. */
export function metaOf(path: string): ObjectMeta {
  const slash = path.indexOf("/");
  return { name: path.slice(slash + 1), namespace: path.slice(0, Math.max(0, slash)) };
}
