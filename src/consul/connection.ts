import type { Exchange, RawResponse, RequestSpec, Sender } from "../http/exchange.js";
import { gotExchange } from "../http/got/got-exchange.js";
import { networkError } from "../http/network-error.js";
import { withRedirects } from "../http/redirects.js";
import { withTrace } from "../http/trace.js";
import { bounded } from "../util/bounded.js";
import { SdkError } from "../util/errors.js";
import { closedError } from "../util/handle.js";
import { Limiter } from "../util/limiter.js";
import { log } from "../util/log.js";
import { linkSignal, throwIfAborted } from "../util/signals.js";
import { requireSignal } from "../util/validate.js";
import { durationMs } from "./durations.js";
import { ConsulError } from "./errors.js";
import type { Logger, ResolvedOptions } from "./options.js";
import { PollSlots } from "./poll-slots.js";
import { withoutSecrets, withSafeRedirects } from "./secrets.js";

const maxRedirects = 10;
/**
 * Consul closes connections beyond 200 from one address. Calls and long polls each have a share of them; the rest is for
 * the requests that keep a leader, which do not queue.
 */
const maxCalls = 64;
const maxPolls = 96;
/** How long Consul waits if a long poll does not specify it, in ms. */
const defaultWaitMs = 300_000;

/** The connection to one Consul agent: token, time limits, redirects, and how many requests run at once. */
export class Connection implements Sender, AsyncDisposable {
  /** The user's logger; what it throws becomes a process warning. */
  readonly logger: Logger;
  readonly #base: string;
  readonly #timeoutMs: number;
  readonly #token: string;
  readonly #transport: Exchange;
  readonly #exchange: Exchange;
  readonly #closed = new AbortController();
  readonly #calls = new Limiter(maxCalls);
  readonly #polls = new PollSlots(maxPolls);
  #closing: Promise<void> | undefined;

  constructor({ address, httpTimeoutMs, token, logger, tls, transport }: ResolvedOptions) {
    this.#base = address.href.replace(/\/+$/, "");
    this.#timeoutMs = httpTimeoutMs;
    this.logger = logger;
    this.#transport = transport ?? gotExchange(tls);
    this.#token = token;
    // innermost, so that no trace shows the token, and no redirect carries it
    const exchange = withToken(this.#transport, token, address.origin);
    this.#exchange = withRedirects(withSafeRedirects(withTrace(exchange), token !== ""), {
      limit: maxRedirects,
      check: undefined,
      trusts: (url) => url.origin === address.origin,
    });
  }

  /** Sends calls without queueing them: a renewal that waits could cost a leader its lock. Long polls take their share like all others. */
  readonly ahead: Sender = { send: (spec, signal) => this.#send(spec, signal, (run) => run()) };

  /** Sends a request once it has a slot. */
  send(spec: RequestSpec, signal?: AbortSignal): Promise<RawResponse> {
    return this.#send(spec, signal, this.#inTurn);
  }

  /** Ends the requests in progress, and closes the transport. Idempotent. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  /** The same as {@link close}. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #send(spec: RequestSpec, signal: AbortSignal | undefined, inTurn: InTurn): Promise<RawResponse> {
    if (this.#closing !== undefined) throw closedError("the client");
    requireSignal("signal", signal);
    throwIfAborted(signal);
    const link = linkSignal(signal, this.#closed.signal);
    try {
      const raw = await (spec.longPoll === true
        ? this.#poll(spec, link.signal)
        : inTurn(() => this.#once(spec, link.signal), link.signal));
      if (raw.status < 400) return raw;
      if (raw.status !== 404) this.#failed(spec, `status ${String(raw.status)}`);
      return { ...raw, body: withoutSecrets(raw.body, this.#token, spec) };
    } catch (error) {
      link.signal.throwIfAborted();
      // a transport of the user's own may reject with anything
      const known = error instanceof SdkError ? error : networkError(this.#urlOf(spec), spec, error, true);
      this.#failed(spec, known.message);
      throw known;
    } finally {
      link.unlink();
    }
  }

  async #close(): Promise<void> {
    this.#closed.abort(closedError("the client"));
    await this.#transport.close?.();
  }

  readonly #inTurn: InTurn = (run, signal) => this.#calls.run(run, signal);

  /** Sends a long poll if there is room for one more, else a short poll now and then. */
  async #poll(spec: RequestSpec, signal: AbortSignal): Promise<RawResponse> {
    const slot = await this.#polls.take(signal);
    if (slot === undefined) return this.#inTurn(() => this.#once(shortPoll(spec), signal), signal);
    // Consul may wait for a sixteenth longer, so that not all polls end together
    const untilMs = performance.now() + (waitOf(spec) * 17) / 16;
    try {
      return await this.#once(spec, signal);
    } finally {
      slot.release(signal.aborted ? untilMs : 0);
    }
  }

  async #once(spec: RequestSpec, signal: AbortSignal): Promise<RawResponse> {
    signal.throwIfAborted();
    const url = this.#urlOf(spec);
    const ms = spec.longPoll === true ? Infinity : Math.min(this.#timeoutMs, spec.limits?.headersMs ?? Infinity);
    if (ms === Infinity) return this.#exchange(url, spec, signal);
    // the limit is on the whole request: the transport has none of its own
    const { limits: _, ...unlimited } = spec;
    const tooLate = (): ConsulError =>
      new ConsulError("ERR_TIMEOUT", `no complete response within ${String(Math.round(ms))} ms`, spec);
    return bounded(ms, signal, tooLate, (each) => this.#exchange(url, unlimited, each));
  }

  #urlOf({ path, query = "" }: RequestSpec): URL {
    return new URL(`${this.#base}${path}${query === "" ? "" : `?${query}`}`);
  }

  #failed({ method, path }: RequestSpec, why: string): void {
    log.consul("%s %s: %s", method, path, why);
    this.logger("request failed", { method, path, why });
  }
}

type InTurn = (run: () => Promise<RawResponse>, signal: AbortSignal) => Promise<RawResponse>;

function waitOf({ query = "" }: RequestSpec): number {
  const ms = durationMs(new URLSearchParams(query).get("wait") ?? "") ?? 0;
  return ms > 0 ? ms : defaultWaitMs;
}

/** The same query with the shortest wait, so that Consul responds at once. */
function shortPoll(spec: RequestSpec): RequestSpec {
  const params = new URLSearchParams(spec.query);
  params.set("wait", "1ms");
  return { ...spec, query: params.toString(), longPoll: undefined, limits: undefined };
}

function withToken(exchange: Exchange, token: string, origin: string): Exchange {
  if (token === "") return exchange;
  return (url, spec, signal) =>
    exchange(
      url,
      url.origin === origin ? { ...spec, headers: { ...spec.headers, "x-consul-token": token } } : spec,
      signal,
    );
}
