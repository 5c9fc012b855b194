import type { Exchange, RawResponse, RequestSpec, ResponseHead } from "../http/exchange.js";
import { PendingResponse, type RequestInFlight } from "../http/pending-response.js";
import { onAbort, sleep, throwIfAborted, untilAborted } from "../util/signals.js";
import type { Cut, Cuttable } from "./tcp-proxy.js";

/**
 * How long a request takes to the server, and a response back, in ms. Above 0, so that a loop without a pause takes
 * time, too.
 */
const latencyMs = 1;

/** What `TcpProxy` is to sockets: a transport in front of another one, whose connections can be cut. For virtual time. */
export class MemoryProxy implements Cuttable, AsyncDisposable {
  /** The transport to use. It keeps the limits of a request, and reports a lost connection as a network error. */
  readonly exchange: Exchange;
  readonly #to: Exchange;
  readonly #open = new Set<AbortController>();
  #cut: Cut | undefined;
  #slowMs = 0;

  /** @param to the server's own transport; it need not keep limits */
  constructor(to: Exchange) {
    this.#to = to;
    const exchange: Exchange = (url, spec, signal) =>
      new Promise((resolve, reject) => {
        throwIfAborted(signal);
        const connection = new AbortController();
        const request = new MemoryRequest(connection, resolve, reject);
        const response = new PendingResponse(url, spec, signal, request, performance.now());
        void this.#pass({ url, spec, connection, response });
      });
    this.exchange = Object.assign(exchange, { sharesSignals: true });
  }

  /** Delays all responses by this time, in ms; 0 ends the delay. Requests are not delayed. */
  slow(ms: number): void {
    this.#slowMs = ms;
  }

  cut(how: Cut): void {
    this.#cut = how;
    if (how === "refuse") this.#closeAll();
  }

  /** Lets new requests through. Those that hung fail. */
  heal(): void {
    this.#cut = undefined;
    this.#closeAll();
  }

  /** Cuts all connections, and refuses new ones. */
  close(): Promise<void> {
    this.cut("refuse");
    return Promise.resolve();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #pass({ url, spec, connection, response }: Passing): Promise<void> {
    const { signal } = connection;
    this.#open.add(connection);
    const off = onAbort(signal, () => {
      response.fail(connectionReset());
    });
    try {
      await sleep(latencyMs, signal);
      if (this.#cut === "refuse") throw connectionReset();
      if (this.#cut === "hang") await ended(signal);
      let head: Promise<void> | undefined;
      const onHeaders = (early: ResponseHead): void => {
        head = this.#back(signal).then(() => {
          response.begin(early);
        });
        head.catch(() => undefined);
      };
      const { limits: _, onPart: __, ...unlimited } = spec;
      const raw = await this.#to(url, { ...unlimited, onHeaders }, signal);
      await Promise.all([head, this.#back(signal)]);
      if (head === undefined) response.begin(raw);
      this.#finish(response, raw);
    } catch (error) {
      response.fail(error);
    } finally {
      off();
      this.#open.delete(connection);
    }
  }

  #finish(response: PendingResponse, { body, truncated }: RawResponse): void {
    if (body.length > 0) response.take(Buffer.from(body));
    if (truncated === true) response.fail(connectionReset());
    else response.end();
  }

  /** Delays a response on its way back. */
  async #back(signal: AbortSignal): Promise<void> {
    await sleep(latencyMs + this.#slowMs, signal);
    if (this.#cut !== undefined) await ended(signal);
  }

  #closeAll(): void {
    for (const connection of this.#open) connection.abort(connectionReset());
  }
}

interface Passing {
  readonly url: URL;
  readonly spec: RequestSpec;
  /** Aborts when either side closes the connection. */
  readonly connection: AbortController;
  readonly response: PendingResponse;
}

class MemoryRequest implements RequestInFlight {
  readonly sent = true;
  readonly reused = false;
  readonly resolve: RequestInFlight["resolve"];
  readonly reject: RequestInFlight["reject"];
  readonly #connection: AbortController;

  constructor(connection: AbortController, resolve: RequestInFlight["resolve"], reject: RequestInFlight["reject"]) {
    this.#connection = connection;
    this.resolve = resolve;
    this.reject = reject;
  }

  cancel(): void {
    this.#connection.abort(connectionReset());
  }

  dropIdle(): void {
    // there are no idle connections
  }

  resend(): undefined {
    return undefined;
  }

  ref(): void {
    // nothing here keeps the process alive
  }

  unref(): void {
    // nothing here keeps the process alive
  }
}

/** Waits until the connection is closed, which it rejects with. */
async function ended(signal: AbortSignal): Promise<never> {
  await untilAborted(signal);
  throw connectionReset();
}

function connectionReset(): Error {
  return Object.assign(new Error("read ECONNRESET"), { code: "ECONNRESET" });
}
