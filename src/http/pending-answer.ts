import { maxTimerMs, onAbort } from "../util/signals.js";
import type { RawResponse, RequestLimits, RequestSpec, ResponseHead } from "./exchange.js";
import { networkError, timeoutError } from "./network-error.js";

/** A request on its way, as its transport has it. */
export interface Flight {
  /** Whether the server may have got it: from the moment its connection, with TLS its handshake, is there. */
  readonly sent: boolean;
  /** Whether it went out on a kept connection, which the server may have closed meanwhile. */
  readonly reused: boolean;
  /** Ends it, and gives up its connection. */
  cancel(): void;
  readonly resolve: (raw: RawResponse | Promise<RawResponse>) => void;
  readonly reject: (reason: unknown) => void;
}

/**
 * The answer that one request waits for: its limits, its signal, what came so far, and how it ends. What all transports have
 * in common; the transport tells it what the network does.
 */
export class PendingAnswer {
  readonly #url: URL;
  readonly #spec: RequestSpec;
  readonly #flight: Flight;
  readonly #off: () => void;
  readonly #chunks: Buffer[] = [];
  #head: ResponseHead | undefined;
  #timer: NodeJS.Timeout | undefined;
  /** When the time is up, by the monotonic clock. The timer may fire earlier: one is set for each answer, and none per part. */
  #dueMs = Infinity;
  #settled = false;

  /** The signal must not have aborted yet. `sinceMs`: when it was asked for the first time; the header limit holds for all its tries. */
  constructor(url: URL, spec: RequestSpec, signal: AbortSignal | undefined, flight: Flight, sinceMs: number) {
    this.#url = url;
    this.#spec = spec;
    this.#flight = flight;
    this.#off = onAbort(signal, (reason) => {
      this.#refuse(reason);
    });
    const { headersMs, idleMs } = this.#limits;
    if (spec.longPoll !== true) this.#allow(headersMs, sinceMs);
    else if (idleMs !== Infinity) this.#allow(idleMs, performance.now());
  }

  /** Status and headers are there. */
  begin(head: ResponseHead): void {
    if (this.#settled) return;
    this.#head = head;
    this.#extend();
    try {
      this.#spec.onHeaders?.(head);
    } catch (error) {
      this.#refuse(error);
    }
  }

  /** A part of the body. */
  take(chunk: Buffer): void {
    if (this.#settled) return;
    this.#chunks.push(chunk);
    this.#extend();
  }

  /** The answer is whole. */
  end(): void {
    if (this.#settled) return;
    if (this.#head === undefined) {
      this.fail(new Error("the answer ended before its headers"));
      return;
    }
    const { status, headers } = this.#head;
    this.#settle();
    this.#flight.resolve({ status, headers, body: textOf(this.#chunks) });
  }

  /**
   * The network failed. A read that met a kept connection which the server had closed meanwhile is asked `again`, if that is
   * given.
   */
  fail(error: Error, again?: () => Promise<RawResponse>): void {
    if (this.#settled) return;
    const { reused, sent } = this.#flight;
    if (again !== undefined && this.#spec.method === "GET" && this.#head === undefined && reused) {
      this.#settle();
      this.#flight.resolve(again());
    } else this.#fail(() => networkError(this.#url, this.#spec, error, sent));
  }

  get #limits(): RequestLimits {
    return this.#spec.limits ?? noLimits;
  }

  /** From now on it may be silent for so long. */
  #extend(): void {
    const { idleMs } = this.#limits;
    if (idleMs === Infinity) this.#dueMs = Infinity;
    else this.#allow(idleMs, performance.now());
  }

  #allow(ms: number, fromMs: number): void {
    const before = this.#dueMs;
    this.#dueMs = fromMs + ms;
    if (this.#timer === undefined || this.#dueMs < before) this.#arm();
  }

  #arm(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.#dueMs === Infinity) return;
    this.#timer = setTimeout(
      () => {
        // not yet: its time was put off, or is longer than timers are
        if (performance.now() < this.#dueMs) this.#arm();
        else this.#onTimeout();
      },
      Math.min(Math.ceil(this.#dueMs - performance.now()), maxTimerMs),
    );
  }

  #onTimeout(): void {
    const { headersMs, idleMs } = this.#limits;
    // a silent long poll is not a failure, whether or not its headers came: a proxy may hold them back
    if (this.#spec.longPoll === true) this.#head ??= { status: 200, headers: {} };
    const [code, ms] =
      this.#head === undefined ? (["ERR_HEADER_TIMEOUT", headersMs] as const) : (["ERR_BODY_TIMEOUT", idleMs] as const);
    this.#fail(() => timeoutError(code, ms, this.#url, this.#spec, this.#flight.sent));
  }

  #fail(error: () => unknown): void {
    if (this.#spec.longPoll !== true || !endsEarly(this.#head)) {
      this.#refuse(error());
      return;
    }
    this.#settle();
    this.#flight.cancel();
    this.#flight.resolve({ status: 200, headers: {}, ...this.#head, body: "", truncated: true });
  }

  #refuse(reason: unknown): void {
    this.#settle();
    this.#flight.cancel();
    this.#flight.reject(reason);
  }

  #settle(): void {
    this.#settled = true;
    clearTimeout(this.#timer);
    this.#off();
  }
}

const noLimits: RequestLimits = { headersMs: Infinity, idleMs: Infinity };

/** Headers of a watch come when it begins: what goes wrong after good ones ends the poll, and loses nothing. */
function endsEarly(head: ResponseHead | undefined): boolean {
  return head !== undefined && head.status < 300;
}

function textOf(chunks: readonly Buffer[]): string {
  const [first] = chunks;
  return chunks.length === 1 && first !== undefined ? first.toString() : Buffer.concat(chunks).toString();
}
