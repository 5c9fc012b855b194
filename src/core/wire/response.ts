import { EndpointError, EtcdError, ResponseError, type ResponseErrorCode } from "../../util/errors.js";
import { changesNothing } from "../../util/changes-nothing.js";
import { parseRetryAfter } from "../../util/transient.js";
import type { RawResponse, RequestSpec } from "../../http/exchange.js";
import { shorten } from "../../util/shorten.js";
import { noV2Hint, refusalHint, requestOf } from "./hints.js";

/** The error for a status of 500 or above: the next endpoint may do better. etcd returns 500 to writes that it may still apply. */
export function serverError(raw: RawResponse, spec: RequestSpec, endpoint: string): EndpointError {
  const body = jsonObject(raw);
  const refusal = body && refusalOf(raw, spec, body);
  const detail = refusal === undefined ? "" : `: ${refusal.message}`;
  const { errorCode, serverCause } = refusal ?? {};
  return new EndpointError(
    "ERR_SERVER",
    `endpoint ${endpoint} answered ${String(raw.status)}${detail}`,
    { endpoint, outcome: outcomeOf(spec), status: raw.status, errorCode, serverCause, retryAfterMs: retryAfterOf(raw) },
    refusal && { cause: refusal },
  );
}

/**
 * Requires one of these statuses.
 *
 * @throws {EtcdError} the body is etcd's refusal
 * @throws {ResponseError} the response is not etcd's
 */
export function requireStatus(raw: RawResponse, spec: RequestSpec, statuses: readonly number[]): void {
  if (statuses.includes(raw.status)) return;
  const body = jsonObject(raw);
  const refusal = body && raw.status >= 400 ? refusalOf(raw, spec, body) : undefined;
  if (refusal !== undefined) throw refusal;
  if (raw.status === 404 && raw.body.trim() === "404 page not found") {
    const message = `${requestLabel(raw, spec)} was answered 404 "404 page not found": ${noV2Hint(raw)}`;
    // Go's router returns this for paths without a handler: nothing was applied here
    throw new ResponseError("ERR_STATUS", message, {
      status: raw.status,
      outcome: raw.maybeApplied === true ? outcomeOf(spec) : "notApplied",
      retryAfterMs: retryAfterOf(raw),
    });
  }
  if (raw.status >= 400 && (raw.body === "" || isJson(raw.body)))
    throw malformed(raw, spec, "etcd sends a JSON object with its errors");
  throw responseError("ERR_STATUS", raw, spec, "this is not an etcd v2 response");
}

/** The body as an object. @throws {ResponseError} it is not one */
export function requireObject(raw: RawResponse, spec: RequestSpec): JsonObject {
  if (raw.body === "") throw responseError("ERR_EMPTY_BODY", raw, spec, "the body is empty");
  const body = jsonObject(raw);
  if (body === undefined) throw malformed(raw, spec, "the body is not a JSON object");
  return body;
}

/** A field that is a string. Absent or null is "". */
export function textField(raw: RawResponse, spec: RequestSpec, body: JsonObject, name: string): string {
  const value = body[name] ?? "";
  if (typeof value !== "string") throw malformed(raw, spec, `"${name}" is not a string`);
  return value;
}

/** The error for a body that should have been etcd's. The body is never quoted: it may contain values. */
export function malformed(raw: RawResponse, spec: RequestSpec, what: string): ResponseError {
  return responseError("ERR_INVALID_JSON", raw, spec, what);
}

export type JsonObject = Readonly<Record<string, unknown>>;

export function isObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** etcd's refusal, if the body is one: errors of keys have a number, those of members and auth only a message. */
function refusalOf(raw: RawResponse, spec: RequestSpec, body: JsonObject): EtcdError | undefined {
  const [errorCode, cause, index] = [body["errorCode"] ?? 0, body["cause"] ?? "", body["index"] ?? 0];
  const message = body["message"] ?? (errorCode === 0 ? undefined : "");
  if (!isCount(errorCode) || typeof message !== "string" || typeof cause !== "string" || !isCount(index))
    return undefined;
  const maybeApplied = raw.maybeApplied === true || (errorCode === 0 && gatewayStatuses.has(raw.status));
  return new EtcdError({
    status: raw.status,
    errorCode,
    serverMessage: message,
    serverCause: errorCode === 101 && quotesValues(raw, spec) ? "withheld: it quotes the values" : cause,
    index,
    outcome: maybeApplied ? outcomeOf(spec) : "notApplied",
    retryAfterMs: retryAfterOf(raw),
    request: requestOf(raw, spec),
    hint: refusalHint(errorCode, raw, spec),
  });
}

/** Whether a failed comparison may quote the stored value. With a status of 500 or above the response may not be etcd's, and may contain anything. */
function quotesValues(raw: RawResponse, spec: RequestSpec): boolean {
  return spec.comparesValue === true || raw.status >= 500;
}

/** Not etcd's statuses: a gateway gave up on a request that may have gone through. */
const gatewayStatuses: ReadonlySet<number> = new Set([408, 425, 429, 499]);

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && Number(value) >= 0;
}

function jsonObject(raw: RawResponse): JsonObject | undefined {
  try {
    const body: unknown = JSON.parse(raw.body);
    return isObject(body) ? body : undefined;
  } catch {
    return undefined;
  }
}

/** Whether a text is JSON. */
export function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

function responseError(code: ResponseErrorCode, raw: RawResponse, spec: RequestSpec, what: string): ResponseError {
  const type = shorten(raw.headers["content-type"] ?? "no content type", 100);
  const body = `${type}, ${String(raw.body.length)} characters`;
  // etcd sends its cluster's id with each response
  const doubt = code === "ERR_STATUS" || raw.headers["x-etcd-cluster-id"] !== undefined ? "" : "; is this an etcd?";
  const message = `${requestLabel(raw, spec)} was answered ${String(raw.status)} (${body}): ${what}${doubt}`;
  return new ResponseError(code, message, {
    status: raw.status,
    outcome: outcomeOf(spec),
    retryAfterMs: retryAfterOf(raw),
  });
}

function requestLabel(raw: RawResponse, spec: RequestSpec): string {
  return `${spec.method} ${raw.endpoint ?? ""}${spec.path}`;
}

/** `Retry-After`, in ms. A date counts from the server's own `Date`: clocks differ. */
function retryAfterOf({ headers }: RawResponse): number | undefined {
  const text = headers["retry-after"];
  const ms = text === undefined ? undefined : parseRetryAfter(text, Date.parse(headers["date"] ?? ""));
  return Number.isNaN(ms) ? undefined : ms;
}

function outcomeOf(spec: RequestSpec): "notApplied" | "unknown" {
  return changesNothing(spec) ? "notApplied" : "unknown";
}
