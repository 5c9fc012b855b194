// Node loads it when a server first listens. Loading it here moves that cost (0.7 ms of CPU) from the first start to
// the import.
import "node:dns";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import { isLineTooLong, maxHeaderBytes, readRequest, writeResponse, writeHead } from "../server/http-server.js";
import { onAbort } from "../util/signals.js";
import type { FakeClock } from "./clock.js";
import type { Connections, Handler } from "./connections.js";
import type { Delivery } from "./delivery.js";

/** A member's HTTP server on a port of 127.0.0.1. Neither it nor its connections keep the process alive. */
export class Listener {
  readonly #handle: Handler;
  readonly #connections: Connections;
  readonly #clock: FakeClock;
  /** Connections that have sent a request. */
  readonly #used = new WeakSet<Socket>();
  #server: Server | undefined;
  #port = 0;

  constructor(handle: Handler, connections: Connections, clock: FakeClock) {
    this.#handle = handle;
    this.#connections = connections;
    this.#clock = clock;
  }

  get url(): string {
    return `http://127.0.0.1:${String(this.#port)}`;
  }

  /** Opens the port: a free one the first time, the same one later. */
  async open(): Promise<void> {
    if (this.#server !== undefined) return;
    const server = createServer(serverOptions, (request, response) => {
      void this.#serve(request, response);
    });
    this.#server = server;
    server.on("connection", (socket: Socket) => socket.unref());
    await new Promise<void>((resolve, reject) => {
      server.once("error", reject);
      server.listen({ port: this.#port, host: "127.0.0.1" }, resolve);
    });
    server.unref();
    this.#port = (server.address() as AddressInfo).port;
  }

  /** Closes the port, and resets all connections. */
  async close(): Promise<void> {
    const server = this.#server;
    if (server === undefined) return;
    this.#server = undefined;
    const closed = new Promise<void>((resolve) => {
      server.close(() => {
        resolve();
      });
    });
    server.closeAllConnections();
    await closed;
  }

  async #serve(incoming: IncomingMessage, response: ServerResponse): Promise<void> {
    const { socket } = incoming;
    const first = !this.#used.has(socket);
    this.#used.add(socket);
    if (first && isLineTooLong(incoming)) {
      socket.resetAndDestroy();
      return;
    }
    const exchange = this.#connections.begin();
    const gone = (): void => {
      exchange.abort();
    };
    response.once("close", gone);
    onAbort(exchange.signal, () => {
      if (!response.writableEnded) socket.resetAndDestroy();
    });
    try {
      const request = await readRequest(incoming, exchange.signal);
      await this.#deliver(response, await this.#handle(request), exchange.signal);
    } catch (error) {
      // the client has disconnected, or the connection was cut
      if (!exchange.signal.aborted) throw error;
    } finally {
      this.#connections.end(exchange);
    }
  }

  async #deliver(to: ServerResponse, delivery: Delivery, signal: AbortSignal): Promise<void> {
    if (to.shouldKeepAlive) to.removeHeader("connection");
    if (delivery.kind === "reset") to.socket?.resetAndDestroy();
    else if (delivery.kind === "close") to.socket?.end();
    else if (delivery.cutAfter !== undefined) await cutOff(to, delivery, delivery.cutAfter);
    else {
      const { response, bodyDelayMs, twice } = delivery;
      const value = twice === undefined ? undefined : response.headers[twice];
      if (bodyDelayMs !== undefined) {
        writeHead(to, response);
        to.flushHeaders();
        await this.#clock.sleep(bodyDelayMs, signal);
        to.end(response.body);
      } else if (twice !== undefined && value !== undefined) {
        const { [twice]: _value, ...headers } = response.headers;
        to.setHeader(twice, [value, value]);
        await writeResponse(to, { ...response, headers });
      } else await writeResponse(to, response);
    }
  }
}

/** Go's server has no timeouts for its clients. */
const serverOptions = { maxHeaderSize: maxHeaderBytes, keepAliveTimeout: 0, requestTimeout: 0, headersTimeout: 0 };

/** Sends the head and a part of the body, then resets the connection. */
async function cutOff(
  to: ServerResponse,
  { response }: Extract<Delivery, { readonly kind: "response" }>,
  bytes: number,
): Promise<void> {
  const body = Buffer.from(response.body);
  if (response.lines === undefined) to.setHeader("Content-Length", body.length);
  writeHead(to, response);
  to.flushHeaders();
  await new Promise<void>((resolve) => {
    to.write(bytes === 0 ? " " : body.subarray(0, bytes), () => {
      resolve();
    });
  });
  to.socket?.resetAndDestroy();
}
