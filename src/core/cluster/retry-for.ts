import type { RawResponse, RequestSpec } from "../../http/exchange.js";
import { Backoff } from "../../util/backoff.js";
import { ClusterError, EndpointError } from "../../util/errors.js";
import { log } from "../../util/log.js";
import { retry } from "../../util/retry.js";
import { mayGoOn } from "./failover.js";
import { errorAfter, unknownOf } from "./maybe-applied.js";

const minPauseMs = 50;
const maxPauseMs = 1_000;

/**
 * Sends a call again, with growing pauses, while no endpoint responds, as long as the next attempt begins within the
 * time budget. Only if it may be sent again after each of its failures, as failover decides: a read always; a write
 * without a condition unless an earlier sending may still be applied later; a one-shot write only if certainly nothing
 * was sent.
 *
 * @param budgetMs 0: it is sent only once
 */
export function retryFor(
  budgetMs: number,
  spec: RequestSpec,
  signal: AbortSignal,
  send: () => Promise<RawResponse>,
): Promise<RawResponse> {
  if (budgetMs === 0) return send();
  let earlier: readonly EndpointError[] = [];
  const attempt = (): Promise<RawResponse> =>
    send().then(
      (raw) => (earlier.length === 0 ? raw : { ...raw, maybeApplied: true }),
      (error: unknown) => {
        throw errorAfter(earlier, error);
      },
    );
  return retry(attempt, {
    signal,
    backoff: new Backoff(minPauseMs, maxPauseMs),
    untilMs: performance.now() + budgetMs,
    isTransient: (error) => isRepeatable(error, spec),
    onFailure: (error, pauseMs) => {
      if (error instanceof ClusterError && error.outcome === "unknown") earlier = unknownOf(error.errors);
      log.client("no endpoint answered %s %s, trying again in %d ms", spec.method, spec.path, Math.round(pauseMs));
    },
  });
}

function isRepeatable(error: unknown, spec: RequestSpec): boolean {
  if (!(error instanceof ClusterError)) return false;
  return error.errors.every((each) => each instanceof EndpointError && mayGoOn(spec, each));
}
