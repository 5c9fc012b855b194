import { Fanout } from "./fanout.js";
import { LatestOnly, type Reader } from "./queue.js";

/** A value that changes and can be followed. A slow reader gets the latest value, not a backlog. */
export class Latest<T> {
  #value: T;
  readonly #fanout: Fanout<T>;

  /** @param what names a reader in messages, with its article */
  constructor(what: string, value: T) {
    this.#value = value;
    this.#fanout = new Fanout({ what, unread: () => new LatestOnly() });
  }

  /** The value as it is now. */
  get value(): T {
    return this.#value;
  }

  /** Changes the value; each reader gets this one, or a later one. */
  set(value: T): void {
    this.#value = value;
    this.#fanout.push(value);
  }

  /** Ends all readers, once each has got the last value. */
  end(): void {
    this.#fanout.end();
  }

  /** A reader of each value set after this call. Its iteration throws the signal's reason when that aborts. */
  changes(signal?: AbortSignal): Reader<T> {
    return this.#fanout.read(signal);
  }

  /** A reader of the value as it is now, then of each one set after this call. */
  values(signal?: AbortSignal): Reader<T> {
    return this.#fanout.read(signal, [this.#value]);
  }
}
