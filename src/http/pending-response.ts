import { constants } from "node:buffer";
import { ResponseError, type ResponseErrorCode } from "../util/errors.js";
import { errorCode } from "../util/plain-cause.js";
import { follow, maxTimerMs, type Follower } from "../util/signals.js";
import { BodyBuffer } from "./body-buffer.js";
import { defaultMaxBodyBytes } from "./connection-limits.js";
import type { ConnectionHold, RawResponse, RequestLimits, RequestSpec, ResponseHead } from "./exchange.js";
import { endpointLabel, networkError, outcomeOf, timeoutError } from "./network-error.js";
import { changesNothing } from "../util/changes-nothing.js";

/** One request under way: what its transport knows of it, and what the transport can do about it. */
export interface RequestInFlight extends ConnectionHold {
  /** Whether the server may have received it: true once its connection, with TLS its handshake, is established. */
  readonly sent: boolean;
  /** Whether it uses a connection of an earlier request, which the server may have closed since. */
  readonly reused: boolean;
  /** Ends the request and closes its connection. */
  cancel(): void;
  /** Closes the idle connections to the same origin: one of them has turned out to be dead. */
  dropIdle(): void;
  /** Sends the same request again; undefined if it must not be, since the transport was closed. */
  resend(): Promise<RawResponse> | undefined;
  readonly resolve: (raw: RawResponse | Promise<RawResponse>) => void;
  readonly reject: (reason: unknown) => void;
}

/**
 * The response that one request waits for: its limits, its signal, the part of it that has arrived, and how it ends. All
 * transports share this; a transport reports what happens on the network.
 */
export class PendingResponse {
  readonly #url: URL;
  readonly #spec: RequestSpec;
  readonly #request: RequestInFlight;
  readonly #follower: Follower | undefined;
  readonly #body = new BodyBuffer();
  readonly #maxBytes: number;
  #head: ResponseHead | undefined;
  #timer: NodeJS.Timeout | undefined;
  /** When the time is up, on the monotonic clock. The timer may fire earlier: it is set once for each response, not for each part. */
  #dueMs = Infinity;
  /** When the body must be complete, on the monotonic clock. */
  #bodyDueMs = Infinity;
  #settled = false;

  /**
   * @param signal must not have aborted yet
   * @param sinceMs when the request was sent for the first time: the header limit holds for all its tries together
   */
  constructor(url: URL, spec: RequestSpec, signal: AbortSignal | undefined, request: RequestInFlight, sinceMs: number) {
    this.#url = url;
    this.#spec = spec;
    this.#request = request;
    // no string is longer, so a longer body could not be decoded
    this.#maxBytes = Math.min(spec.limits?.bodyBytes ?? defaultMaxBodyBytes, constants.MAX_STRING_LENGTH);
    this.#follower = follow(signal, this);
    const { headersMs, idleMs } = this.#limits;
    if (spec.longPoll !== true) this.#waitUntil(sinceMs + headersMs);
    else if (idleMs !== Infinity) this.#waitUntil(performance.now() + idleMs);
  }

