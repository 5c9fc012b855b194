import type { Exchange, RawResponse, RequestLimits, RequestSpec } from "../../http/exchange.js";
import { networkError } from "../../http/network-error.js";
import { requireResponse } from "../../http/require-response.js";
import { SdkError } from "../../util/errors.js";
import { diagnostics, isTraced, trace } from "../../util/diagnostics.js";
import { isProgramError } from "../../util/program-error.js";
import { listMembersSpec } from "../wire/members.js";
import { serverError } from "../wire/response.js";
import { ClusterIdentity, clusterIdOf, type ClusterIdentityOptions } from "./cluster-identity.js";
import { requestUrl, type Endpoint } from "./endpoint.js";
import { tryEndpoints } from "./failover.js";
import { ForeignPoll, guardPoll, isWorthChecking, requireOurs, type PollGuard } from "./stranger.js";

export interface AttemptOptions {
  /** For requests that are not long polls. */
  readonly requestLimits: RequestLimits;
  readonly pollLimits: RequestLimits;
  /** The `authorization` header. Absent: none is sent. */
  readonly authorization?: string | undefined;
  /** Refuses responses of another cluster. Absent: all are accepted. */
  readonly identity?: ClusterIdentity | undefined;
}

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
 * @param closed ends the questions for a cluster id
 */
export function clientAttempts(
  exchange: Exchange,
  options: Omit<AttemptOptions, "identity">,
  endpoints: () => readonly Endpoint[],
  closed: AbortSignal,
): ClientAttempts {
  const anonymous = new Attempts(exchange, { ...options, authorization: undefined });
  const identity = new ClusterIdentity({ endpoints, ask: askClusterId(anonymous), closed });
  return { known: new Attempts(exchange, { ...options, identity }), anonymous, identity };
}

/**
 * Requests to one endpoint each. The steps of one attempt are functions that `tryEndpoints` calls, since an async function
 * of its own would cost each call a twentieth of its time, and each pending poll half a kilobyte.
 */
export class Attempts {
  readonly #exchange: Exchange;
  readonly #options: AttemptOptions;

  constructor(exchange: Exchange, options: AttemptOptions) {
    this.#exchange = exchange;
    this.#options = options;
  }

  /** The guard of a long poll that another cluster may answer; undefined for what needs none. To be ended with the attempt. */
  guard(endpoint: Endpoint, spec: RequestSpec, signal: AbortSignal): PollGuard | undefined {
    const { identity } = this.#options;
    return identity !== undefined && spec.longPoll === true ? guardPoll(identity, endpoint, spec, signal) : undefined;
  }

  /** Sends it. What this rejects with, {@link failure} explains; what it resolves to, {@link accept} checks. */
  send(endpoint: Endpoint, spec: RequestSpec, guard: PollGuard | undefined, signal: AbortSignal): Promise<RawResponse> {
    const { attempt: channel } = diagnostics();
    if (!isTraced(channel)) return this.#send(endpoint, spec, guard, signal);
    return trace(
      channel,
      { endpoint: endpoint.label, method: spec.method, path: spec.path, kind: spec.call?.kind },
      () => this.#sendAndAccept(endpoint, spec, guard, signal),
      (message, { status }) => (message.status = status),
    );
  }

  /**
   * Checks a response. A promise only if the other endpoints have to be asked whose it is.
   *
   * @throws {EndpointError} the status is 500 or above, or it belongs to another cluster
   * @throws {UsageError} the transport resolved to something else
   * Rejects with the signal's reason when aborted.
   */
  accept(
    endpoint: Endpoint,
    spec: RequestSpec,
    received: RawResponse,
    signal: AbortSignal,
  ): RawResponse | Promise<RawResponse> {
    const { identity, authorization } = this.#options;
    const raw = from(endpoint, authorization !== undefined, received);
    if (identity === undefined || !(identity.isForeign(raw) || (isWorthChecking(raw, spec) && identity.isDoubtful)))
      return below500(raw, spec, endpoint);
    return requireOurs(identity, endpoint, spec, raw, signal).then(() => below500(raw, spec, endpoint));
  }

  /**
   * Why an attempt failed, for what {@link send} or {@link accept} threw: an `EndpointError`, unless trying elsewhere cannot
   * help. undefined if a guard took the endpoint for another cluster's, but it is ours: the same request is to be sent again,
   * without a guard. Rejects with the signal's reason when aborted.
   */
  async failure(
    endpoint: Endpoint,
    spec: RequestSpec,
    thrown: unknown,
    guard: PollGuard | undefined,
    signal: AbortSignal,
  ): Promise<unknown> {
    signal.throwIfAborted();
    // the guard ends polls of another cluster
    if (guard?.signal?.aborted === true) return guard.signal.reason;
    if (!(thrown instanceof ForeignPoll)) return failureOf(endpoint, spec, thrown);
    const { identity } = this.#options;
    try {
      if (identity !== undefined) await requireOurs(identity, endpoint, spec, thrown.head, signal);
      return undefined;
    } catch (error) {
      return error;
    }
  }

