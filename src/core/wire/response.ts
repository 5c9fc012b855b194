import { EndpointError, EtcdError, ResponseError, type ResponseErrorCode } from "../../util/errors.js";
import { changesNothing } from "../../util/changes-nothing.js";
import { parseRetryAfter } from "../../util/transient.js";
import type { RawResponse, RequestSpec } from "../../http/exchange.js";
import type { KeyNode, KeysAction, KeysResponse, KeysSummary } from "../types.js";

/** The answer to a keys call. */
export function decodeKeys(raw: RawResponse, spec: RequestSpec): KeysResponse {
  const body = keysBody(raw, spec);
  const { node, prevNode } = body;
  if (!isObject(node)) throw malformed(raw, spec, "it has no node");
  if (!isObject(prevNode ?? {})) throw malformed(raw, spec, "prevNode is no object");
  const { action, index, clusterId } = summaryOf(raw, spec, body);
  const read = nodeOf(raw, spec, node);
  // written out: on Node 20 spreading into a literal costs more than reading the JSON
  return isObject(prevNode)
    ? { action, node: read, prevNode: nodeOf(raw, spec, prevNode), index, clusterId }
    : { action, node: read, index, clusterId };
}

/**
 * The events of one long poll, in order: one JSON object per line. etcd v2 sends exactly one event; a v3 transaction
 * that changes several keys gives several events of one index.
 */
export function decodeEvents(raw: RawResponse, spec: RequestSpec): readonly KeysResponse[] {
  const lines = raw.body.split("\n").filter((line) => line.trim() !== "");
  if (raw.status > 201 || lines.length < 2 || !lines.every(isJson)) return [eventOf(raw, spec)];
  return lines.map((body) => eventOf({ ...raw, body }, spec));
}

function eventOf(raw: RawResponse, spec: RequestSpec): KeysResponse {
  const event = decodeKeys(raw, spec);
  if (event.node.modifiedIndex === 0) throw malformed(raw, spec, "the event has no modifiedIndex");
  return event;
}

/** The answer to a write with `noValueOnSuccess`; servers before 3.1 ignore that and send the node, which is left out here. */
export function decodeKeysSummary(raw: RawResponse, spec: RequestSpec): KeysSummary {
  return summaryOf(raw, spec, keysBody(raw, spec));
}

/** An answer of 500 or above: the next endpoint may do better. etcd answers 500 to writes that it may still apply. */
export function serverError(raw: RawResponse, spec: RequestSpec, endpoint: string): EndpointError {
  const body = jsonObject(raw);
  const refusal = body && refusalOf(raw, spec, body);
  const said = refusal === undefined ? "" : `: ${refusal.message}`;
  const { errorCode, serverCause } = refusal ?? {};
  return new EndpointError(
    "ERR_SERVER",
    `endpoint ${endpoint} answered ${String(raw.status)}${said}`,
    { endpoint, outcome: outcomeOf(spec), status: raw.status, errorCode, serverCause, retryAfterMs: retryAfterOf(raw) },
    refusal && { cause: refusal },
  );
}

/** Throws unless the status is one of these: what the server said where it can be read, else what is wrong with the answer. */
export function requireStatus(raw: RawResponse, spec: RequestSpec, statuses: readonly number[]): void {
  if (statuses.includes(raw.status)) return;
  const body = jsonObject(raw);
  const refusal = body && raw.status >= 400 ? refusalOf(raw, spec, body) : undefined;
  if (refusal !== undefined) throw refusal;
  if (raw.status === 404 && raw.body.trim() === "404 page not found") {
    const message = `${asked(raw, spec)} was answered 404 "404 page not found": the v2 API is probably not enabled, start etcd with --enable-v2 (off since 3.4, gone in 3.6), or use v3Protocol() of etcd2/v3`;
    // Go's router says this for paths that nobody serves: nothing was applied here
    throw new ResponseError("ERR_STATUS", message, {
      status: raw.status,
      outcome: raw.maybeApplied === true ? outcomeOf(spec) : "notApplied",
      retryAfterMs: retryAfterOf(raw),
    });
  }
  if (raw.status >= 400 && (raw.body === "" || isJson(raw.body)))
    throw malformed(raw, spec, "etcd sends an object with its errors");
  throw responseError("ERR_STATUS", raw, spec, "no etcd answers so");
}

/** The body as an object; throws where it is none. */
export function requireObject(raw: RawResponse, spec: RequestSpec): JsonObject {
  if (raw.body === "") throw responseError("ERR_EMPTY_BODY", raw, spec, "the body is empty");
  const body = jsonObject(raw);
  if (body === undefined) throw malformed(raw, spec, "the body is no JSON object");
  return body;
}

/** A field that is text; absent or null is "". */
export function textField(raw: RawResponse, spec: RequestSpec, body: JsonObject, name: string): string {
  const value = body[name] ?? "";
  if (typeof value !== "string") throw malformed(raw, spec, `${name} is no text`);
  return value;
}

/** What is wrong with a body that should have been etcd's; the body itself is never quoted, it may hold values. */
export function malformed(raw: RawResponse, spec: RequestSpec, what: string): ResponseError {
  return responseError("ERR_INVALID_JSON", raw, spec, what);
}

export type JsonObject = Readonly<Record<string, unknown>>;

export function isObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function keysBody(raw: RawResponse, spec: RequestSpec): JsonObject {
  requireStatus(raw, spec, successStatuses);
  return requireObject(raw, spec);
}

const successStatuses = [200, 201] as const;

