import type { Exchange, RawResponse, RequestLimits, RequestSpec } from "../http/exchange.js";
import { EndpointError, ResponseError } from "../util/errors.js";
import { parseRetryAfter } from "../util/transient.js";
import { isJson, type Json } from "./decode.js";

/** The gateway refused. `code` is gRPC's number: status and words differ between versions of the gateway. */
export class GatewayError extends Error {
  readonly code: number;
  readonly status: number;
  /** Whether what was refused would have changed nothing. */
  readonly readOnly: boolean;
  /** How long it asks to wait, in ms. Undefined: it does not. */
  readonly retryAfterMs: number | undefined;

  constructor(code: number, message: string, status: number, readOnly: boolean, retryAfterMs?: number) {
    super(message);
    this.code = code;
    this.status = status;
    this.readOnly = readOnly;
    this.retryAfterMs = retryAfterMs;
  }
}

/** gRPC's numbers, as far as etcd uses them. */
export const grpcCode = {
  canceled: 1,
  invalidArgument: 3,
  notFound: 5,
  permissionDenied: 7,
  resourceExhausted: 8,
  failedPrecondition: 9,
  outOfRange: 11,
  unavailable: 14,
  unauthenticated: 16,
} as const;

/** The part of an endpoint's URL that is not the request's: origin and base path, and the endpoint's own query. */
export interface EndpointBase {
  /** Without a slash at the end. */
  readonly url: string;
  /** Without the question mark; "" for none. */
  readonly query: string;
}

/** What the URL of a request says of its endpoint. Nothing else is ever taken from it. */
export function baseOf(url: URL, { path, query = "" }: RequestSpec): EndpointBase {
  const base = url.pathname.endsWith(path) ? url.pathname.slice(0, -path.length) : "";
  const rest = url.search.slice(1).split("&");
  for (const pair of query.split("&")) {
    const at = rest.indexOf(pair);
    if (at >= 0) rest.splice(at, 1);
  }
  return { url: url.origin + base, query: rest.filter((pair) => pair !== "").join("&") };
}

/** How one request to the gateway is sent. */
export interface PostOptions {
  readonly signal: AbortSignal | undefined;
  /** Bare: the gateway refuses a scheme before it. Absent: no user. */
  readonly token?: string | undefined;
  /** Whether it leaves the keys as they are, so that it may be sent again. */
  readonly readOnly?: boolean | undefined;
  readonly maskedBody?: string | undefined;
  /** For curl lines: base64 is hard to read. */
  readonly note?: string | undefined;
  readonly limits?: RequestLimits | undefined;
  /** Further fields of the spec, for a stream. */
  readonly stream?: Pick<RequestSpec, "longPoll" | "onHeaders" | "onPart"> | undefined;
}

/** The v3 API of one endpoint, by its JSON gateway. */
export class Gateway {
  readonly base: EndpointBase;
  readonly #exchange: Exchange;

  constructor(exchange: Exchange, base: EndpointBase) {
    this.#exchange = exchange;
    this.base = base;
  }

  /**
   * Sends one request, and resolves to the JSON of the response.
   *
   * @throws {GatewayError} the gateway refused
   * @throws {EndpointError} no response, or one of a server that failed
   * @throws {ResponseError} the response is not the gateway's
   */
  post(path: string, body: Json, options: PostOptions): Promise<Json> {
    return this.ask(path, body, options, (json) => json);
  }

  /** The same, for what `read` makes of the JSON. Rejects also with what that throws. */
  ask<T>(path: string, body: Json, options: PostOptions, read: (json: Json) => T): Promise<T> {
    return this.send(path, body, options).then((raw) => {
      const json = jsonOf(raw.body);
      if (raw.status !== 200 || json === undefined || json["error"] !== undefined)
        throw this.refusal(raw, options.readOnly === true);
      const { result } = json;
      // a stream of one message has the message in "result"
      return read(isJson(result) ? result : json);
    });
  }

  /** Sends one request, whatever the response says. */
  send(path: string, body: Json, options: PostOptions): Promise<RawResponse> {
    const { signal, token, readOnly, maskedBody, note, limits, stream } = options;
    const { url, query } = this.base;
    const headers: Record<string, string> = { "content-type": "application/json" };
    if (token !== undefined) headers["authorization"] = token;
    if (stream !== undefined) headers["grpc-metadata-hasleader"] = "true";
    // written out: a spread costs more than the rest of it
    const spec: RequestSpec = {
      method: "POST",
      path,
      query: query === "" ? undefined : query,
      headers,
      body: JSON.stringify(body),
      oneShot: readOnly !== true,
      readOnly,
      maskedBody,
      note,
      limits,
      longPoll: stream?.longPoll,
      onHeaders: stream?.onHeaders,
      onPart: stream?.onPart,
    };
    return this.#exchange(new URL(`${url}${path}${query === "" ? "" : `?${query}`}`), spec, signal);
  }

  /** What a response that is not a success means. */
  refusal(raw: RawResponse, readOnly: boolean): GatewayError | EndpointError | ResponseError {
    const outcome = readOnly ? "notApplied" : "unknown";
    const retryAfterMs = parseRetryAfter(raw.headers["retry-after"], Date.now());
    const said = refusalIn(jsonOf(raw.body), raw.status, readOnly, retryAfterMs);
    if (said !== undefined) return said;
    const endpoint = this.base.url;
    if (raw.status >= 500) {
      const message = `endpoint ${endpoint} answered ${String(raw.status)}`;
      return new EndpointError("ERR_SERVER", message, { endpoint, outcome, status: raw.status, retryAfterMs });
    }
    // what Go's router returns for a path without a handler; a proxy's page says nothing of what its server did
    const isNoGateway = raw.status === 404 && ["", "404 page not found"].includes(raw.body.trim());
    const hint = isNoGateway
      ? ": there is no v3 JSON gateway here. It needs etcd 3.4 or later, started without " +
        "--enable-grpc-gateway=false; etcd 3.4 has it off when it is started from a configuration file that does not set enable-grpc-gateway"
      : ": this is not a response of etcd's v3 gateway";
    return new ResponseError(
      raw.status === 200 ? "ERR_INVALID_JSON" : "ERR_STATUS",
      `${endpoint} answered ${String(raw.status)}${hint}`,
      {
        status: raw.status,
        outcome: isNoGateway ? "notApplied" : outcome,
        retryAfterMs,
      },
    );
  }
}

/** The error in a body or in a line of a stream, in the old and the new format of the gateway; undefined if there is none. */
export function refusalIn(
  json: Json | undefined,
  status: number,
  readOnly: boolean,
  retryAfterMs?: number,
): GatewayError | undefined {
  if (json === undefined) return undefined;
  const nested = isJson(json["error"]) ? json["error"] : undefined;
  const { code = nested?.["grpc_code"] ?? nested?.["code"], message = nested?.["message"] } = json;
  if (typeof code !== "number" || code === 0) return undefined;
  return new GatewayError(code, typeof message === "string" ? message : "", status, readOnly, retryAfterMs);
}

/** Undefined for what is not a JSON object. */
export function jsonOf(text: string): Json | undefined {
  try {
    const json: unknown = JSON.parse(text);
    return isJson(json) ? json : undefined;
  } catch {
    return undefined;
  }
}
