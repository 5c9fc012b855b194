import { brandError } from "../util/brand.js";
import { SdkError } from "../util/errors.js";

/**
 * - `ERR_REQUEST`: Consul refused the request; see {@link RequestError.statusCode}
 * - `ERR_NOT_FOUND`: there is no such key, session or node
 * - `ERR_DECODE`: the response is not Consul's, or a value is not UTF-8 text
 * - `ERR_TIMEOUT`: there was no complete response in time; a write may have been applied
 */
export type ConsulErrorCode = "ERR_REQUEST" | "ERR_NOT_FOUND" | "ERR_DECODE" | "ERR_TIMEOUT";

/** A call to Consul failed. A failure of the network is an `EndpointError`. */
export class ConsulError extends SdkError {
  static {
    brandError(this, "ConsulError");
  }
  /** What happened. */
  readonly code: ConsulErrorCode;
  /** The HTTP method of the request. */
  readonly method: string;
  /** The path of the request, percent-encoded, without its query. */
  readonly path: string;

  /** @param message what happened, without the request */
  constructor(code: ConsulErrorCode, message: string, { method, path }: CalledAs, options?: ErrorOptions) {
    super(`consul: ${method} ${path}: ${message}`, options);
    this.code = code;
    this.method = method;
    this.path = path;
  }
}

/** Consul responded with a status from 400. */
export class RequestError extends ConsulError {
  static {
    brandError(this, "RequestError");
  }
  /** The HTTP status. */
  readonly statusCode: number;
  /** The text of the response, at most 4 KiB of it. The token and the request's own body are masked in it. */
  readonly body: string;
  /** How long the server wants us to wait before the next try, in ms. Absent if it does not say. */
  declare readonly retryAfterMs?: number | undefined;

  constructor({ statusCode, body, retryAfterMs, ...called }: RequestErrorFields) {
    const kept = body.slice(0, maxBodyLength);
    const [line = ""] = kept.trim().split("\n");
    const foreign = statusCode === 404 && isForeignPage(kept);
    super(
      statusCode === 404 && !foreign ? "ERR_NOT_FOUND" : "ERR_REQUEST",
      `status ${String(statusCode)}${line === "" ? "" : `: ${line.slice(0, maxQuotedLength)}`}` +
        (foreign ? "; is this a Consul? Check options.address" : ""),
      called,
    );
    this.statusCode = statusCode;
    this.body = kept;
    if (retryAfterMs !== undefined) this.retryAfterMs = retryAfterMs;
  }
}

/** Whether the body of a 404 is a web server's: that URL is not a Consul, or a proxy has no Consul behind it. */
export function isForeignPage(body: string): boolean {
  return /^\s*(?:404 page not found\s*$|<)/.test(body);
}

/** There is no such key, session or node. `statusCode` is 404, also where Consul sends an empty list instead. */
export class NotFoundError extends RequestError {
  static {
    brandError(this, "NotFoundError");
  }

  /** @param body the text of the response, or another reason. @default "" */
  constructor(called: CalledAs, body = "") {
    super({ method: called.method, path: called.path, statusCode: 404, body });
  }
}

/** The request that an error is about. */
export interface CalledAs {
  /** The HTTP method. */
  readonly method: string;
  /** Percent-encoded, without the query. */
  readonly path: string;
}

/** What a {@link RequestError} is made of. */
export interface RequestErrorFields extends CalledAs {
  /** The HTTP status. */
  readonly statusCode: number;
  /** The text of the response. */
  readonly body: string;
  /** From the response's `Retry-After`, in ms. Absent if it has none. */
  readonly retryAfterMs?: number | undefined;
}

const maxBodyLength = 4_096;
/** How much of the server's text a message quotes. */
const maxQuotedLength = 200;
