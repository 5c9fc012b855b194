import { UsageError } from "../util/errors.js";
import { show } from "../util/validate.js";
import { frozenCopy } from "./frozen.js";
import type { ObjectMeta, Operation } from "./types.js";

/** What all objects of a union have: a name. */
export interface Named {
  /** Its name and namespace. */
  readonly metadata: ObjectMeta;
}

interface Entry<T> {
  readonly item: T;
  /** The key as bytes: entries are ordered by it. */
  readonly keyBytes: Buffer;
}

/** The states of all sources, side by side: a key that two sources have is there twice. */
export class Union<T extends Named> {
  readonly #sources = new Map<string, Source<T>>();

  /** Adds a source, if it is not there. Sources keep the order in which they were added. */
  add(source: string): void {
    if (!this.#sources.has(source)) this.#sources.set(source, new Source());
  }

  /** Merges an update into the state of a source. Objects are copied and frozen. @throws {TypeError | UsageError} for a malformed update, which changes nothing */
  merge(source: string, op: Operation, items: readonly T[]): void {
    requireOperation(op);
    const entries = entriesOf(items);
    this.add(source);
    this.#sources.get(source)?.merge(op, entries);
  }

  /** Drops the state of a source. Returns whether it had any objects. */
  remove(source: string): boolean {
    const held = (this.#sources.get(source)?.items().length ?? 0) > 0;
    this.#sources.delete(source);
    return held;
  }

  /** All objects: sources in order, the keys of each in byte order. A fresh array. */
  items(): T[] {
    return [...this.#sources.values()].flatMap((source) => source.items());
  }

  /** The objects of each source. A snapshot. */
  bySource(): ReadonlyMap<string, readonly T[]> {
    return new Map([...this.#sources].map(([name, source]) => [name, source.items()]));
  }

  /** The object of that name from each source that has it. */
  named(name: string, namespace: string): ReadonlyMap<string, T> {
    const keyBytes = Buffer.from(keyOf({ metadata: { name, namespace } }));
    const found = [...this.#sources].map(([source, state]) => [source, state.get(keyBytes)] as const);
    return new Map(found.flatMap(([source, item]) => (item === undefined ? [] : [[source, item] as const])));
  }
}

class Source<T> {
  /** In byte order of their keys. */
  #entries: readonly Entry<T>[] = [];

  merge(op: Operation, entries: readonly Entry<T>[]): void {
    const merged = op === "set" ? [] : [...this.#entries];
    for (const entry of entries) {
      const { at, found } = search(merged, entry.keyBytes);
      // of two with the same key the later one counts
      merged.splice(at, found ? 1 : 0, ...(op === "remove" ? [] : [entry]));
    }
    this.#entries = merged;
  }

  items(): T[] {
    return this.#entries.map(({ item }) => item);
  }

  get(keyBytes: Buffer): T | undefined {
    const { at, found } = search(this.#entries, keyBytes);
    return found ? this.#entries[at]?.item : undefined;
  }
}

/** The position of the entry with that key, or where it would be. */
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

/** `namespace/name`: two objects of one source with the same key are the same object. */
export function keyOf({ metadata }: Named): string {
  return `${metadata.namespace}/${metadata.name}`;
}

function entriesOf<T extends Named>(items: readonly T[]): readonly Entry<T>[] {
  if (!Array.isArray(items))
    throw new UsageError("ERR_ARGUMENT", `an update must have an array of objects, got ${show(items)}`);
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
    `object ${String(i)} of an update must have metadata with the strings name and namespace`,
  );
}

/** Refuses with a TypeError, as specified for `send`, that has our code. */
function requireOperation(op: unknown): asserts op is Operation {
  if (op === "set" || op === "add" || op === "remove") return;
  throw Object.assign(new TypeError('the op of an update must be "set", "add" or "remove"'), { code: "ERR_ARGUMENT" });
}