  #send(
    endpoint: Endpoint,
    spec: RequestSpec,
    guard: PollGuard | undefined,
    signal: AbortSignal,
  ): Promise<RawResponse> {
    const { requestLimits, pollLimits, authorization } = this.#options;
    const limits = tighter(spec.longPoll === true ? pollLimits : requestLimits, spec.limits);
    const headers = authorization === undefined ? spec.headers : { ...spec.headers, authorization };
    const onHeaders = guard === undefined ? spec.onHeaders : guard.onHeaders;
    const sent = sentSpec(spec, headers, limits, onHeaders);
    return this.#exchange(requestUrl(endpoint, spec), sent, guard?.signal ?? signal);
  }

  /** The whole attempt, for subscribers that trace it: they see one operation, and its error is the one that the call hears of. */
  async #sendAndAccept(
    endpoint: Endpoint,
    spec: RequestSpec,
    guard: PollGuard | undefined,
    signal: AbortSignal,
  ): Promise<RawResponse> {
    try {
      return await this.accept(endpoint, spec, await this.#send(endpoint, spec, guard, signal), signal);
    } catch (thrown) {
      const error = await this.failure(endpoint, spec, thrown, guard, signal);
      if (error !== undefined) throw error;
      return this.#sendAndAccept(endpoint, spec, undefined, signal);
    }
  }
}

/** A custom transport may reject with anything, and what it had sent by then is unknown. */
function failureOf(endpoint: Endpoint, spec: RequestSpec, error: unknown): unknown {
  if (error instanceof SdkError || isProgramError(error)) return error;
  return networkError(requestUrl(endpoint, spec), spec, error, true);
}

function below500(raw: RawResponse, spec: RequestSpec, endpoint: Endpoint): RawResponse {
  if (raw.status >= 500 && spec.anyStatus !== true) throw serverError(raw, spec, endpoint.label);
  return raw;
}

type AllFields<T> = { readonly [Name in keyof Required<T>]: T[Name] };

/** The spec for the transport. Copied field by field: a spread costs more than everything else in a call (measured). */
function sentSpec(
  spec: RequestSpec,
  headers: RequestSpec["headers"],
  limits: RequestLimits,
  onHeaders: RequestSpec["onHeaders"],
): AllFields<Omit<RequestSpec, "shared" | "comparesValue" | "resend" | "retryForMs" | "endpoint" | "anyStatus">> {
  const { method, path, query, body, bytes, maskedBody, call, readOnly, oneShot, longPoll, onPart, note } = spec;
  // prettier-ignore
  return {
    method, path, query, headers, body, bytes, maskedBody, call, readOnly, oneShot, longPoll, limits, onHeaders, onPart, note,
  };
}

function from(endpoint: Endpoint, authenticated: boolean, raw: RawResponse): AllFields<RawResponse> {
  requireResponse(raw);
  const { status, headers, body, maybeApplied, truncated } = raw;
  return { status, headers, body, endpoint: endpoint.label, authenticated, maybeApplied, truncated };
}

function tighter(ours: RequestLimits, asked: RequestLimits | undefined): RequestLimits {
  if (asked === undefined) return ours;
  return {
    headersMs: Math.min(ours.headersMs, asked.headersMs),
    idleMs: Math.min(ours.idleMs, asked.idleMs),
    bodyMs: lower(ours.bodyMs, asked.bodyMs),
    bodyBytes: lower(ours.bodyBytes, asked.bodyBytes),
  };
}

function lower(ours: number | undefined, asked: number | undefined): number | undefined {
  return ours === undefined || asked === undefined ? (ours ?? asked) : Math.min(ours, asked);
}

/** Header timeout of the request for an endpoint's cluster id, in ms. The call waits for that request. */
const askMs = 1_000;

/** Requests an endpoint's cluster id by these attempts, which should carry no credentials. "" if it cannot be learned. */
function askClusterId(attempts: Attempts): ClusterIdentityOptions["ask"] {
  const spec = { ...listMembersSpec, limits: { headersMs: askMs, idleMs: askMs } };
  return (endpoint, signal) => tryEndpoints([endpoint], spec, attempts, signal).then(clusterIdOf, () => "");
}
