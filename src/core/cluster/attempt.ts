import type { Exchange, RawResponse, RequestLimits, RequestSpec } from "../../http/exchange.js";
import { networkError } from "../../http/network-error.js";
import { SdkError } from "../../util/errors.js";
import { serverError } from "../wire/response.js";
import { requestUrl, type Endpoint } from "./endpoint.js";

export interface AttemptOptions {
  /** Of requests that are not long polls. */
  readonly requestLimits: RequestLimits;
  readonly pollLimits: RequestLimits;
  /** The `authorization` header; absent: none is sent. */
  readonly authorization: string | undefined;
}

/** Sends a request to one endpoint. Rejects with an `EndpointError` if that cannot be reached or answers with a status of 500 or above. */
export type Attempt = (endpoint: Endpoint, spec: RequestSpec, signal: AbortSignal) => Promise<RawResponse>;

/** Attempts that go through this exchange, with these limits and credentials. */
export function attemptsThrough(
  exchange: Exchange,
  { requestLimits, pollLimits, authorization }: AttemptOptions,
): Attempt {
  return async (endpoint, spec, signal) => {
    const limits = tighter(spec.longPoll === true ? pollLimits : requestLimits, spec.limits);
    const headers = authorization === undefined ? spec.headers : { ...spec.headers, authorization };
    const url = requestUrl(endpoint, spec);
    let raw: RawResponse;
    try {
      raw = await exchange(url, sentSpec(spec, headers, limits), signal);
    } catch (error) {
      signal.throwIfAborted();
      // a user's own transport may reject with anything, and nobody knows what it had sent by then
      throw error instanceof SdkError ? error : networkError(url, spec, error, true);
    }
    if (raw.status >= 500) throw serverError(raw, spec, endpoint.label);
    return from(endpoint, raw);
  };
}

type AllFields<T> = { readonly [Name in keyof Required<T>]: T[Name] };

/** What the transport gets. Copied field by field: a spread costs more than everything else in a call (measured). */
function sentSpec(
  spec: RequestSpec,
  headers: RequestSpec["headers"],
  limits: RequestLimits,
): AllFields<Omit<RequestSpec, "shared" | "comparesValue">> {
  const { method, path, query, body, bytes, maskedBody, call, readOnly, oneShot, longPoll, onHeaders, onPart, note } =
    spec;
  const facts = { method, path, query, headers, body, bytes, maskedBody, call, readOnly, oneShot, longPoll };
  return { ...facts, limits, onHeaders, onPart, note };
}

function from(
  endpoint: Endpoint,
  { status, headers, body, maybeApplied, truncated }: RawResponse,
): AllFields<RawResponse> {
  return { status, headers, body, endpoint: endpoint.label, maybeApplied, truncated };
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
