import { Backoff } from "../util/backoff.js";
import { sleep } from "../util/signals.js";
import { isFinal } from "./errors.js";

/** How long a release that fails is tried again before the lock is left to expire, in ms. */
const graceMs = 5_000;
const minRetryMs = 50;
const maxRetryMs = 1_000;

/**
 * Releases a lock: calls `release` again after a failure, for up to 5 s, and after a success as long as a request of ours
 * may still be applied. Bad arguments, a closed client and errors of the program are not tried again.
 *
 * @param lateUntilMs until when that is, by `performance.now()`; asked after each call
 * @throws what `release` threw last
 * Rejects with `signal.reason` when aborted.
 */
export async function untilReleased(
  signal: AbortSignal,
  release: (signal: AbortSignal) => Promise<void>,
  lateUntilMs: () => number = () => 0,
): Promise<void> {
  const endMs = performance.now() + graceMs;
  const backoff = new Backoff(minRetryMs, maxRetryMs);
  for (;;) {
    try {
      await release(signal);
      if (performance.now() >= lateUntilMs()) return;
    } catch (error) {
      signal.throwIfAborted();
      if (isFinal(error) || performance.now() >= Math.max(endMs, lateUntilMs())) throw error;
    }
    await sleep(backoff.next(), signal);
  }
}
