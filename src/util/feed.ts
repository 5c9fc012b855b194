import { onAbort } from "./signals.js";

/** How much a reader may be behind; beyond that it misses the oldest. */
const maxBacklog = 100;

/** Hands what is pushed to every reader there is. A slow one holds nobody up. */
export class Feed<T> {
  readonly #readers = new Set<Reader<T>>();
  #ended = false;

  push(value: T): void {
    for (const reader of this.#readers) {
      reader.queue.push(value);
      if (reader.queue.length > maxBacklog) reader.queue.shift();
      reader.wake();
    }
  }

  /** Readers end normally once they have read what is left. */
  end(): void {
    this.#ended = true;
    for (const reader of this.#readers) reader.wake();
    this.#readers.clear();
  }

  /** What is pushed from this call on. Ends by throwing the signal's reason when it aborts. */
  read(signal: AbortSignal | undefined): AsyncGenerator<T, void, undefined> {
    const reader: Reader<T> = { queue: [], wake: () => undefined };
    if (!this.#ended) this.#readers.add(reader);
    return this.#values(reader, signal);
  }

  async *#values(reader: Reader<T>, signal: AbortSignal | undefined): AsyncGenerator<T, void, undefined> {
    try {
      for (;;) {
        signal?.throwIfAborted();
        const [value] = reader.queue.splice(0, 1);
        if (value !== undefined) yield value;
        else if (this.#ended) return;
        else await woken(reader, signal);
      }
    } finally {
      this.#readers.delete(reader);
    }
  }
}

interface Reader<T> {
  readonly queue: T[];
  wake: () => void;
}

async function woken(reader: Reader<unknown>, signal: AbortSignal | undefined): Promise<void> {
  let off: (() => void) | undefined;
  await new Promise<void>((resolve) => {
    reader.wake = resolve;
    off = onAbort(signal, () => {
      resolve();
    });
  });
  off?.();
}
