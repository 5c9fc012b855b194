import type { RawResponse, RequestSpec } from "../../http/exchange.js";
import { ClusterError, EndpointError } from "../../util/errors.js";
import { log } from "../../util/log.js";
import type { Attempt } from "./attempt.js";
import type { Endpoint } from "./endpoint.js";

/** Told of the endpoint at which a call ends: it answered and is to be pinned, or the next call is to begin after it. */
export type OnEnd = (endpoint: Endpoint, answered: boolean) => void;

/**
 * Tries each endpoint at most once, one after the other, until one answers. A one-shot request goes on only if it is certain
 * that nothing was sent.
 *
 * @throws {ClusterError} no endpoint answered, or a request that must not be sent twice failed
 * Rejects with the signal's reason when aborted.
 */
export async function tryEndpoints(
  order: readonly Endpoint[],
  spec: RequestSpec,
  attempt: Attempt,
  signal: AbortSignal,
  onEnd?: OnEnd,
): Promise<RawResponse> {
  // it may have waited, for the limiter
  signal.throwIfAborted();
  const errors: EndpointError[] = [];
  for (const endpoint of order) {
    try {
      const raw = await attempt(endpoint, spec, signal);
      onEnd?.(endpoint, raw.truncated !== true);
      return errors.some(({ outcome }) => outcome === "unknown") ? { ...raw, maybeApplied: true } : raw;
    } catch (error) {
      signal.throwIfAborted();
      if (!(error instanceof EndpointError)) throw error;
      log.client("%s", error.message);
      errors.push(error);
      if (spec.oneShot === true && !nothingSent(error)) {
        onEnd?.(endpoint, false);
        break;
      }
    }
  }
  throw new ClusterError("ERR_CLUSTER_UNAVAILABLE", errors);
}

/** Refused, no such name, no TLS: no answer, not even a redirect, and certainly not applied. */
function nothingSent(error: EndpointError): boolean {
  return error.outcome === "notApplied" && error.status === undefined;
}
