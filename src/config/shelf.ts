import type { KeyNode } from "../core/index.js";
import type { TextOrigin } from "./codec.js";
import { frozenCopy } from "./frozen.js";
import type { ObjectMeta } from "./types.js";
import type { Named } from "./union.js";

export type File = Pick<KeyNode, "key" | "value" | "modifiedIndex">;

/** The objects of one kind, by their path below the folder of that kind. */
export class Shelf<T extends Named> {
  readonly #folder: string;
  readonly #decode: (text: string, origin: TextOrigin) => T;
  readonly #bare: (metadata: ObjectMeta) => T;
  readonly #onUndecodable: (key: string, error: unknown) => void;
  #items = new Map<string, T>();

  constructor(
    folder: string,
    decode: (text: string, origin: TextOrigin) => T,
    bare: (metadata: ObjectMeta) => T,
    onUndecodable: (key: string, error: unknown) => void,
  ) {
    this.#folder = folder;
    this.#decode = decode;
    this.#bare = bare;
    this.#onUndecodable = onUndecodable;
  }

  items(): T[] {
    return [...this.#items.values()];
  }

  paths(): readonly string[] {
    return [...this.#items.keys()];
  }

  keys(): readonly string[] {
    return this.paths().map((path) => this.keyOf(path));
  }

  keyOf(path: string): string {
    return `${this.#folder}${path}`;
  }

  /** `name` or `namespace/name`; undefined for keys that are no object of this kind. */
  pathOf(key: string): string | undefined {
    if (!key.startsWith(this.#folder)) return undefined;
    const path = key.slice(this.#folder.length);
    return path !== "" && path.split("/").length <= 2 ? path : undefined;
  }

  has(path: string): boolean {
    return this.#items.has(path);
  }

  put(path: string, item: T): void {
    this.#items.set(path, frozenCopy(item));
  }

  delete(path: string): void {
    this.#items.delete(path);
  }

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

  /** What could be decoded. */
  set(nodes: readonly File[]): readonly T[] {
    return nodes.flatMap((node) => {
      const path = this.pathOf(node.key);
      const item = path === undefined ? undefined : this.#read(path, node);
      if (path === undefined || item === undefined) return [];
      this.#items.set(path, item);
      return [item];
    });
  }

  /** What went: as it was known, else as its last text says, else only its name. */
  remove(nodes: readonly File[]): readonly T[] {
    return nodes.flatMap((node) => {
      const path = this.pathOf(node.key);
      if (path === undefined) return [];
      const item = this.#items.get(path) ?? this.#tryDecode(path, node) ?? this.#bare(metaOf(path));
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
    const item = this.#decode(value, { key, modifiedIndex });
    return frozenCopy({ ...item, metadata: { ...item.metadata, ...metaOf(path) } });
  }
}

/** The namespace is "" where the path has none. */
export function metaOf(path: string): ObjectMeta {
  const slash = path.indexOf("/");
  return { name: path.slice(slash + 1), namespace: path.slice(0, Math.max(0, slash)) };
}
