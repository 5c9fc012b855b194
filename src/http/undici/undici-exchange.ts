import type { Dispatcher } from "undici";
import type { Exchange, RawResponse, RequestSpec } from "../exchange.js";
import { maxStaleConnections } from "../kept-connections.js";
import { isHandshakeAlert } from "../network-error.js";
import { PendingAnswer, type Flight } from "../pending-answer.js";
import { singleHeaders } from "../single-headers.js";
import { checkedTls, nodeTlsOptions, type TlsOptions } from "../tls-options.js";
import { requireOptions } from "../../util/validate.js";
import { Connections, type Connection } from "./connections.js";
import { asNodeSays } from "./node-words.js";

export interface UndiciExchangeOptions {
  /** What `tls` of the client is for the default transport: the client's own does not reach one that it is given. */
  readonly tls?: TlsOptions | undefined;
}

/**
 * The fast transport: `new Client({ endpoints, transport: undiciExchange() })`. It keeps every promise of the default one,
 * for much less CPU time, and needs the package `undici`, version 7, beside this one. One for each client, which closes it.
 *
 * @throws {UsageError} for bad options
 */
export function undiciExchange(options: UndiciExchangeOptions = {}): Exchange {
  requireOptions("options", options, optionNames);
  const connections = new Connections(nodeTlsOptions(checkedTls(options.tls ?? {})));
  const exchange = (url: URL, spec: RequestSpec, signal: AbortSignal | undefined): Promise<RawResponse> =>
    once(connections, url, spec, signal, maxStaleConnections);
  const close = (): void => {
    connections.close();
  };
  return Object.assign(exchange, { close, sharesSignals: true });
}

const optionNames: ReadonlySet<string> = new Set<keyof UndiciExchangeOptions>(["tls"]);

function once(
  connections: Connections,
  url: URL,
  spec: RequestSpec,
  signal: AbortSignal | undefined,
  stale: number,
  sinceMs = performance.now(),
): Promise<RawResponse> {
  return new Promise((resolve, reject) => {
    signal?.throwIfAborted();
    const connection = connections.take(url.origin);
    const again =
      stale > 0 ? (): Promise<RawResponse> => once(connections, url, spec, signal, stale - 1, sinceMs) : undefined;
    const handler = new Handler(connection, again, resolve, reject);
    handler.answer = new PendingAnswer(url, spec, signal, handler, sinceMs);
    const body = spec.body ?? spec.bytes ?? null;
    connection.client.dispatch(
      { path: url.pathname + url.search, method: spec.method, headers: headersOf(spec), body },
      handler,
    );
  });
}

/** What undici tells of one request, handed on. */
class Handler implements Flight, Dispatcher.DispatchHandler {
  readonly resolve: Flight["resolve"];
  readonly reject: Flight["reject"];
  answer: PendingAnswer | undefined;
  sent = false;
  reused = false;
  readonly #connection: Connection;
  readonly #again: (() => Promise<RawResponse>) | undefined;

  constructor(
    connection: Connection,
    again: (() => Promise<RawResponse>) | undefined,
    resolve: Flight["resolve"],
    reject: Flight["reject"],
  ) {
    this.#connection = connection;
    this.#again = again;
    this.resolve = resolve;
    this.reject = reject;
  }

  cancel(): void {
    this.#connection.drop();
  }

  /** The connection is there, with TLS its handshake; what follows is the writing. */
  onRequestStart(): void {
    this.sent = true;
    this.reused = this.#connection.use();
  }

  onResponseStart(
    _controller: unknown,
    status: number,
    headers: Readonly<Record<string, string | string[] | undefined>>,
  ): void {
    // 1xx come before the answer
    if (status >= 200) this.answer?.begin({ status, headers: singleHeaders(headers) });
  }

  onResponseData(_controller: unknown, chunk: Buffer): void {
    this.answer?.take(chunk);
  }

  onResponseEnd(): void {
    this.#connection.keep();
    this.answer?.end();
  }

  onResponseError(_controller: unknown, error: Error): void {
    const { dropped, failure = error } = this.#connection;
    this.#connection.drop();
    // on a kept connection the handshake is long over
    if (isHandshakeAlert(failure) && !this.reused) this.sent = false;
    this.answer?.fail(asNodeSays(failure), dropped ? undefined : this.#again);
  }
}

function headersOf({ headers }: RequestSpec): string[] {
  const list = ["user-agent", "etcd2"];
  for (const name in headers) list.push(name, headers[name] ?? "");
  return list;
}
