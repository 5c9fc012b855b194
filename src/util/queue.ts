import { UsageError } from "./errors.js";
import { Notifier } from "./notifier.js";
import { onAbort, throwIfAborted } from "./signals.js";
import { requireSignal } from "./validate.js";

/** What a queue holds for its reader. A room implements its own where a slow reader gets merged items. */
export interface Unread<In, Out> {
  /** Takes an item in. May merge it with what is there, or drop something. */
  add(item: In): void;
  /** Takes out what the reader gets next; undefined if there is nothing. */
  take(): { readonly value: Out } | undefined;
  /** Drops everything. */
  clear(): void;
}

/**
 * The reader's side of a queue: an async iterator that can be pulled with a signal. It ends quietly by `close()`, by
 * `break` and when its producer is done. It throws the reason when its signal aborts, and the error when its producer
 * fails; after that it is done.
 */
export interface Reader<Out> extends AsyncIterableIterator<Out, undefined, AbortSignal | undefined>, AsyncDisposable {
  /**
   * Waits for the next item.
   *
   * @throws {UsageError} `ERR_BUSY`: an earlier `next` is still waiting
   * @throws `signal.reason` when this call's signal aborts; no item is lost by that
   */
  next(signal?: AbortSignal): Promise<IteratorResult<Out, undefined>>;
  /** The same as {@link close}; `break` calls it. */
  return(): Promise<IteratorResult<Out, undefined>>;
  /** Drops what is unread and ends the iteration; a waiting `next` resolves as done. Idempotent. */
  close(): Promise<void>;
  /** Resolves, never rejects, once it has ended: to the producer's error, else to undefined. */
  readonly closed: Promise<unknown>;
  /** Returns this reader, for `for await`. */
  [Symbol.asyncIterator](): Reader<Out>;
}

export interface QueueOptions<In, Out> {
  /** Where unread items wait. */
  readonly unread: Unread<In, Out>;
  /** Ends the queue when it aborts: unread items are dropped, and the reader gets the reason. */
  readonly signal?: AbortSignal | undefined;
  /** Called once when the queue has ended, however it did; `close()` and `closed` wait for it. */
  readonly release?: ((queue: Queue<In, Out>) => unknown) | undefined;
}

/** One reader's queue. The producer never waits: what a slow reader gets is a matter of its {@link Unread}. */
export class Queue<In, Out = In> implements Reader<Out> {
  readonly closed: Promise<unknown>;
  readonly #what: string;
  readonly #unread: Unread<In, Out>;
  readonly #release: (queue: this) => unknown;
  readonly #notifier = new Notifier();
  #settle: (error: unknown) => void = () => undefined;
  #unlink: () => void = () => undefined;
  #ended = false;
  /** What the reader gets after the last item: nothing, or something to throw, once. */
  #last: { readonly error: unknown } | undefined;
  #pending = false;

  /** @param what names it in messages, with its article: "this watcher" */
  constructor(what: string, { unread, signal, release }: QueueOptions<In, Out>) {
    this.#what = what;
    this.#unread = unread;
    this.#release = release ?? (() => undefined);
    this.closed = new Promise((resolve) => (this.#settle = resolve));
    const unlink = onAbort(signal, (reason) => {
      this.#unread.clear();
      this.#end({ error: reason }, undefined);
    });
    if (this.#ended) unlink();
    else this.#unlink = unlink;
  }

  /** Whether it has ended, and takes no more items. */
  get ended(): boolean {
    return this.#ended;
  }

  /** Adds an item. Does nothing once the queue has ended. */
  push(item: In): void {
    if (this.#ended) return;
    this.#unread.add(item);
    this.#notifier.notify();
  }

  /** For the producer: there will be no more items. The reader gets what is unread, then the iteration ends. */
  end(): void {
    this.#end(undefined, undefined);
  }

  /** For the producer: it failed. The reader gets what is unread, then the error. */
  fail(error: unknown): void {
    this.#end({ error }, error);
  }

  async next(signal?: AbortSignal): Promise<IteratorResult<Out, undefined>> {
    requireSignal("signal", signal);
    if (this.#pending) throw new UsageError("ERR_BUSY", `an earlier next() of ${this.#what} is still waiting`);
    this.#pending = true;
    try {
      for (;;) {
        throwIfAborted(signal);
        const item = this.#unread.take();
        if (item !== undefined) return { done: false, value: item.value };
        if (this.#ended) return this.#finish();
        await this.#notifier.wait(signal);
      }
    } finally {
      this.#pending = false;
    }
  }

  async return(): Promise<IteratorResult<Out, undefined>> {
    await this.close();
    return done;
  }

  async close(): Promise<void> {
    this.#unread.clear();
    this.#last = undefined;
    this.#end(undefined, undefined);
    await this.closed;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  #end(last: { readonly error: unknown } | undefined, error: unknown): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#last = last;
    this.#unlink();
    this.#notifier.notify();
    this.#settle(this.#released(error));
  }

  async #released(error: unknown): Promise<unknown> {
    // not inside of the constructor, when the signal has aborted already
    await Promise.resolve();
    try {
      await this.#release(this);
    } catch (failure) {
      return error ?? failure;
    }
    return error;
  }

  #finish(): IteratorResult<Out, undefined> {
    const last = this.#last;
    this.#last = undefined;
    if (last !== undefined) throw last.error;
    return done;
  }
}

/** Keeps every item, in order. With `max`, a reader that is further behind misses the oldest. */
export class Backlog<T> implements Unread<T, T> {
  readonly #max: number;
  #items: { readonly value: T }[] = [];
  /** How many at the front of `#items` are read: `shift()` would move the rest of a long array each time. */
  #read = 0;

  constructor(max = Infinity) {
    this.#max = max;
  }

  add(value: T): void {
    this.#items.push({ value });
    if (this.#items.length - this.#read > this.#max) this.take();
  }

  take(): { readonly value: T } | undefined {
    const item = this.#items[this.#read];
    if (item === undefined) return undefined;
    this.#read++;
    if (this.#read * 2 > this.#items.length) {
      this.#items = this.#items.slice(this.#read);
      this.#read = 0;
    }
    return item;
  }

  clear(): void {
    this.#items = [];
    this.#read = 0;
  }
}

/** Keeps the last item only: a slow reader gets the latest state. */
export class LatestOnly<T> implements Unread<T, T> {
  #item: { readonly value: T } | undefined;

  add(value: T): void {
    this.#item = { value };
  }

  take(): { readonly value: T } | undefined {
    const item = this.#item;
    this.#item = undefined;
    return item;
  }

  clear(): void {
    this.#item = undefined;
  }
}

const done = { done: true, value: undefined } as const;
