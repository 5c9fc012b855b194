import { brandError } from "./brand.js";
import { asErrorLike } from "./error-like.js";
import { EtcdErrorCode } from "./etcd-error-code.js";
import { shorten } from "./shorten.js";
export { EtcdErrorCode };

/** What is known of a write that failed: `notApplied` is certain; `unknown`: it may have been applied, or may be yet. */
export type Outcome = "notApplied" | "unknown";

/**
 * - `ERR_ARGUMENT`: an argument or option is missing or wrong; the message names it
 * - `ERR_BUSY`: an earlier `next` of this watcher or mirror is still waiting
 * - `ERR_CLOSED`: the client or handle was closed, before the call or during it
 */
export type UsageErrorCode = "ERR_ARGUMENT" | "ERR_BUSY" | "ERR_CLOSED";
/**
 * - `ERR_CLUSTER_UNAVAILABLE`: no endpoint answered; `errors` holds one error for each attempt
 * - `ERR_NO_ENDPOINTS`: the members advertise no usable client URL
 * - `ERR_NO_LEADER_ENDPOINT`: the leader cannot be determined, or advertises no usable client URL
 */
export type ClusterErrorCode = "ERR_NO_ENDPOINTS" | "ERR_CLUSTER_UNAVAILABLE" | "ERR_NO_LEADER_ENDPOINT";
/**
 * - `ERR_NETWORK`: the connection failed or broke; `cause` has Node's error
 * - `ERR_HEADER_TIMEOUT`: no response within `headerTimeoutMs`
 * - `ERR_BODY_TIMEOUT`: the body paused for `bodyIdleTimeoutMs`, or took longer than `bodyTimeoutMs`
 * - `ERR_SERVER`: status 5xx
 * - `ERR_CLUSTER_ID`: this endpoint belongs to another cluster
 * - `ERR_BAD_REDIRECT`: a redirect without a usable `Location`, or to an origin that is not allowed
 * - `ERR_TOO_MANY_REDIRECTS`: more redirects than `maxRedirects`
 */
export type EndpointErrorCode =
  | "ERR_NETWORK"
  | "ERR_HEADER_TIMEOUT"
  | "ERR_BODY_TIMEOUT"
  | "ERR_SERVER"
  | "ERR_CLUSTER_ID"
  | "ERR_BAD_REDIRECT"
  | "ERR_TOO_MANY_REDIRECTS";
/**
 * - `ERR_EMPTY_BODY`: the response has no body
 * - `ERR_INVALID_JSON`: the body is not what etcd sends
 * - `ERR_STATUS`: etcd never sends this status, or sends it with another body
 * - `ERR_CONTENT_ENCODING`: the body is compressed, although the request did not allow it
 * - `ERR_BODY_TOO_LARGE`: the body is longer than `maxBodyBytes`; another endpoint would send the same
 */
export type ResponseErrorCode =
  "ERR_EMPTY_BODY" | "ERR_INVALID_JSON" | "ERR_STATUS" | "ERR_BODY_TOO_LARGE" | "ERR_CONTENT_ENCODING";

/** The parent of all errors of this package. The class says what the caller can do, `code` what happened. */
export abstract class SdkError extends Error {
  static {
    brandError(this, "SdkError");
  }
  /** What happened: `ERR_...`; one type per class lists them. */
  abstract readonly code: string;

  /** For JSON loggers: name, code, message and the fields of the error. Never a credential or a stored value. */
  toJSON(): Record<string, unknown> {
    const fields: Record<string, unknown> = { name: this.name, message: this.message };
    Object.assign(fields, this);
    const cause = this.cause instanceof SdkError ? this.cause : asErrorLike(this.cause);
    if (cause !== undefined) fields["cause"] = cause;
    return fields;
  }
}

/** The program is wrong: fix it. Thrown before any I/O; `ERR_CLOSED` also ends the calls in progress on close. */
export class UsageError extends SdkError {
  static {
    brandError(this, "UsageError");
  }
  /** What happened. */
  readonly code: UsageErrorCode;

