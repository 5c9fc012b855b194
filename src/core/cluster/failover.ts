import type { RawResponse, RequestSpec } from "../../http/exchange.js";
import { ClusterError, EndpointError } from "../../util/errors.js";
import { changesNothing } from "../../util/changes-nothing.js";
import { log } from "../../util/log.js";
import type { Attempt } from "./attempt.js";
import type { Endpoint } from "./endpoint.js";
import { StrangerError } from "./stranger.js";

/**
 * Told of the endpoint at which a call ends: it answered and is to be pinned, or the next call is to begin after it.
 * `start` is the endpoint at which the call began.
 */
export type OnEnd = (endpoint: Endpoint, answered: boolean, start: Endpoint | undefined) => void;

/**
 * Tries each endpoint at most once, one after the other, until one responds. Goes on only if the request may be sent
 * again: see {@link mayGoOn}. A single endpoint is tried twice if the first try met a kept connection that had been
 * closed.
 *
 * @throws {ClusterError} no endpoint answered, or a request that must not be sent again failed
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
  let errors: EndpointError[] | undefined;
  for (let at = 0, endpoint = order[at]; endpoint !== undefined; endpoint = order[at]) {
    try {
      const raw = await attempt(endpoint, spec, signal);
      onEnd?.(endpoint, raw.truncated !== true, order[0]);
      return errors?.some(({ outcome }) => outcome === "unknown") === true ? { ...raw, maybeApplied: true } : raw;
    } catch (error) {
      signal.throwIfAborted();
      if (!(error instanceof EndpointError)) throw error;
      log.client("%s", error.message);
      errors ??= [];
      errors.push(error);
      if (!mayGoOn(spec, error)) {
        onEnd?.(endpoint, false, order[0]);
        break;
      }
      // no other endpoint: try the same one once more, on a new connection
      if (order.length > 1 || error.keptConnection !== true || errors.length > 1) at++;
    }
  }
  throw new ClusterError("ERR_CLUSTER_UNAVAILABLE", errors ?? []);
}

/**
 * Whether the next endpoint may get the request after this failure.
 *
 * A one-shot write goes on only if it certainly was not applied. Another write goes on unless its first sending may still be
 * applied later, and so undo a newer write: with `resend` it goes on even then. Reads always go on.
 */
export function mayGoOn(spec: RequestSpec, error: EndpointError): boolean {
  if (changesNothing(spec)) return true;
  if (spec.oneShot !== true) return spec.resend === true || !mayComeLater(error);
  return error instanceof StrangerError ? error.proven || error.outcome === "notApplied" : nothingSent(error);
}

/** Refused, no such name, no TLS: no response, not even a redirect, and certainly not applied. */
function nothingSent(error: EndpointError): boolean {
  return error.outcome === "notApplied" && error.status === undefined;
}

/**
 * Whether a write that failed like this may still be applied, an arbitrary time later: a frozen server may thaw, and etcd may
 * commit a proposal that it has answered with 500. When a connection broke, or a proxy could not reach its server (502, 503),
 * it was applied by then, or never will be. A stranger does not apply it to our cluster.
 */
function mayComeLater(error: EndpointError): boolean {
  const { code, status = 0, outcome } = error;
  if (outcome === "notApplied" || error instanceof StrangerError) return false;
  return code === "ERR_HEADER_TIMEOUT" || (status >= 500 && status !== 502 && status !== 503);
}