  /** Status and headers have arrived. */
  begin(head: ResponseHead): void {
    if (this.#settled) return;
    this.#head = head;
    const { bodyMs = Infinity } = this.#limits;
    if (bodyMs !== Infinity && this.#spec.longPoll !== true) this.#bodyDueMs = performance.now() + bodyMs;
    this.#extend();
    try {
      this.#endAfter(this.#spec.onHeaders?.(head, this.#request));
    } catch (error) {
      this.abort(error);
    }
    if (Number(head.headers["content-length"]) > this.#maxBytes && !this.#handsOut(head)) this.#onTooLarge(head);
  }

  /** A part of the body has arrived. */
  take(part: Buffer): void {
    const head = this.#head;
    if (this.#settled || head === undefined) return;
    this.#extend();
    if (this.#handsOut(head)) {
      this.#handOut(part);
      return;
    }
    this.#body.add(part);
    if (this.#body.length > this.#maxBytes) this.#onTooLarge(head);
  }

  /** The response is complete. */
  end(): void {
    if (this.#settled) return;
    if (this.#head === undefined) {
      this.fail(new Error("the response ended before its headers"));
      return;
    }
    const { status, headers } = this.#head;
    const encoding = this.#body.length === 0 ? undefined : foreignEncoding(this.#head);
    this.#settle();
    if (encoding !== undefined) this.#request.reject(this.#encoded(status, encoding));
    else this.#request.resolve({ status, headers, body: this.#body.text() });
  }

  /**
   * The network failed. A request that changes nothing is sent again if it met a kept connection that had been closed
   * meanwhile; then all idle connections of that origin are closed, since most likely they are dead, too.
   */
  fail(error: unknown): void {
    if (this.#settled) return;
    const { reused, sent } = this.#request;
    const stale = reused && this.#head === undefined;
    if (stale) this.#request.dropIdle();
    const again = stale && changesNothing(this.#spec) ? this.#request.resend() : undefined;
    if (again === undefined) {
      const failure = this.#head !== undefined && isClosedConnection(error) ? brokenOff() : error;
      this.#fail(() => networkError(this.#url, this.#spec, failure, sent, stale));
    } else {
      this.#settle();
      this.#request.resolve(again);
    }
  }

  /** Ends the request: the signal has aborted, or there is no response that could be used. */
  abort(reason: unknown): void {
    if (this.#settled) return;
    this.#settle();
    this.#request.cancel();
    this.#request.reject(reason);
  }

  get #limits(): RequestLimits {
    return this.#spec.limits ?? noLimits;
  }

  /** Whether the parts of the body go to `onPart`. Bodies of errors do not: they are small, and needed whole. */
  #handsOut(head: ResponseHead): boolean {
    return this.#spec.onPart !== undefined && head.status < 300;
  }

  #handOut(part: Buffer): void {
    try {
      if (this.#spec.onPart?.(part) !== true) return;
    } catch (error) {
      this.abort(error);
      return;
    }
    this.#endEarly();
  }

  /** Restarts the idle limit: from now on the server may be silent for `idleMs`. */
  #extend(): void {
    const { idleMs } = this.#limits;
    this.#waitUntil(idleMs === Infinity ? this.#bodyDueMs : Math.min(performance.now() + idleMs, this.#bodyDueMs));
  }

  #waitUntil(dueMs: number): void {
    const before = this.#dueMs;
    this.#dueMs = dueMs;
    if (dueMs !== Infinity && (this.#timer === undefined || dueMs < before)) this.#arm();
  }

  #arm(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.#dueMs === Infinity) return;
    this.#timer = setTimeout(
      () => {
        // the time was extended meanwhile, or is longer than timers can be
        if (performance.now() < this.#dueMs) this.#arm();
        else this.#onTimeout();
      },
      Math.min(Math.max(1, Math.ceil(this.#dueMs - performance.now())), maxTimerMs),
    );
  }

  #onTimeout(): void {
    const { headersMs, idleMs, bodyMs = Infinity } = this.#limits;
    const { reused, sent } = this.#request;
    // silence of a kept connection: it may be dead, and the other idle ones with it
    if (reused && this.#head === undefined) this.#request.dropIdle();
    // a silent long poll is not a failure, whether or not its headers came: a proxy may hold them back
    if (this.#spec.longPoll === true) this.#head ??= { status: 200, headers: {} };
    const [what, ms] =
      this.#head === undefined
        ? (["headers", headersMs] as const)
        : performance.now() >= this.#bodyDueMs
          ? (["body", bodyMs] as const)
          : (["idle", idleMs] as const);
    this.#fail(() => timeoutError(what, ms, this.#url, this.#spec, sent));
  }

  /** The connection is closed, since the rest of the body is on its way. A failure of the server stays one, whatever it sends. */
  #onTooLarge({ status, headers }: ResponseHead): void {
    if (this.#settled) return;
    this.#settle();
    this.#request.cancel();
    if (status >= 500) this.#request.resolve({ status, headers, body: "" });
    else this.#request.reject(this.#tooLarge(status));
  }

  #tooLarge(status: number): ResponseError {
    return this.#unreadable(
      "ERR_BODY_TOO_LARGE",
      status,
      `a body above the limit of ${String(this.#maxBytes)} bytes (maxBodyBytes)`,
    );
  }

  #encoded(status: number, encoding: string): ResponseError {
    return this.#unreadable(
      "ERR_CONTENT_ENCODING",
      status,
      `a body that is encoded as ${encoding}, although the request accepts no encoding: does a proxy compress it?`,
    );
  }

  #unreadable(code: ResponseErrorCode, status: number, what: string): ResponseError {
    const { method, path } = this.#spec;
    return new ResponseError(
      code,
      `${method} ${endpointLabel(this.#url, this.#spec)}${path} was answered ${String(status)} with ${what}`,
      { status, outcome: outcomeOf(this.#spec, true) },
    );
  }

  #fail(error: () => unknown): void {
    if (this.#spec.longPoll === true && isGood(this.#head)) this.#endEarly();
    else this.abort(error());
  }

  /** Ends a long poll early when the promise resolves that `onHeaders` returned, if it did. */
  #endAfter(until: unknown): void {
    if (!(until instanceof Promise) || this.#spec.longPoll !== true) return;
    until.then(
      () => {
        if (!this.#settled) this.#endEarly();
      },
      (error: unknown) => {
        this.abort(error);
      },
    );
  }

  /** Ends a response after good headers, and with no loss: the same request may be sent again. */
  #endEarly(): void {
    this.#settle();
    this.#request.cancel();
    this.#request.resolve({ status: 200, headers: {}, ...this.#head, body: "", truncated: true });
  }

  #settle(): void {
    this.#settled = true;
    clearTimeout(this.#timer);
    this.#follower?.off();
  }
}

const noLimits: RequestLimits = { headersMs: Infinity, idleMs: Infinity };

/** Whether a long poll has begun well: its headers come first, so what fails after them ends the poll and loses nothing. */
function isGood(head: ResponseHead | undefined): boolean {
  return head !== undefined && head.status < 300;
}

/**
 * The encoding that makes a body unreadable; undefined if there is none. Bodies of redirects and of failing servers are
 * not needed.
 */
function foreignEncoding({ status, headers }: ResponseHead): string | undefined {
  if (status >= 500 || (status >= 300 && status < 400)) return undefined;
  const transfer = headers["transfer-encoding"] ?? "chunked";
  const content = headers["content-encoding"];
  // nearly always
  if (content === undefined && transfer === "chunked") return undefined;
  return `${content ?? ""},${transfer}`
    .toLowerCase()
    .split(",")
    .map((each) => each.trim())
    .find((each) => !["", "identity", "chunked"].includes(each));
}

/** Whether the connection was closed, as Node, got and undici report it. */
function isClosedConnection(error: unknown): boolean {
  return closedCodes.has(errorCode(error) ?? "");
}

const closedCodes: ReadonlySet<string> = new Set([
  "ECONNRESET",
  "EPIPE",
  "ERR_STREAM_PREMATURE_CLOSE",
  "UND_ERR_SOCKET",
  "UND_ERR_RES_CONTENT_LENGTH_MISMATCH",
]);

function brokenOff(): Error {
  return Object.assign(new Error("the connection was closed in the middle of the response"), { code: "ECONNRESET" });
}
