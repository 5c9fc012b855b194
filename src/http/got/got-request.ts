import type { ClientRequest, IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import { tcpKeepAliveMs } from "../connection-limits.js";
import { throwIfAborted } from "../../util/signals.js";
import type { RawResponse, RequestSpec } from "../exchange.js";
import { isHandshakeAlert } from "../network-error.js";
import { PendingResponse, type RequestInFlight } from "../pending-response.js";
import { singleHeaders } from "../single-headers.js";
import type { GotTransport } from "./got-transport.js";

/** The fields of got's options that this fills in. The options belong to one request. */
export interface FillableOptions {
  readonly headers: Record<string, string | readonly string[] | undefined>;
  body?: unknown;
}

/** Sends one request through got. */
export function sendByGot(
  transport: GotTransport,
  url: URL,
  spec: RequestSpec,
  signal: AbortSignal | undefined,
  sinceMs: number,
): Promise<RawResponse> {
  return new Promise((resolve, reject) => {
    throwIfAborted(signal);
    new GotRequest(transport, url, spec, signal, sinceMs, resolve, reject).start();
  });
}

/** One request in flight through got: its headers and body, the Node request that carries it, and whether anything was sent. */
export class GotRequest implements RequestInFlight {
  sent = false;
  reused = false;
  readonly resolve: RequestInFlight["resolve"];
  readonly reject: RequestInFlight["reject"];
  readonly #transport: GotTransport;
  readonly #url: URL;
  readonly #spec: RequestSpec;
  readonly #signal: AbortSignal | undefined;
  readonly #sinceMs: number;
  #stream: Duplex | undefined;
  #request: ClientRequest | undefined;

  constructor(
    transport: GotTransport,
    url: URL,
    spec: RequestSpec,
    signal: AbortSignal | undefined,
    sinceMs: number,
    resolve: RequestInFlight["resolve"],
    reject: RequestInFlight["reject"],
  ) {
    this.#transport = transport;
    this.#url = url;
    this.#spec = spec;
    this.#signal = signal;
    this.#sinceMs = sinceMs;
    this.resolve = resolve;
    this.reject = reject;
  }

  /** To be called once. */
  start(): void {
    const stream = this.#transport.start(this, this.#url, this.#spec);
    this.#follow(stream);
    const response = new PendingResponse(this.#url, this.#spec, this.#signal, this, this.#sinceMs);
    stream.on("response", ({ statusCode: status = 0, headers }: IncomingMessage) => {
      response.begin({ status, headers: singleHeaders(headers) });
    });
    stream.on("data", (part: Buffer) => {
      response.take(part);
    });
    stream.on("end", () => {
      this.#letGo();
      response.end();
    });
    // stays on for the stream's life: an error without a listener would end the process
    stream.on("error", (error: Error) => {
      // on a kept connection the handshake was over long ago
      if (isHandshakeAlert(error) && !this.reused) this.sent = false;
      response.fail(error);
    });
  }

  /** To be called in a handler of got's, before the request is made. */
  fill(options: FillableOptions): void {
    const { headers, body, bytes } = this.#spec;
    for (const name in headers) options.headers[name] = headers[name];
    if (body !== undefined) options.body = body;
    else if (bytes !== undefined) options.body = bytes;
  }

  /** Writes the request that Node has made, and waits for the head of its response. */
  readonly send = (request: ClientRequest): Promise<IncomingMessage> => {
    this.#watch(request);
    const { body, bytes } = this.#spec;
    return new Promise((resolve, reject) => {
      let responded = false;
      request.on("response", (head: IncomingMessage) => {
        responded = true;
        resolve(head);
      });
      // stays on for the request's life: an error without a listener would end the process
      request.on("error", reject);
      request.on("close", () => {
        // neither a response nor an error: a 101 that was not requested
        if (!responded) reject(Object.assign(new Error("socket hang up"), { code: "ECONNRESET" }));
      });
      request.end(body ?? bytes);
    });
  };

  cancel(): void {
    this.#stream?.destroy();
    this.#request?.destroy();
    this.#letGo();
  }

  dropIdle(): void {
    this.#transport.dropIdle(this.#url);
  }

  resend(): Promise<RawResponse> {
    return sendByGot(this.#transport, this.#url, this.#spec, this.#signal, this.#sinceMs);
  }

  ref(): void {
    this.#request?.socket?.ref();
  }

  unref(): void {
    this.#request?.socket?.unref();
  }

  #follow(stream: Duplex): void {
    this.#stream = stream;
    // emitted only where got sends the request itself
    stream.on("request", (request: ClientRequest) => {
      this.#watch(request);
    });
    // a request without a body must be ended, too; for GET got does so itself
    const { method, body, bytes } = this.#spec;
    if (method !== "GET" && body === undefined && bytes === undefined) stream.end();
  }

  /**
   * Drops the references when the request is over. If they were held any longer, they would survive into the old
   * generation, and the request would cost half as much again.
   */
  #letGo(): void {
    this.#stream = this.#request = undefined;
  }

  #watch(request: ClientRequest): void {
    this.#request = request;
    if (request.socket === null) {
      request.once("socket", () => {
        this.#onSocket(request);
      });
    } else this.#onSocket(request);
  }

  #onSocket({ socket, reusedSocket }: ClientRequest): void {
    // a connect that failed at once has destroyed its socket by now, and nothing is written to one that is destroyed
    if (socket === null || socket.destroyed) return;
    this.reused = reusedSocket;
    const handshake = "secureConnecting" in socket;
    const connecting = handshake ? socket.secureConnecting === true : socket.connecting;
    if (!connecting) {
      this.sent = true;
      return;
    }
    socket.once(handshake ? "secureConnect" : "connect", () => (this.sent = true));
    // for TLS sockets the agent sets this only when they are released, on Node 20 and 22: too late for a first long poll
    socket.setKeepAlive(true, tcpKeepAliveMs);
  }
}
