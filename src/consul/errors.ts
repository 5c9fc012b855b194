import { SdkError } from "../util/errors.js";

/**
 * `REQUEST`: Consul refused; `NOT_FOUND`: there is no such key, session or node; `DECODE`: the answer is not Consul's, or
 * a value is not UTF-8 text; `TIMEOUT`: no whole answer came in time.
 */
export type ConsulErrorCode = "REQUEST" | "NOT_FOUND" | "DECODE" | "TIMEOUT";

/** A call to Consul failed. What the network fails with is an `EndpointError`. */
export class ConsulError extends SdkError {
  static {
    Object.defineProperty(this.prototype, "name", { value: "ConsulError", configurable: true, writable: true });
  }
  readonly code: ConsulErrorCode;
  readonly method: string;
  /** Encoded, without its query. */
  readonly path: string;

  constructor(code: ConsulErrorCode, message: string, { method, path }: CalledAs, options?: ErrorOptions) {
    super(`consul: ${method} ${path}: ${message}`, options);
    this.code = code;
    this.method = method;
    this.path = path;
  }
}

/** Consul answered with a status from 400. */
export class RequestError extends ConsulError {
  static {
    Object.defineProperty(this.prototype, "name", { value: "RequestError", configurable: true, writable: true });
  }
  readonly statusCode: number;
  /** The server's words, up to 4 KiB. */
  readonly body: string;

  constructor({ statusCode, body, ...called }: RequestErrorFields) {
    const kept = body.slice(0, maxBodyLength);
    const [line = ""] = kept.trim().split("\n");
    super(
      statusCode === 404 ? "NOT_FOUND" : "REQUEST",
      `status ${String(statusCode)}${line === "" ? "" : `: ${line.slice(0, maxQuotedLength)}`}`,
      called,
    );
    this.statusCode = statusCode;
    this.body = kept;
  }
}

/** There is no such key, session or node; `statusCode` is 404, also where Consul says so with an empty answer. */
export class NotFoundError extends RequestError {
  static {
    Object.defineProperty(this.prototype, "name", { value: "NotFoundError", configurable: true, writable: true });
  }

  constructor(called: CalledAs, body = "") {
    super({ method: called.method, path: called.path, statusCode: 404, body });
  }
}

/** What was called. */
export interface CalledAs {
  readonly method: string;
  readonly path: string;
}

export interface RequestErrorFields extends CalledAs {
  readonly statusCode: number;
  readonly body: string;
}

const maxBodyLength = 4_096;
/** How much of the server's words stands in the message. */
const maxQuotedLength = 200;
