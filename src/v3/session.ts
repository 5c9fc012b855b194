import type { RequestLimits } from "../http/exchange.js";
import { EndpointError } from "../util/errors.js";
import { linkSignal } from "../util/signals.js";
import type { ClusterView } from "./cluster-view.js";
import { headerOf, malformed, type Header, type Json } from "./decode.js";
import type { Gateway } from "./gateway.js";
import type { Hints } from "./hints.js";
import type { Layout } from "./layout.js";
import type { LeaseTimes } from "./lease-times.js";
import type { ResolvedV3Options } from "./options.js";
import type { Identity } from "./tokens.js";

/** What a request to the gateway is for. */
export interface RequestPurpose {
  /** Leaves the keys as they are. @default false */
  readonly readOnly?: boolean | undefined;
  /** For curl lines. */
  readonly note?: string | undefined;
  /** Shown in curl lines in place of a body that holds a password. */
  readonly maskedBody?: string | undefined;
  /** Ends this request alone. */
  readonly signal?: AbortSignal | undefined;
  /** Whether its response knows every write that was acknowledged before it was sent. @default false */
  readonly isCurrent?: boolean;
}

/** What a session is made of. */
export interface SessionFields {
  readonly gateway: Gateway;
  readonly layout: Layout;
  readonly options: ResolvedV3Options;
  readonly identity: Identity;
  readonly signal: AbortSignal | undefined;
  /** For the whole call. Absent: none, as for a stream. */
  readonly limits: RequestLimits | undefined;
  /** Takes note of the header of every response. */
  readonly view: ClusterView;
  /** Remembers each lease that is granted or renewed. */
  readonly leaseTimes: LeaseTimes;
  /** What was seen of keys, for the choice of the first request. */
  readonly hints: Hints;
}

/** One call at one endpoint: for which user, and within which time. */
export class Session {
  readonly layout: Layout;
  readonly options: ResolvedV3Options;
  readonly identity: Identity;
  readonly gateway: Gateway;
  readonly signal: AbortSignal | undefined;
  readonly view: ClusterView;
  readonly leaseTimes: LeaseTimes;
  readonly hints: Hints;
  readonly #limits: RequestLimits | undefined;
  #startMs = performance.now();

  constructor(fields: SessionFields) {
    ({
      layout: this.layout,
      options: this.options,
      identity: this.identity,
      gateway: this.gateway,
      signal: this.signal,
      view: this.view,
      leaseTimes: this.leaseTimes,
      hints: this.hints,
    } = fields);
    this.#limits = fields.limits;
  }

  /** Starts the time for the call anew, for one that had to wait for its turn: nothing was sent before. */
  restart(): void {
    this.#startMs = performance.now();
  }

  /** Sends a request. It gets what is left of the time for the whole call. Rejects as `Gateway.post` does. */
  post(path: string, body: Json, purpose: RequestPurpose): Promise<Json> {
    return this.ask(path, body, purpose, (json) => json);
  }

  /** The same, and reads the response at once: another promise would cost each call time. Rejects also with what `read` throws. */
  ask<T>(path: string, body: Json, purpose: RequestPurpose, read: (json: Json, header: Header) => T): Promise<T> {
    const { readOnly, note, maskedBody, signal, isCurrent = false } = purpose;
    const see = isCurrent ? this.view.expectCurrent() : undefined;
    const limits = this.#limitsNow();
    if (limits !== undefined && limits.headersMs <= 0) return Promise.reject(this.#outOfTime());
    const link = signal === undefined ? undefined : linkSignal(signal, this.signal);
    const { token } = this.identity;
    const options = {
      signal: link?.signal ?? this.signal,
      token,
      readOnly,
      note,
      maskedBody,
      limits,
    };
    const received = this.gateway.ask(path, body, options, (json) => {
      // all responses have one: an empty object in place of one must not pass for "did not succeed", or for "no keys"
      if (json["header"] === undefined)
        throw malformed("it has no header", readOnly === true ? "notApplied" : "unknown");
      const header = headerOf(json);
      if (see === undefined) this.view.see(header);
      else see(header);
      return read(json, header);
    });
    return link === undefined ? received : received.finally(link.unlink);
  }

  #limitsNow(): RequestLimits | undefined {
    if (this.#limits === undefined) return undefined;
    const { headersMs, idleMs, bodyMs, bodyBytes } = this.#limits;
    return { headersMs: headersMs - (performance.now() - this.#startMs), idleMs, bodyMs, bodyBytes };
  }

  /** For a request that is not sent: it could not be waited for, and what became of a write would be unknown. */
  #outOfTime(): EndpointError {
    const endpoint = this.gateway.base.url;
    const message = `endpoint ${endpoint} exceeded header timeout of ${String(this.#limits?.headersMs)} ms`;
    return new EndpointError("ERR_HEADER_TIMEOUT", message, { endpoint, outcome: "notApplied" });
  }
}
