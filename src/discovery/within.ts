import { bounded } from "../util/bounded.js";
import { asErrorLike } from "../util/error-like.js";
import { DiscoveryError } from "./errors.js";

/** How long one step of a registration may take. */
export interface StepLimits {
  /** Longest time for the step, in ms; `Infinity` for no limit. */
  readonly ms: number;
  /** What the step writes, for the message. */
  readonly what: string;
  /** What failed last; undefined if nothing did. */
  readonly failure: () => unknown;
}

/**
 * Runs a step with a signal that aborts when its time is over.
 *
 * @throws {DiscoveryError} `ERR_REGISTRATION_TIMEOUT`, with the last failure as its cause
 * Rejects with the reason of `parent` when that aborts.
 */
export async function within<T>(
  { ms, what, failure }: StepLimits,
  parent: AbortSignal,
  step: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  if (ms === Infinity) return step(parent);
  const tooLate = (): DiscoveryError => {
    const cause = failure();
    const options = asErrorLike(cause) === undefined ? {} : { cause };
    return new DiscoveryError(
      "ERR_REGISTRATION_TIMEOUT",
      `${what} could not be written within ${String(ms)} ms`,
      options,
    );
  };
  return bounded(ms, parent, tooLate, step);
}
