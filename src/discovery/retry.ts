import { UsageError } from "../core/index.js";
import { Backoff } from "../util/backoff.js";
import { bounded } from "../util/bounded.js";
import { sleep } from "../util/signals.js";
import { DiscoveryError } from "./errors.js";

export interface RetryOptions {
  /** Pause after a failure, in ms; at random up to half shorter. */
  readonly retryMs: number;
  /** Told of each failure. */
  readonly onError: (error: unknown) => void;
  readonly signal: AbortSignal;
}

/** Tries until it works, whatever etcd says; only a closed client, or a bad argument, is final. Rejects with the abort reason. */
export async function retry<T>(
  attempt: (signal: AbortSignal) => Promise<T>,
  { retryMs, onError, signal }: RetryOptions,
): Promise<T> {
  const backoff = new Backoff(retryMs, retryMs);
  for (;;) {
    signal.throwIfAborted();
    try {
      return await attempt(signal);
    } catch (error) {
      signal.throwIfAborted();
      if (error instanceof UsageError) throw error;
      onError(error);
    }
    await sleep(backoff.next(), signal);
  }
}

export interface StepLimits {
  /** Longest time for the step, in ms. */
  readonly ms: number;
  /** What is to be written, for the message. */
  readonly what: string;
  /** What went wrong last. */
  readonly failure: () => unknown;
}

/** Gives a step its time. @throws {DiscoveryError} `REGISTRATION_TIMEOUT`, with the last failure as its cause */
export async function within<T>(
  { ms, what, failure }: StepLimits,
  parent: AbortSignal,
  step: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  if (ms === Infinity) return step(parent);
  const tooLate = (): DiscoveryError => {
    const cause = failure();
    const options = cause instanceof Error ? { cause } : {};
    return new DiscoveryError("REGISTRATION_TIMEOUT", `${what} could not be written within ${String(ms)} ms`, options);
  };
  return bounded(ms, parent, tooLate, step);
}
