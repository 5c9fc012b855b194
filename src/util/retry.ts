import type { Backoff } from "./backoff.js";
import { sleep, throwIfAborted } from "./signals.js";
import type { StalledWarning } from "./stalled-warning.js";
import { isTransient, retryAfterOf } from "./transient.js";

export interface RetryOptions {
  /** Ends the retries: the call rejects with the signal's reason. */
  readonly signal: AbortSignal | undefined;
  /** The pauses. Reset by a success, so that it can be shared by successive calls. */
  readonly backoff: Backoff;
  /** Whether another attempt may succeed; any other error rejects at once. @default {@link isTransient} */
  readonly isTransient?: ((error: unknown) => boolean) | undefined;
  /** Called for each failure that is retried, before the pause. Must not throw: see `safeCallback`. */
  readonly onFailure?: ((error: unknown, pauseMs: number) => void) | undefined;
  /**
   * When the last attempt may begin, by `performance.now()`. A failure whose pause would end later rejects.
   * @default Infinity
   */
  readonly untilMs?: number | undefined;
  /** Notified of each failure and of the end. Call its `start` before the first contact, unless that is a long poll. */
  readonly stalled?: StalledWarning | undefined;
}

/**
 * Calls `attempt` until it succeeds, with a growing pause after each transient failure, which is at least as long as the
 * server's `Retry-After`.
 *
 * @throws what `attempt` threw last, if that is not transient, or time is up
 * @throws `signal.reason` when aborted; if it had aborted before, there is no attempt
 */
export async function retry<T>(attempt: () => T | Promise<T>, options: RetryOptions): Promise<T> {
  const {
    signal,
    backoff,
    isTransient: isWorthRetrying = isTransient,
    untilMs = Infinity,
    onFailure,
    stalled,
  } = options;
  try {
    for (;;) {
      throwIfAborted(signal);
      try {
        const result = await attempt();
        backoff.reset();
        return result;
      } catch (error) {
        throwIfAborted(signal);
        if (!isWorthRetrying(error)) throw error;
        const pauseMs = Math.max(backoff.next(), jittered(retryAfterOf(error)));
        if (performance.now() + pauseMs > untilMs) throw error;
        stalled?.failed(error);
        onFailure?.(error, pauseMs);
        await sleep(pauseMs, signal);
      }
    }
  } finally {
    stalled?.end();
  }
}

/** Up to a tenth longer, so that clients with the same Retry-After do not all return in the same millisecond. */
function jittered(ms: number): number {
  return ms * (1 + Math.random() / 10);
}
