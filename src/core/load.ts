import type * as FirstCall from "./first-call.js";
import type { Sender } from "../http/exchange.js";
import { Backoff } from "../util/backoff.js";
import { copyOf } from "../util/copy-of.js";
import { ClusterError, EndpointError } from "../util/errors.js";
import { isOutOfDescriptors, lazy } from "../util/lazy.js";
import { plainCause } from "../util/plain-cause.js";
import { retry } from "../util/retry.js";
import { abortable } from "../util/signals.js";
import { requireRetryForMs, requireSignal } from "../util/validate.js";

let parts: typeof FirstCall | undefined;

const loading = lazy(async () => (parts = await import("./first-call.js")));

/** What only calls need; undefined until the first call has loaded it. Asked first, since a promise would cost every call time. */
export function loaded(): typeof FirstCall | undefined {
  return parts;
}

export interface LoadOptions {
  /** Named by the error. Absent: none. */
  readonly endpoint?: string | undefined;
  /** How long it is tried again while the process has no file descriptor left for it, in ms. @default 0 */
  readonly retryForMs?: number | undefined;
  /** Ends the wait. */
  readonly signal?: AbortSignal | undefined;
}

/** The pauses between attempts, in ms: the first, and the longest. */
const firstPauseMs = 50;
const longestPauseMs = 1_000;

/**
 * Loads what only calls need. Without it, importing the package takes half the time.
 *
 * @throws {ClusterError} the process has no file descriptor left; nothing was sent. The next call tries again
 * Rejects with the signal's reason when aborted.
 */
export async function load(options: LoadOptions = {}): Promise<typeof FirstCall> {
  const { endpoint = "", retryForMs = 0, signal } = options;
  try {
    return await retry(() => abortable(loading(), signal), {
      signal,
      backoff: new Backoff(firstPauseMs, longestPauseMs),
      isTransient: isOutOfDescriptors,
      untilMs: performance.now() + retryForMs,
    });
  } catch (error) {
    throw isOutOfDescriptors(error) ? outOfDescriptors(endpoint, error) : error;
  }
}

/**
 * The same as {@link load} for a call of an API, with options that are not checked yet.
 *
 * @throws {UsageError} for a bad signal or `retryForMs`
 */
export async function loadFor(
  sender: Sender,
  options: Pick<LoadOptions, "retryForMs" | "signal">,
): Promise<typeof FirstCall> {
  const { retryForMs = sender.retryForMs ?? 0, signal } = Object(options) as typeof options;
  requireSignal("options.signal", signal);
  requireRetryForMs("options.retryForMs", retryForMs);
  return load({ retryForMs, signal });
}

/** Makes a call of an API that nothing is loaded for yet. What the caller changes in the options meanwhile does not count. */
export async function whenLoaded<O extends Pick<LoadOptions, "retryForMs" | "signal">, T>(
  sender: Sender,
  options: O,
  call: (own: O) => Promise<T>,
): Promise<T> {
  const own = copyOf(options);
  await loadFor(sender, own);
  return call(own);
}

function outOfDescriptors(endpoint: string, error: unknown): ClusterError {
  const cause = plainCause(error);
  const message = `a part of etcd2 that the first call needs could not be loaded: ${cause.message}`;
  const fields = { endpoint, outcome: "notApplied" } as const;
  return new ClusterError("ERR_CLUSTER_UNAVAILABLE", [new EndpointError("ERR_NETWORK", message, fields, { cause })]);
}
