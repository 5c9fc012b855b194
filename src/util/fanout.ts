import { Queue, type Reader, type Unread } from "./queue.js";

export interface FanoutOptions<T> {
  /** Names a reader in messages, with its article. */
  readonly what: string;
  /** Makes what a new reader's unread items wait in. */
  readonly unread: () => Unread<T, T>;
}

/** Hands every item to all its readers, each with its own queue: a slow one does not delay the others. */
export class Fanout<T> {
  readonly #options: FanoutOptions<T>;
  readonly #queues = new Set<Queue<T>>();
  #ended: { readonly error: unknown } | undefined;

  constructor(options: FanoutOptions<T>) {
    this.#options = options;
  }

  /** Hands an item to all readers of this moment. */
  push(item: T): void {
    for (const queue of this.#queues) queue.push(item);
  }

  /** Readers, later ones included, get what they have not read yet, and are done. */
  end(): void {
    this.fail(undefined);
  }

  /** The same as {@link end}, but they throw the error at their end. */
  fail(error: unknown): void {
    this.#ended ??= { error };
    for (const queue of this.#queues) endWith(queue, this.#ended.error);
  }

  /**
   * A reader of what is pushed from this call on. Its iteration throws the signal's reason when that aborts.
   *
   * @param first items that it gets before
   */
  read(signal?: AbortSignal, first: readonly T[] = []): Reader<T> {
    const queue = new Queue<T>(this.#options.what, {
      unread: this.#options.unread(),
      signal,
      release: (ended) => this.#queues.delete(ended),
    });
    for (const item of first) queue.push(item);
    if (this.#ended !== undefined) endWith(queue, this.#ended.error);
    else if (!queue.ended) this.#queues.add(queue);
    return queue;
  }
}

function endWith<T>(queue: Queue<T>, error: unknown): void {
  if (error === undefined) queue.end();
  else queue.fail(error);
}
