import { UsageError } from "../util/errors.js";
import { show } from "../util/validate.js";
import { frozenCopy } from "./frozen.js";
import type { ObjectMeta, Operation } from "./types.js";

/** What all objects of a union have. */
export interface Named {
  readonly metadata: ObjectMeta;
}

interface Entry<T> {
  readonly item: T;
  /** What entries are ordered by. */
  readonly keyBytes: Buffer;
}

/** The states of all sources, one beside the other: the same key in two sources is there twice. */
export class Union<T extends Named> {
  readonly #sources = new Map<string, Source<T>>();

  /** Makes sure that the source is there. Sources are ordered by when they came. */
  add(source: string): void {
    if (!this.#sources.has(source)) this.#sources.set(source, new Source());
  }

  /** Objects are copied and frozen. @throws {TypeError | UsageError} for a malformed update; nothing is changed then */
  merge(source: string, op: Operation, items: readonly T[]): void {
    requireOperation(op);
    const entries = entriesOf(items);
    this.add(source);
    this.#sources.get(source)?.merge(op, entries);
  }

  /** Whether it held anything. */
  remove(source: string): boolean {
    const held = (this.#sources.get(source)?.items().length ?? 0) > 0;
    this.#sources.delete(source);
    return held;
  }

  /** A fresh array: sources in order, the keys of each in byte order. */
  items(): T[] {
    return [...this.#sources.values()].flatMap((source) => source.items());
  }

  /** A snapshot. */
  bySource(): ReadonlyMap<string, readonly T[]> {
    return new Map([...this.#sources].map(([name, source]) => [name, source.items()]));
  }
}

class Source<T> {
  /** In byte order of their keys. */
  #entries: readonly Entry<T>[] = [];

  merge(op: Operation, entries: readonly Entry<T>[]): void {
    const merged = op === "set" ? [] : [...this.#entries];
    for (const entry of entries) {
      const { at, found } = search(merged, entry.keyBytes);
      // of two with one key the later one holds
      merged.splice(at, found ? 1 : 0, ...(op === "remove" ? [] : [entry]));
    }
    this.#entries = merged;
  }

  items(): T[] {
    return this.#entries.map(({ item }) => item);
  }
}

/** Where the entry with that key is, or would be. */
function search(
  entries: readonly Entry<unknown>[],
  keyBytes: Buffer,
): { readonly at: number; readonly found: boolean } {
  let [low, high] = [0, entries.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    const order = Buffer.compare(entries[middle]?.keyBytes ?? keyBytes, keyBytes);
    if (order === 0) return { at: middle, found: true };
    if (order < 0) low = middle + 1;
    else high = middle;
  }
  return { at: low, found: false };
}

/** `namespace/name`: what makes two objects of one source the same. */
export function keyOf({ metadata }: Named): string {
  return `${metadata.namespace}/${metadata.name}`;
}

function entriesOf<T extends Named>(items: readonly T[]): readonly Entry<T>[] {
  if (!Array.isArray(items))
    throw new UsageError("ERR_ARGUMENT", `an update must hold an array of objects, got ${show(items)}`);
  return items.map((each: T, i) => {
    requireNamed(each, i);
    const item = frozenCopy(each);
    return { item, keyBytes: Buffer.from(keyOf(item)) };
  });
}

function requireNamed(item: unknown, i: number): void {
  const metadata = typeof item === "object" && item !== null && "metadata" in item ? item.metadata : undefined;
  const named =
    typeof metadata === "object" && metadata !== null && "name" in metadata && "namespace" in metadata
      ? metadata
      : undefined;
  if (typeof named?.name === "string" && typeof named.namespace === "string") return;
  throw new UsageError(
    "ERR_ARGUMENT",
    `object ${String(i)} of an update must have metadata with the texts name and namespace`,
  );
}

/** A TypeError, as the registry's protocol has it, with our code. */
function requireOperation(op: unknown): asserts op is Operation {
  if (op === "set" || op === "add" || op === "remove") return;
  throw Object.assign(new TypeError('the op of an update must be "set", "add" or "remove"'), { code: "ERR_ARGUMENT" });
}
