import type { Dispatcher } from "undici";
import { throwIfAborted } from "../../util/signals.js";
import { anything, requireFields, type Checks } from "../../util/fields.js";
import { badArgument } from "../../util/validate.js";
import type { Exchange, RawResponse, RequestSpec } from "../exchange.js";
import { isHandshakeAlert } from "../network-error.js";
import { PendingResponse, type RequestInFlight } from "../pending-response.js";
import { singleHeaders } from "../single-headers.js";
import { checkedTls, nodeTlsOptions, type TlsOptions } from "../tls-options.js";
import type { Connection } from "./connection.js";
import { Connections } from "./connections.js";
import { sendByDispatcher } from "./dispatched-request.js";
import { headersOf } from "./headers.js";
import { asNodeError } from "./socket-error.js";

/** Options of {@link undiciExchange}. */
export interface UndiciExchangeOptions {
  /** Like the client's `tls`, which applies to the default transport only. */
  readonly tls?: TlsOptions | undefined;
  /**
   * A dispatcher of the package `undici`, version 7, that carries the requests: a `ProxyAgent`, an `Agent`, a `MockAgent`. It
   * has its own TLS options and connections, and its owner closes it. Absent: the transport makes its own connections.
   */
  readonly dispatcher?: Dispatcher | undefined;
}

/**
 * The fast transport: `new Client({ endpoints, transport: undiciExchange() })`. It keeps every promise of the default
 * one, for much less CPU time, and needs the package `undici`, version 7, beside this one. Make one for each client;
 * the client closes it.
 *
 * @throws {UsageError} a bad option
 */
export function undiciExchange(options: UndiciExchangeOptions = {}): Exchange {
  requireFields("options", options, optionChecks);
  const { dispatcher } = options;
  if (dispatcher !== undefined) return overDispatcher(dispatcher, options.tls);
  const tls = checkedTls(options.tls ?? {});
  const connections = new Connections(nodeTlsOptions(tls));
  const exchange = (url: URL, spec: RequestSpec, signal: AbortSignal | undefined): Promise<RawResponse> =>
    send(connections, url, spec, signal, performance.now());
  const close = (): void => {
    connections.close();
  };
  return Object.assign(exchange, { close, sharesSignals: true, presentsCertificate: tls.cert !== undefined });
}

// each is checked where it is used
const optionChecks: Checks<UndiciExchangeOptions> = { tls: anything, dispatcher: anything };

function overDispatcher(dispatcher: Dispatcher, tls: TlsOptions | undefined): Exchange {
  const given: unknown = dispatcher;
  if (typeof given !== "object" || given === null || !("dispatch" in given) || typeof given.dispatch !== "function") {
    badArgument("options.dispatcher must be a Dispatcher of undici");
  }
  if (tls !== undefined)
    badArgument("options.tls has no effect on options.dispatcher: pass it to the dispatcher itself");
  const exchange = (url: URL, spec: RequestSpec, signal: AbortSignal | undefined): Promise<RawResponse> =>
    sendByDispatcher(dispatcher, url, spec, signal);
  return Object.assign(exchange, { sharesSignals: true });
}

function send(
  connections: Connections,
  url: URL,
  spec: RequestSpec,
  signal: AbortSignal | undefined,
  sinceMs: number,
): Promise<RawResponse> {
  return new Promise((resolve, reject) => {
    throwIfAborted(signal);
    new UndiciRequest(connections, url, spec, signal, sinceMs, resolve, reject).start();
  });
}

/** One request in flight through undici, on a connection of its own. */
class UndiciRequest implements RequestInFlight, Dispatcher.DispatchHandler {
  sent = false;
  reused = false;
  readonly resolve: RequestInFlight["resolve"];
  readonly reject: RequestInFlight["reject"];
  readonly #connections: Connections;
  readonly #connection: Connection;
  readonly #url: URL;
  readonly #spec: RequestSpec;
  readonly #signal: AbortSignal | undefined;
  readonly #sinceMs: number;
  #response: PendingResponse | undefined;
  /** Whether the connection was closed by us. */
  #closed = false;

  constructor(
    connections: Connections,
    url: URL,
    spec: RequestSpec,
    signal: AbortSignal | undefined,
    sinceMs: number,
    resolve: RequestInFlight["resolve"],
    reject: RequestInFlight["reject"],
  ) {
    this.#connections = connections;
    this.#connection = connections.take(url.origin, spec.longPoll === true);
    this.#url = url;
    this.#spec = spec;
    this.#signal = signal;
    this.#sinceMs = sinceMs;
    this.resolve = resolve;
    this.reject = reject;
  }

  /** To be called once. */
  start(): void {
    const { pathname, search } = this.#url;
    const { method, body, bytes } = this.#spec;
    this.#response = new PendingResponse(this.#url, this.#spec, this.#signal, this, this.#sinceMs);
    this.#connection.client.dispatch(
      { path: pathname + search, method, headers: headersOf(this.#spec), body: body ?? bytes ?? null },
      this,
    );
  }

  cancel(): void {
    this.#connection.drop();
  }

  dropIdle(): void {
    this.#connections.dropIdle(this.#url.origin);
  }

  resend(): Promise<RawResponse> | undefined {
    if (this.#closed) return undefined;
    return send(this.#connections, this.#url, this.#spec, this.#signal, this.#sinceMs);
  }

  ref(): void {
    this.#connection.ref();
  }

  unref(): void {
    this.#connection.unref();
  }

  /** The connection is established, with TLS its handshake; the request is written next. */
  onRequestStart(): void {
    this.sent = true;
    this.reused = this.#connection.use();
  }

  onResponseStart(
    _controller: unknown,
    status: number,
    headers: Readonly<Record<string, string | string[] | undefined>>,
  ): void {
    // informational responses come before the final one
    if (status >= 200) this.#response?.begin({ status, headers: singleHeaders(headers) });
  }

  onResponseData(_controller: unknown, part: Buffer): void {
    this.#response?.take(part);
  }

  onResponseEnd(): void {
    this.#connection.keep();
    this.#response?.end();
  }

  onResponseError(_controller: unknown, error: Error): void {
    const { dropped, failure = error } = this.#connection;
    this.#closed = dropped;
    this.#connection.drop();
    // on a kept connection the handshake was over long ago
    if (isHandshakeAlert(failure) && !this.reused) this.sent = false;
    this.#response?.fail(asNodeError(failure));
  }
}
