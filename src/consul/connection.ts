import pLimit from "p-limit";
import { SdkError, UsageError } from "../util/errors.js";
import type { Exchange, RawResponse, RequestSpec, Sender } from "../http/exchange.js";
import { gotExchange } from "../http/got/got-exchange.js";
import { networkError } from "../http/network-error.js";
import { withRedirects } from "../http/redirects.js";
import { withTrace } from "../http/trace.js";
import { bounded } from "../util/bounded.js";
import { log } from "../util/log.js";
import { abortable, linkSignal } from "../util/signals.js";
import { requireSignal } from "../util/validate.js";
import { ConsulError } from "./errors.js";
import type { Logger, ResolvedOptions } from "./options.js";

const maxRedirects = 10;
/** Requests at once; others wait their turn. Consul drops connections beyond 200 of one client, long polls included. */
const maxInFlight = 100;

/** The way to one agent: token, time limits, redirects. */
export class Connection implements Sender, AsyncDisposable {
  readonly #base: string;
  readonly #timeoutMs: number;
  readonly #logger: Logger;
  readonly #transport: Exchange;
  readonly #exchange: Exchange;
  readonly #closed = new AbortController();
  readonly #limit = pLimit(maxInFlight);
  #closing: Promise<void> | undefined;

  constructor({ address, httpTimeoutMs, token, logger, tls, transport }: ResolvedOptions) {
    this.#base = address.href.replace(/\/+$/, "");
    this.#timeoutMs = httpTimeoutMs;
    this.#logger = safely(logger);
    this.#transport = transport ?? gotExchange(tls);
    // inside of both: no trace shows the token, no redirect takes it along
    const exchange = withToken(this.#transport, token, address.origin);
    this.#exchange = withRedirects(withTrace(exchange), {
      limit: maxRedirects,
      check: undefined,
      trusts: (url) => url.origin === address.origin,
      presentsCertificate: this.#transport.presentsCertificate,
    });
  }

  get logger(): Logger {
    return this.#logger;
  }

  /** Sends without waiting for its turn: what keeps a leader must not stand in a queue. */
  readonly ahead: Sender = { send: (spec, signal) => this.#send(spec, signal, (run) => run()) };

  send(spec: RequestSpec, signal?: AbortSignal): Promise<RawResponse> {
    return this.#send(spec, signal, (run, link) =>
      spec.longPoll === true ? run() : abortable(this.#limit(run), link),
    );
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #send(spec: RequestSpec, signal: AbortSignal | undefined, inTurn: InTurn): Promise<RawResponse> {
    if (this.#closing !== undefined) throw closedError();
    requireSignal("signal", signal);
    signal?.throwIfAborted();
    const link = linkSignal(signal, this.#closed.signal);
    try {
      const raw = await inTurn(() => this.#once(spec, link.signal), link.signal);
      if (raw.status >= 400 && raw.status !== 404) this.#failed(spec, `status ${String(raw.status)}`);
      return raw;
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
    this.#closed.abort(closedError());
    this.#limit.clearQueue();
    await this.#transport.close?.();
  }

  async #once(spec: RequestSpec, signal: AbortSignal): Promise<RawResponse> {
    signal.throwIfAborted();
    const url = this.#urlOf(spec);
    const ms = spec.longPoll === true ? Infinity : Math.min(this.#timeoutMs, spec.limits?.headersMs ?? Infinity);
    if (ms === Infinity) return this.#exchange(url, spec, signal);
    // the limit is on the whole: the transport has none of its own
    const { limits: _, ...unlimited } = spec;
    const tooLate = (): ConsulError =>
      new ConsulError("TIMEOUT", `no answer within ${String(Math.round(ms))} ms`, spec);
    return bounded(ms, signal, tooLate, (each) => this.#exchange(url, unlimited, each));
  }

  #urlOf({ path, query = "" }: RequestSpec): URL {
    return new URL(`${this.#base}${path}${query === "" ? "" : `?${query}`}`);
  }

  #failed({ method, path }: RequestSpec, why: string): void {
    log.consul("%s %s: %s", method, path, why);
    this.#logger("request failed", { method, path, why });
  }
}

type InTurn = (run: () => Promise<RawResponse>, signal: AbortSignal) => Promise<RawResponse>;

function withToken(exchange: Exchange, token: string, origin: string): Exchange {
  if (token === "") return exchange;
  return (url, spec, signal) =>
    exchange(
      url,
      url.origin === origin ? { ...spec, headers: { ...spec.headers, "x-consul-token": token } } : spec,
      signal,
    );
}

/** A logger that fails is not the caller's failure. */
function safely(logger: Logger | undefined): Logger {
  return (message, fields) => {
    try {
      logger?.(message, fields);
    } catch (error) {
      log.consul("the logger threw: %s", error instanceof Error ? error.message : "");
    }
  };
}

function closedError(): UsageError {
  return new UsageError("ERR_CLOSED", "the client is closed");
}
