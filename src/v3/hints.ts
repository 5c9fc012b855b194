/** At most this many keys are remembered for each purpose: a few hundred kilobytes. */
const maxKeys = 1_000;

/**
 * What a client has seen of its keys. It only decides which request a call sends first, never what the call answers: others
 * may have changed the store since. All endpoints of a client share it.
 */
export class Hints {
  /**
   * What was at a key. "directory": a directory. "crowded": a key that starts with the same name, such as "/a-b" beside "/a",
   * lies between the key and what is below it in the order of the store.
   */
  readonly shapes = new Recent<"directory" | "crowded">();
  /** Directories that had their marker, and so had all directories above them. */
  readonly marked = new Recent<true>();
  /** Keys whose last lean write failed, or was refused. */
  readonly contested = new Recent<true>();
  /** Directories with keys in order: the revision at which this client last wrote the marker. */
  readonly ordered = new Recent<number>();
}

/** A map that holds what was set last. */
class Recent<V> {
  readonly #entries = new Map<string, V>();

  get(key: string): V | undefined {
    return this.#entries.get(key);
  }

  /** Remembers it. Forgets the entry that was set longest ago if there are too many. */
  set(key: string, value: V): void {
    if (this.#entries.get(key) === value) return;
    this.#entries.delete(key);
    this.#entries.set(key, value);
    if (this.#entries.size <= maxKeys) return;
    const [oldest] = this.#entries.keys();
    if (oldest !== undefined) this.#entries.delete(oldest);
  }

  delete(key: string): void {
    this.#entries.delete(key);
  }
}