function summaryOf(raw: RawResponse, spec: RequestSpec, body: JsonObject): KeysSummary {
  const action = textField(raw, spec, body, "action");
  if (action === "") throw malformed(raw, spec, "it has no action");
  return { action: action as KeysAction, index: headerIndex(raw, spec), clusterId: header(raw, "x-etcd-cluster-id") };
}

function nodeOf(raw: RawResponse, spec: RequestSpec, body: JsonObject): KeyNode {
  const { dir, nodes, expiration, ttl } = body;
  if (typeof (dir ?? false) !== "boolean") throw malformed(raw, spec, "dir is no boolean");
  if (!Array.isArray(nodes ?? [])) throw malformed(raw, spec, "nodes is no list");
  const node = {
    // only the root has none
    key: textField(raw, spec, body, "key") || "/",
    value: textField(raw, spec, body, "value"),
    dir: dir === true,
    nodes: Array.isArray(nodes) ? nodes.map((child) => childOf(raw, spec, child)) : [],
    createdIndex: integer(raw, spec, "createdIndex", body["createdIndex"] ?? 0, 0),
    modifiedIndex: integer(raw, spec, "modifiedIndex", body["modifiedIndex"] ?? 0, 0),
  };
  if ((expiration ?? ttl ?? undefined) === undefined) return node;
  return {
    ...node,
    ...((expiration ?? undefined) !== undefined && expirationOf(raw, spec, expiration)),
    ...((ttl ?? undefined) !== undefined && { ttl: integer(raw, spec, "ttl", ttl, -Number.MAX_SAFE_INTEGER) }),
  };
}

function childOf(raw: RawResponse, spec: RequestSpec, child: unknown): KeyNode {
  if (!isObject(child)) throw malformed(raw, spec, "a node is no object");
  return nodeOf(raw, spec, child);
}

function expirationOf(
  raw: RawResponse,
  spec: RequestSpec,
  text: unknown,
): Pick<Required<KeyNode>, "expiration" | "expirationText"> {
  if (typeof text !== "string" || !rfc3339.test(text)) throw malformed(raw, spec, "expiration is no RFC 3339 time");
  const expiration = new Date(text);
  if (Number.isNaN(expiration.getTime())) throw malformed(raw, spec, "expiration is no RFC 3339 time");
  return { expiration, expirationText: text };
}

const rfc3339 = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)$/;

/** etcd's numbers have 64 bits: one that a double cannot hold was rounded by JSON.parse, and is refused. */
function integer(raw: RawResponse, spec: RequestSpec, name: string, value: unknown, min: number): number {
  if (typeof value !== "number" || !Number.isSafeInteger(value) || value < min) {
    throw malformed(raw, spec, `${name} is no whole number that JavaScript can hold exactly`);
  }
  return value;
}

function headerIndex(raw: RawResponse, spec: RequestSpec): number {
  const index = indexOf(raw);
  if (index === undefined) throw malformed(raw, spec, "X-Etcd-Index is no index");
  return index;
}

/** `X-Etcd-Index`; 0 when absent, undefined when it is no index. */
export function indexOf(head: Pick<RawResponse, "headers">): number | undefined {
  const text = header(head, "x-etcd-index");
  if (text === "") return 0;
  return /^\d+$/.test(text) && Number.isSafeInteger(Number(text)) ? Number(text) : undefined;
}

/** Of a repeated header, which Node joins by commas, the first. */
function header({ headers }: Pick<RawResponse, "headers">, name: string): string {
  const value = headers[name] ?? "";
  return value.includes(",") ? (value.split(",", 1)[0]?.trim() ?? "") : value;
}

/** etcd's own refusal, if the body is one: keys errors have a number, those of members and auth only a message. */
function refusalOf(raw: RawResponse, spec: RequestSpec, body: JsonObject): EtcdError | undefined {
  const [errorCode, cause, index] = [body["errorCode"] ?? 0, body["cause"] ?? "", body["index"] ?? 0];
  const message = body["message"] ?? (errorCode === 0 ? undefined : "");
  if (!isCount(errorCode) || typeof message !== "string" || typeof cause !== "string" || !isCount(index))
    return undefined;
  return new EtcdError({
    status: raw.status,
    errorCode,
    serverMessage: message,
    serverCause: errorCode === 101 && quotesValues(raw, spec) ? "withheld: it quotes the values" : cause,
    index,
    outcome:
      raw.maybeApplied === true || (errorCode === 0 && gatewayStatuses.has(raw.status)) ? "unknown" : "notApplied",
    retryAfterMs: retryAfterOf(raw),
  });
}

/** Whether a failed comparison may quote the stored value. With a status of 500 or above the answer is not etcd's, and may hold anything. */
function quotesValues(raw: RawResponse, spec: RequestSpec): boolean {
  return spec.comparesValue === true || raw.status >= 500;
}

/** Not etcd's: a gateway gave up on a request that may have gone through. */
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

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

function responseError(code: ResponseErrorCode, raw: RawResponse, spec: RequestSpec, what: string): ResponseError {
  const type = raw.headers["content-type"] ?? "no content type";
  const message = `${asked(raw, spec)} was answered ${String(raw.status)} (${type}, ${String(raw.body.length)} characters): ${what}`;
  return new ResponseError(code, message, {
    status: raw.status,
    outcome: outcomeOf(spec),
    retryAfterMs: retryAfterOf(raw),
  });
}

function asked(raw: RawResponse, spec: RequestSpec): string {
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
