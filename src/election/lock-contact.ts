import { Backoff } from "../util/backoff.js";
import { ClusterError } from "../util/errors.js";
import { sleep } from "../util/signals.js";
import type { Leadership } from "./lock.js";

const minRetryMs = 50;
const maxRetryMs = 3_000;

/**
 * First contact: asks until the backend answers. A refusal is an answer, too: the election meets it again, and reports it.
 *
 * Rejects with `signal.reason` when aborted.
 */
export async function untilAnswered(
  { ttlMs }: Leadership,
  signal: AbortSignal | undefined,
  ask: () => Promise<unknown>,
): Promise<void> {
  const backoff = new Backoff(minRetryMs, Math.max(minRetryMs, Math.min(maxRetryMs, ttlMs / 5)));
  for (;;) {
    try {
      await ask();
      return;
    } catch (error) {
      signal?.throwIfAborted();
      if (!(error instanceof ClusterError)) return;
      await sleep(backoff.next(), signal);
    }
  }
}
