import type { Exchange, RawResponse, RequestLimits, RequestSpec } from "../../http/exchange.js";
import { networkError } from "../../http/network-error.js";
import { SdkError } from "../../util/errors.js";
import { diagnostics, isTraced, trace } from "../../util/diagnostics.js";
import { isProgramError } from "../../util/program-error.js";
import { badArgument } from "../../util/validate.js";
import { listMembersSpec } from "../wire/members.js";
import { serverError } from "../wire/response.js";
import { ClusterIdentity, clusterIdOf, type ClusterIdentityOptions } from "./cluster-identity.js";
import { requestUrl, type Endpoint } from "./endpoint.js";
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

/**
 * Sends a request to one endpoint. Rejects with an `EndpointError` if it cannot be reached, responds with a status of
 * 500 or above, or belongs to another cluster.
 */
export type Attempt = (endpoint: Endpoint, spec: RequestSpec, signal: AbortSignal) => Promise<RawResponse>;

/** How a client sends requests to one endpoint. */
export interface Attempts {
  /** With the client's credentials. Responses of another cluster are refused. */
  readonly known: Attempt;
  /** Without credentials, to servers that may not be the cluster's. Every response is accepted. */
  readonly anonymous: Attempt;
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
): Attempts {
  const anonymous = attemptsThrough(exchange, { ...options, authorization: undefined });
  const identity = new ClusterIdentity({ endpoints, ask: askClusterId(anonymous), closed });
  return { known: attemptsThrough(exchange, { ...options, identity }), anonymous, identity };
}

/** Attempts that go through this exchange, with these limits and credentials. */
function attemptsThrough(exchange: Exchange, options: AttemptOptions): Attempt {
  const { requestLimits, pollLimits, authorization, identity } = options;

  const send = (
    endpoint: Endpoint,
    spec: RequestSpec,
    guard: PollGuard | undefined,
    signal: AbortSignal,
  ): Promise<RawResponse> => {
    const limits = tighter(spec.longPoll === true ? pollLimits : requestLimits, spec.limits);
    const headers = authorization === undefined ? spec.headers : { ...spec.headers, authorization };
    const onHeaders = guard === undefined ? spec.onHeaders : guard.onHeaders;
    return exchange(requestUrl(endpoint, spec), sentSpec(spec, headers, limits, onHeaders), guard?.signal ?? signal);
  };

  // one async function: a poll may be pending for long, and each pending call takes half a kilobyte for each watcher
  const attempt: Attempt = async (endpoint, spec, signal) => {
    let guard =
      identity !== undefined && spec.longPoll === true ? guardPoll(identity, endpoint, spec, signal) : undefined;
    let raw: RawResponse | undefined;
    while (raw === undefined) {
      try {
        raw = from(endpoint, authorization !== undefined, await send(endpoint, spec, guard, signal));
      } catch (error) {
        signal.throwIfAborted();
        guard?.signal?.throwIfAborted();
        if (identity === undefined || !(error instanceof ForeignPoll)) throw failureOf(endpoint, spec, error);
        await requireOurs(identity, endpoint, spec, error.head, signal);
        // it is ours after all, and sent again without a guard
      } finally {
        guard?.end();
        guard = undefined;
      }
    }
    if (identity !== undefined && (identity.isForeign(raw) || (isWorthChecking(raw, spec) && identity.isDoubtful))) {
      await requireOurs(identity, endpoint, spec, raw, signal);
    }
    if (raw.status >= 500 && spec.anyStatus !== true) throw serverError(raw, spec, endpoint.label);
    return raw;
  };
  return (endpoint, spec, signal) => {
    const { attempt: channel } = diagnostics();
    if (!isTraced(channel)) return attempt(endpoint, spec, signal);
    return trace(
      channel,
      { endpoint: endpoint.label, method: spec.method, path: spec.path, kind: spec.call?.kind },
      () => attempt(endpoint, spec, signal),
      (message, { status }) => (message.status = status),
    );
  };
}

/** A custom transport may reject with anything, and what it had sent by then is unknown. */
function failureOf(endpoint: Endpoint, spec: RequestSpec, error: unknown): unknown {
  if (error instanceof SdkError || isProgramError(error)) return error;
  return networkError(requestUrl(endpoint, spec), spec, error, true);
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
  requireRaw(raw);
  const { status, headers, body, maybeApplied, truncated } = raw;
  return { status, headers, body, endpoint: endpoint.label, authenticated, maybeApplied, truncated };
}

/** A custom transport may resolve to anything, for example to the `Response` of fetch. */
function requireRaw(raw: unknown): void {
  const { status, headers, body } = (raw ?? {}) as Partial<RawResponse>;
  if (typeof status === "number" && typeof headers === "object" && typeof body === "string") return;
  badArgument(
    "options.transport must resolve to { status, headers, body }, with headers as an object and body as text",
  );
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

/** Requests an endpoint's cluster id with this attempt, which should carry no credentials. "" if it cannot be learned. */
function askClusterId(attempt: Attempt): ClusterIdentityOptions["ask"] {
  const spec = { ...listMembersSpec, limits: { headersMs: askMs, idleMs: askMs } };
  return (endpoint, signal) => attempt(endpoint, spec, signal).then(clusterIdOf, () => "");
}
