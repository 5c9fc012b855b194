import type { Call } from "../core/call.js";

/** A request as a plain value, without the endpoint it will be sent to. */
export interface RequestSpec {
  /** The HTTP method. */
  readonly method: "GET" | "PUT" | "POST" | "DELETE";
  /** Absolute and percent-encoded; an endpoint's base path goes before it. */
  readonly path: string;
  /** Form-encoded, in alphabetical order, without the question mark. */
  readonly query?: string | undefined;
  /** Names in lower case. The client adds `authorization` where it may be sent. */
  readonly headers?: Readonly<Record<string, string>> | undefined;
  /** The body as text. Absent: there is none. */
  readonly body?: string | undefined;
  /** A body that need not be text, in place of `body`. */
  readonly bytes?: Uint8Array | undefined;
  /** What curl lines show in place of a body that holds a password. Such a request never follows a redirect to an origin that is not an endpoint. */
  readonly maskedBody?: string | undefined;
  /**
   * The operation that this request asks for, for a {@link Protocol} that is not etcd's v2 API. Absent: it has none.
   */
  readonly call?: Call | undefined;
  /**
   * It changes nothing on the server, whatever its method: it may be sent again, and its outcome is `notApplied`. Need
   * not be set for GET.
   */
  readonly readOnly?: boolean | undefined;
  /** Sending it twice could mean something else than once: it goes on to another endpoint only when it certainly was not applied. */
  readonly oneShot?: boolean | undefined;
  /**
   * Of a write that is not `oneShot`: send it to the next endpoint even if an earlier sending may still be applied later, and
   * so undo a newer write: after a header timeout, and after a status of 500 or above other than 502 and 503. @default false
   */
  readonly resend?: boolean | undefined;
  /** How long it is retried while no endpoint responds, in ms. Absent: the client's `retryForMs`. */
  readonly retryForMs?: number | undefined;
  /**
   * One of the client's endpoints, as a URL: the request goes to this one only, and moves no pin. Absent: with
   * failover, from the pin on.
   */
  readonly endpoint?: string | undefined;
  /** A status of 500 or above is a response like any other, not a failure of the endpoint. @default false */
  readonly anyStatus?: boolean | undefined;
  /** It holds a `prevValue`. etcd's refusal quotes both that and the stored value, so errors withhold it. */
  readonly comparesValue?: boolean | undefined;
  /** A long poll: it has no header timeout, and one that ends early is not a failure (see {@link RawResponse.truncated}). */
  readonly longPoll?: boolean | undefined;
  /** A long poll with the same response for all callers: the client sends it once for several, if it has only path and query. */
  readonly shared?: boolean | undefined;
  /** How long to wait. The client lowers it to its own limits; from the client on, absent means no limit. */
  readonly limits?: RequestLimits | undefined;
  /**
   * Called with status and headers as soon as they arrive, even if no body ever follows. What it throws ends the request.
   * For a long poll it may return a promise: when that resolves, the poll ends early, as `truncated`.
   */
  readonly onHeaders?: ((head: ResponseHead, connection?: ConnectionHold) => unknown) | undefined;
  /**
   * Called with each part of the body, if the status is below 300; the parts are then not kept, and `body` is "". If it
   * returns true, the exchange ends as `truncated`. What it throws ends the request.
   */
  readonly onPart?: ((part: Uint8Array) => boolean) | undefined;
  /** What the request means, on one line and without secrets: curl lines show it as a comment. */
  readonly note?: string | undefined;
}

/** Whether a request under way keeps the process alive, which it does at first. */
export interface ConnectionHold {
  /** It keeps the process alive. */
  ref(): void;
  /** The process may end before it does. */
  unref(): void;
}

/** How long a request may take, and how much it may bring. */
export interface RequestLimits {
  /** Time from sending (connecting included) to the headers, in ms; `Infinity` for none. Ignored for long polls. */
  readonly headersMs: number;
  /** Longest silence inside a body; for a long poll, longest silence at all. In ms, `Infinity` for none. */
  readonly idleMs: number;
  /** Time from the headers to the end of the body, in ms. Ignored for long polls. @default Infinity */
  readonly bodyMs?: number | undefined;
  /** The largest body, in bytes. Does not count what `onPart` gets. @default 134217728 (128 MiB) */
  readonly bodyBytes?: number | undefined;
}

/** Status and headers of a response. */
export interface ResponseHead {
  /** HTTP status. */
  readonly status: number;
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string | undefined>>;
}

/** A response as a plain value. */
export interface RawResponse extends ResponseHead {
  /** Decoded as UTF-8. */
  readonly body: string;
  /** The endpoint that responded, for messages; set by the client. */
  readonly endpoint?: string | undefined;
  /** Whether the client sent credentials, for messages; set by the client. */
  readonly authenticated?: boolean | undefined;
  /** An endpoint that was tried before this one may have applied the write; set by the client. */
  readonly maybeApplied?: boolean | undefined;
  /**
   * A long poll that ended before its response was complete: the connection was lost after good headers, or it was silent
   * for `limits.idleMs`. Nothing was lost, the same request may be sent again; `body` is to be ignored.
   */
  readonly truncated?: boolean | undefined;
}

/**
 * One request to one server, and its response, whatever its status: no retry, no redirect, no status that is an error.
 *
 * Rejects with `signal.reason` when aborted, and with an `EndpointError` whose `outcome` is `notApplied` only if the
 * server certainly did not receive the request; any other rejection counts as an `EndpointError` of unknown outcome.
 * An implementation writes `spec.headers` and `spec.body` (or `spec.bytes`) as they are, keeps `spec.limits`, calls
 * `spec.onHeaders` and `spec.onPart`, and resolves a long poll that ended early as `truncated`.
 */
export interface Exchange {
  (url: URL, spec: RequestSpec, signal: AbortSignal | undefined): Promise<RawResponse>;
  /** Closes all connections; called by `Client.close()`. */
  close?(): void | Promise<void>;
  /**
   * True if the transport removes its abort listeners when a request ends and rejects promptly on abort, so that many
   * requests may share one signal. Absent: each request gets a signal of its own, which costs a little.
   */
  readonly sharesSignals?: boolean | undefined;
  /**
   * True if the transport presents a TLS client certificate to servers that ask for one. Redirects to an https origin
   * that is not an endpoint are then refused, unless `checkRedirect` allows them. Absent: it does not.
   */
  readonly presentsCertificate?: boolean | undefined;
}

/** How a client speaks to its servers: turns an exchange of another protocol into one that takes etcd's v2 requests. */
export type Protocol = (exchange: Exchange) => Exchange;

/** Sends a request to a cluster. The APIs need nothing else; `Client` is one, a test double takes five lines. */
export interface Sender {
  /** Rejects with `signal.reason`, `UsageError` or `ClusterError`; resolves with any response of a status below 500. */
  send(spec: RequestSpec, signal?: AbortSignal): Promise<RawResponse>;
  /** The default of `quorum` for reads. @default false */
  readonly quorumReads?: boolean | undefined;
  /** The default of `retryForMs` for calls, in ms. @default 0 */
  readonly retryForMs?: number | undefined;
}
