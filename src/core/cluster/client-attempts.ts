import { listMembersSpec } from "../wire/members.js";
import type { AttemptOptions, Attempts } from "./attempt.js";
import { ClusterIdentity, clusterIdOf, type ClusterIdentityOptions } from "./cluster-identity.js";
import type { Endpoint } from "./endpoint.js";
import { tryEndpoints } from "./failover.js";

/** How a client sends requests to its endpoints. */
export interface ClientAttempts {
  /** With the client's credentials. Responses of another cluster are refused. */
  readonly known: Attempts;
  /** Without credentials, to servers that may not be the cluster's. Every response is accepted. */
  readonly anonymous: Attempts;
  /** The cluster's id, learned from the responses to `known`. */
  readonly identity: ClusterIdentity;
}

/**
 * The attempts of one client.
 *
 * @param closed ends the requests for cluster ids
 */
export function clientAttempts(
  { exchange, follow }: Pick<Attempts, "exchange" | "follow">,
  { requestLimits, pollLimits, authorization }: AttemptOptions,
  endpoints: () => readonly Endpoint[],
  closed: AbortSignal,
): ClientAttempts {
  const anonymous: Attempts = { exchange, follow, requestLimits, pollLimits };
  const identity = new ClusterIdentity({ endpoints, request: requestClusterId(anonymous), closed });
  return { known: { ...anonymous, authorization, identity }, anonymous, identity };
}

/** Header timeout of the request for an endpoint's cluster id, in ms. The call waits for that request. */
const clusterIdMs = 1_000;

/** Requests an endpoint's cluster id by these attempts, which should carry no credentials. "" if it cannot be learned. */
function requestClusterId(attempts: Attempts): ClusterIdentityOptions["request"] {
  const spec = { ...listMembersSpec, limits: { headersMs: clusterIdMs, idleMs: clusterIdMs } };
  return (endpoint, signal) => tryEndpoints([endpoint], spec, attempts, signal).then(clusterIdOf, () => "");
}