  constructor(code: UsageErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

/** The fields of an {@link EtcdError}. */
export interface EtcdErrorFields {
  /** HTTP status of the response. */
  readonly status: number;
  /** etcd's own number, see {@link EtcdErrorCode}; 0 where the server sends none (members and auth). */
  readonly errorCode: number;
  /** The server's message. */
  readonly serverMessage: string;
  /** The server's `cause`; "" if it sent none. Withheld where it would quote a stored value. */
  readonly serverCause: string;
  /** etcd's index when it refused; 0 where it sends none. */
  readonly index: number;
  /** `unknown` if an endpoint tried earlier in the same call may have applied the write. @default "notApplied" */
  readonly outcome?: Outcome | undefined;
  /** How long the server asks to wait before the next request (`Retry-After`), in ms; absent if it does not. */
  readonly retryAfterMs?: number | undefined;
  /** What etcd refused, and at which endpoint, such as "get /k at http://127.0.0.1:2379"; absent if that is not known. */
  readonly request?: string | undefined;
  /** What to do about it; absent where the server's message is enough. */
  readonly hint?: string | undefined;
}

/** etcd understood the request and refused it: decide by `errorCode`, or by the guards. */
export class EtcdError extends SdkError implements EtcdErrorFields {
  static {
    brandError(this, "EtcdError");
  }
  /** What happened: etcd refused. `errorCode` says why. */
  readonly code = "ERR_ETCD";
  readonly status: number;
  readonly errorCode: number;
  readonly serverMessage: string;
  readonly serverCause: string;
  readonly index: number;
  readonly outcome: Outcome;
  declare readonly retryAfterMs?: number | undefined;
  declare readonly request?: string | undefined;
  declare readonly hint?: string | undefined;

  constructor(fields: EtcdErrorFields) {
    const { errorCode, serverMessage, serverCause, index, status, request, hint } = fields;
    const message = shorten(serverMessage, maxQuoted);
    const refusal =
      errorCode === 0
        ? `${message} [status ${String(status)}]`
        : `${String(errorCode)}: ${message} (${shorten(serverCause, maxQuoted)}) [${String(index)}]`;
    super([refusal, request, hint].filter(Boolean).join("; "));
    this.status = status;
    this.errorCode = errorCode;
    this.serverMessage = serverMessage;
    this.serverCause = serverCause;
    this.index = index;
    this.outcome = fields.outcome ?? "notApplied";
    if (fields.retryAfterMs !== undefined) this.retryAfterMs = fields.retryAfterMs;
    if (request !== undefined) this.request = request;
    if (hint !== undefined) this.hint = hint;
  }
}

/** How much of a server's message, and of its cause, a message repeats, in characters. */
const maxQuoted = 300;

/** The fields of an {@link EndpointError}. */
export interface EndpointErrorFields {
  /** The endpoint that the request was sent to. */
  readonly endpoint: string;
  /** Always `notApplied` for reads: they change nothing. */
  readonly outcome: Outcome;
  /** HTTP status; absent if there was no response. */
  readonly status?: number | undefined;
  /** etcd's own number; absent if the response has none (300: raft refused or timed out). */
  readonly errorCode?: number | undefined;
  /** The server's `cause`; absent if the response has none. */
  readonly serverCause?: string | undefined;
  /** How long the server asks to wait before the next request (`Retry-After`), in ms; absent if it does not. */
  readonly retryAfterMs?: number | undefined;
  /** True if the request went out on a kept connection that the server had closed, or was closing. Absent otherwise. */
  readonly keptConnection?: boolean | undefined;
}

/** One endpoint failed. Found in {@link ClusterError.errors}. */
export class EndpointError extends SdkError implements EndpointErrorFields {
  static {
    brandError(this, "EndpointError");
  }
  /** What happened. */
  readonly code: EndpointErrorCode;
  readonly endpoint: string;
  readonly outcome: Outcome;
  declare readonly status?: number | undefined;
  declare readonly errorCode?: number | undefined;
  declare readonly serverCause?: string | undefined;
  declare readonly retryAfterMs?: number | undefined;
  declare readonly keptConnection?: boolean | undefined;

  constructor(code: EndpointErrorCode, message: string, fields: EndpointErrorFields, options?: ErrorOptions) {
    super(message, options);
    // created inside a socket event: the stack would show Node internals only, and a ClusterError prints several
    this.stack = `${this.name}: ${message}`;
    this.code = code;
    this.endpoint = fields.endpoint;
    this.outcome = fields.outcome;
    if (fields.status !== undefined) this.status = fields.status;
    if (fields.errorCode !== undefined) this.errorCode = fields.errorCode;
    if (fields.serverCause !== undefined) this.serverCause = fields.serverCause;
    if (fields.retryAfterMs !== undefined) this.retryAfterMs = fields.retryAfterMs;
    if (fields.keptConnection === true) this.keptConnection = true;
  }
}

const clusterText = {
  ERR_NO_ENDPOINTS: "client: no endpoints available",
  ERR_CLUSTER_UNAVAILABLE: "client: etcd cluster is unavailable or misconfigured",
  ERR_NO_LEADER_ENDPOINT: "client: no leader endpoint available",
} as const satisfies Record<ClusterErrorCode, string>;

/** No endpoint answered: try later, and look at `outcome` before repeating a write. */
export class ClusterError extends SdkError {
  static {
    brandError(this, "ClusterError");
  }
  /** What happened. */
  readonly code: ClusterErrorCode;
  /** One error for each attempt, in order. A write that must not be sent twice may have made only one. `cause` is the first. */
  readonly errors: readonly SdkError[];
  /** `unknown` if the outcome of any attempt is. */
  readonly outcome: Outcome;

  constructor(code: ClusterErrorCode, errors: readonly SdkError[] = []) {
    const [first] = errors;
    const attempts = errors.map((error, i) => `; error #${String(i)}: ${error.message}`).join("");
    super(clusterText[code] + attempts, first && { cause: first });
    this.code = code;
    this.errors = [...errors];
    this.outcome = errors.some(isUnknown) ? "unknown" : "notApplied";
  }
}

/** The fields of a {@link ResponseError}. */
export interface ResponseErrorFields {
  /** HTTP status of the response. */
  readonly status: number;
  /** For a write, `notApplied` only if the response proves it, as that of a server without the v2 API does. */
  readonly outcome: Outcome;
  /** How long the server asks to wait before the next request (`Retry-After`), in ms; absent if it does not. */
  readonly retryAfterMs?: number | undefined;
}

/** The response is not etcd's: the URL is not an etcd, its v2 API is off, or a proxy is in between. */
export class ResponseError extends SdkError implements ResponseErrorFields {
  static {
    brandError(this, "ResponseError");
  }
  /** What happened. */
  readonly code: ResponseErrorCode;
  readonly status: number;
  readonly outcome: Outcome;
  declare readonly retryAfterMs?: number | undefined;

  constructor(code: ResponseErrorCode, message: string, fields: ResponseErrorFields) {
    super(message);
    this.code = code;
    this.status = fields.status;
    this.outcome = fields.outcome;
    if (fields.retryAfterMs !== undefined) this.retryAfterMs = fields.retryAfterMs;
  }
}

/** Whether the key, or a directory above it, does not exist (100). Like every guard, looks inside a {@link ClusterError}, too. */
export function isKeyNotFound(error: unknown): boolean {
  return hasErrorCode(error, EtcdErrorCode.keyNotFound);
}

/** Whether the key already exists (105). */
export function isNodeExist(error: unknown): boolean {
  return hasErrorCode(error, EtcdErrorCode.nodeExist);
}

/** Whether a compare-and-swap or compare-and-delete found another value or index (101). */
export function isCompareFailed(error: unknown): boolean {
  return hasErrorCode(error, EtcdErrorCode.compareFailed);
}

/** Whether the history that a watcher needs is gone (401), or the server dropped its watchers (400): read again, then watch. */
export function isIndexCleared(error: unknown): boolean {
  return hasErrorCode(error, EtcdErrorCode.eventIndexCleared) || hasErrorCode(error, EtcdErrorCode.watcherCleared);
}

/** Whether credentials are missing, wrong or lack a permission (110 on keys, status 401 elsewhere). */
export function isUnauthorized(error: unknown): boolean {
  return etcdErrors(error).some(
    (e) => e.errorCode === EtcdErrorCode.unauthorized || (e.errorCode === 0 && e.status === 401),
  );
}

/** Whether the user of an auth call does not exist. etcd has two messages for that and no number. */
export function isUserNotFound(error: unknown): boolean {
  return etcdErrors(error).some((e) => e.status === 404 && /^auth: User .* does not exist\.?$/s.test(e.serverMessage));
}

/** Whether the role of an auth call does not exist. etcd has two messages for that and no number. */
export function isRoleNotFound(error: unknown): boolean {
  return etcdErrors(error).some(
    (e) => e.status === 404 && /^auth: Role .* (does not|doesn't) exist\.?$/s.test(e.serverMessage),
  );
}

function hasErrorCode(error: unknown, errorCode: number): boolean {
  return etcdErrors(error).some((e) => e.errorCode === errorCode);
}

function etcdErrors(error: unknown): readonly EtcdError[] {
  if (error instanceof EtcdError) return [error];
  if (error instanceof EndpointError) return etcdErrors(error.cause);
  return error instanceof ClusterError ? error.errors.flatMap(etcdErrors) : [];
}

function isUnknown(error: SdkError): boolean {
  return "outcome" in error && error.outcome === "unknown";
}
