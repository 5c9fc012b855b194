import type * as PLimit from "p-limit";
import { abortable, onAbort } from "./signals.js";

/**
 * Runs so many calls at once; the others wait in the order in which they came. This is p-limit, loaded with the first call,
 * as got is: at import it would take longer than all of our own code.
 */
export class Limiter {
  readonly #max: number;
  #limit: PLimit.LimitFunction | undefined;

  /** @param max at least 1; `Infinity` for no limit */
  constructor(max: number) {
    this.#max = max;
  }

  /**
   * Runs `work` as soon as it may, and settles with its result.
   *
   * If the signal aborts while the call waits, it rejects at once with the signal's reason, `work` never runs, and nothing
   * holds it any longer. Once `work` runs, ending it is its own matter.
   */
  async run<T>(work: () => Promise<T>, signal: AbortSignal | undefined): Promise<T> {
    const limit = this.#limit ?? (await abortable(this.#load(), signal));
    return limit.activeCount < limit.concurrency ? limit(work) : abortable(limit(queued(work, signal)), signal);
  }

  /** Calls that come while it is loaded go on in their order. */
  async #load(): Promise<PLimit.LimitFunction> {
    const { default: pLimit } = await load();
    this.#limit ??= pLimit(this.#max);
    return this.#limit;
  }
}

let loading: Promise<typeof PLimit> | undefined;

function load(): Promise<typeof PLimit> {
  loading ??= import("p-limit").catch((error: unknown) => {
    // the next call tries again: without a free file descriptor a module cannot be loaded, for a while
    loading = undefined;
    throw error;
  });
  return loading;
}

/** `work` for p-limit's queue, from which nothing can be removed: once aborted, this no longer holds `work`, and does nothing. */
function queued<T>(work: () => Promise<T>, signal: AbortSignal | undefined): () => Promise<T> {
  let waiting: (() => Promise<T>) | undefined = work;
  const off = onAbort(signal, () => (waiting = undefined));
  return () => {
    off();
    return waiting?.() ?? Promise.reject(signal?.reason as Error);
  };
}
