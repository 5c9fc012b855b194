import { abortable, linkSignal, maxTimerMs, sleep } from "./signals.js";

/**
 * Gives a call a limit in time. Its signal follows `parent` and aborts after `ms`. The limit holds even if the call ignores
 * its signal.
 *
 * @param ms `Infinity` for no limit
 * @param tooLate makes the error to reject with when the time is over
 * @throws what `tooLate` makes, what `call` throws, or the reason of `parent` when that aborts; if it had aborted before,
 *   nothing is called
 */
export async function bounded<T>(
  ms: number,
  parent: AbortSignal | undefined,
  tooLate: () => unknown,
  call: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const link = linkSignal(parent);
  const expire = (): void => {
    link.abort(tooLate());
  };
  const timer = ms > maxTimerMs ? undefined : setTimeout(expire, ms);
  try {
    link.signal.throwIfAborted();
    return await abortable(call(link.signal), link.signal);
  } finally {
    clearTimeout(timer);
    link.unlink();
  }
}

/** Waits for a promise, but not longer than `ms`. The promise must not reject. */
export async function settledWithin(ms: number, promise: Promise<unknown>): Promise<void> {
  const over = new AbortController();
  await Promise.race([promise, sleep(ms, over.signal).catch(() => undefined)]);
  over.abort();
}
