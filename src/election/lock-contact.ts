import { Backoff } from "../util/backoff.js";
import { retry } from "../util/retry.js";
import { StalledWarning } from "../util/stalled-warning.js";
import { isTransient } from "../util/transient.js";
import { isFinal } from "./errors.js";

const minRetryMs = 50;
const maxRetryMs = 3_000;

/**
 * The pauses between attempts of an election.
 *
 * @param ttlMs of the lock
 */
export function backoffFor(ttlMs: number): Backoff {
  return new Backoff(minRetryMs, Math.max(minRetryMs, Math.min(maxRetryMs, ttlMs / 5)));
}

/** What {@link untilResponse} contacts, and for whom. */
export interface Contact {
  /** See `LockProvider.owner`. */
  readonly owner: object;
  /** Of the lock. */
  readonly key: string;
  /** Of the lock, in ms. */
  readonly ttlMs: number;
  /** Ends it. */
  readonly signal: AbortSignal | undefined;
}

/**
 * First contact: calls `ask` until the backend responds. A refusal is a response, too: the election meets it again, and
 * reports it. Warns after 5 s, since no handler can be set yet.
 *
 * @throws what no retry can change: a closed client, an error of the program
 * Rejects with `signal.reason` when aborted.
 */
export async function untilResponse(
  { owner, key, ttlMs, signal }: Contact,
  ask: (signal: AbortSignal | undefined) => Promise<unknown>,
): Promise<void> {
  const hint = "it is tried again until it succeeds, or until its signal aborts";
  const stalled = new StalledWarning({ owner, what: `the first contact for the lock "${key}"`, hint, isHeard: false });
  stalled.start();
  const attempt = async (): Promise<void> => {
    try {
      await ask(signal);
    } catch (error) {
      if (isTransient(error) || isFinal(error)) throw error;
    }
  };
  await retry(attempt, { signal, backoff: backoffFor(ttlMs), stalled });
}
