import { ClusterError, EndpointError } from "../../util/errors.js";
import type { RawResponse } from "../../http/exchange.js";
import { log } from "../../util/log.js";
import type { Endpoint } from "./endpoint.js";

export interface Attempts {
  /** One request to one endpoint; rejects with an {@link EndpointError} when the next one may be tried. */
  readonly attempt: (endpoint: Endpoint) => Promise<RawResponse>;
  /** Sending twice could do harm: go on only after an attempt of which certainly nothing was sent. */
  readonly oneShot: boolean;
  /** The call ends at this endpoint: it answered and is to be pinned, or the next call is to begin behind it. */
  readonly onEnd: (endpoint: Endpoint, answered: boolean) => void;
  readonly signal: AbortSignal;
}

/** Asks each endpoint at most once, one after the other, until one answers. Rejects with a {@link ClusterError}, or the signal's reason. */
export async function tryEndpoints(order: readonly Endpoint[], attempts: Attempts): Promise<RawResponse> {
  // it may have waited for its turn
  attempts.signal.throwIfAborted();
  const errors: EndpointError[] = [];
  for (const endpoint of order) {
    try {
      const raw = await attempts.attempt(endpoint);
      attempts.onEnd(endpoint, raw.truncated !== true);
      return errors.some(({ outcome }) => outcome === "unknown") ? { ...raw, maybeApplied: true } : raw;
    } catch (error) {
      attempts.signal.throwIfAborted();
      if (!(error instanceof EndpointError)) throw error;
      log.client("%s", error.message);
      errors.push(error);
      if (attempts.oneShot && !nothingSent(error)) {
        attempts.onEnd(endpoint, false);
        break;
      }
    }
  }
  throw new ClusterError("ERR_CLUSTER_UNAVAILABLE", errors);
}

/** Refused, no such name, no TLS: without an answer, not even a redirect, and certainly not applied. */
function nothingSent(error: EndpointError): boolean {
  return error.outcome === "notApplied" && error.status === undefined;
}
