import type * as PLimit from "p-limit";
import { isOutOfDescriptors, lazy } from "./lazy.js";
import { abortable, onAbort } from "./signals.js";

/**
 * Limits how many calls run at once; the others wait, in order. p-limit queues them, and is loaded when the first call
 * has to wait: a call that finds a free slot is only counted.
 */
export class Limiter {
  readonly #max: number;
  #limit: PLimit.LimitFunction | undefined;
  /** How many run without p-limit: at most one less than the maximum, since p-limit always has a slot of its own. */
  #direct = 0;
  /** How many wait until p-limit is loaded. */
  #early = 0;

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
    if (this.enter()) return this.#runDirectly(work);
    // a call that comes while p-limit is loaded stays behind those that wait already
    return this.#early > 0 || this.#limit === undefined
      ? this.#runLater(work, signal)
      : this.#runIn(this.#limit, work, signal);
  }

  /**
   * Takes a slot if one is free and no call waits; the caller must {@link leave}. A caller that knows the end of its work
   * saves the promise that {@link run} makes.
   */
  enter(): boolean {
    if (this.#early > 0 || !this.#hasFree()) return false;
    this.#direct++;
    return true;
  }

  /** Gives back the slot that {@link enter} took. A waiting call gets it. */
  leave(): void {
    this.#direct--;
    if (this.#limit !== undefined && this.#limit.pendingCount > 0) this.#limit.concurrency = this.#max - this.#direct;
  }

  #hasFree(): boolean {
    if (this.#direct >= this.#max - 1) return false;
    const limit = this.#limit;
    return limit === undefined || (limit.pendingCount === 0 && limit.activeCount + this.#direct < this.#max);
  }

  #runIn<T>(limit: PLimit.LimitFunction, work: () => Promise<T>, signal: AbortSignal | undefined): Promise<T> {
    limit.concurrency = this.#max - this.#direct;
    return limit.activeCount < limit.concurrency ? limit(work) : abortable(limit(queued(work, signal)), signal);
  }

  /** Runs `work` in a slot that is taken already. */
  async #runDirectly<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } finally {
      this.leave();
    }
  }

  async #runLater<T>(work: () => Promise<T>, signal: AbortSignal | undefined): Promise<T> {
    this.#early++;
    let limit: PLimit.LimitFunction | undefined;
    try {
      limit = await this.#load(signal);
    } finally {
      this.#early--;
    }
    // without a file descriptor it cannot be loaded; the work needs one, too, and reports that better
    if (limit === undefined) return work();
    if (!this.#hasFree()) return this.#runIn(limit, work, signal);
    this.#direct++;
    return this.#runDirectly(work);
  }

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
