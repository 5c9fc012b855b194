import type * as PLimit from "p-limit";
import { isOutOfDescriptors, lazy } from "./lazy.js";
import { abortable, onAbort } from "./signals.js";

/**
 * Runs at most so many calls at once; the others wait, in order. This is p-limit, loaded with the first call, as got is:
 * loading it at import would take longer than all of our own code.
 */
export class Limiter {
  readonly #max: number;
  #limit: PLimit.LimitFunction | undefined;

  /** @param max at least 1; `Infinity` for no limit */
  constructor(max: number) {
    this.#max = max;
  }

  /**
   * Runs `work` when a slot is free, and settles with its result.
   *
   * If the signal aborts while the call waits, it rejects at once with the signal's reason, `work` never runs and can be
   * collected. Once `work` runs, it must watch the signal itself.
   */
  run<T>(work: () => Promise<T>, signal: AbortSignal | undefined): Promise<T> {
    const limit = this.#limit;
    if (limit === undefined) return this.#runFirst(work, signal);
    return limit.activeCount < limit.concurrency ? limit(work) : abortable(limit(queued(work, signal)), signal);
  }

  async #runFirst<T>(work: () => Promise<T>, signal: AbortSignal | undefined): Promise<T> {
    const limit = await this.#load(signal);
    // without a file descriptor it cannot be loaded; the work needs one, too, and reports that better
    return limit === undefined ? work() : this.run(work, signal);
  }

  /** Calls that come while it is loaded go on in their order. */
  async #load(signal: AbortSignal | undefined): Promise<PLimit.LimitFunction | undefined> {
    try {
      const { default: pLimit } = await abortable(load(), signal);
      this.#limit ??= pLimit(this.#max);
    } catch (error) {
      if (signal?.aborted === true || !isOutOfDescriptors(error)) throw error;
    }
    return this.#limit;
  }
}

const load = lazy((): Promise<typeof PLimit> => import("p-limit"));

/** Wraps `work` for p-limit's queue, which cannot remove an entry: once aborted, the entry no longer holds `work` and does nothing. */
function queued<T>(work: () => Promise<T>, signal: AbortSignal | undefined): () => Promise<T> {
  let waiting: (() => Promise<T>) | undefined = work;
  const off = onAbort(signal, () => (waiting = undefined));
  return () => {
    off();
    return waiting?.() ?? Promise.reject(signal?.reason as Error);
  };
}
