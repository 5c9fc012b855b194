import { createServer as createHttpServer, type RequestListener, type Server, type ServerOptions } from "node:http";
import { createServer as createHttpsServer } from "node:https";
import type { AddressInfo, Socket } from "node:net";
import { messageOf } from "../util/error-like.js";
import { maxTimerMs } from "../util/signals.js";
import { badArgument } from "../util/validate.js";
import { maxHeaderBytes } from "./http-server.js";
import type { ListenOptions } from "./v2-server-options.js";

export interface ListenerLimits {
  readonly maxConnections: number;
  /** Longest time until a request has arrived, in ms. */
  readonly requestTimeoutMs: number;
}

/** How long an idle connection is kept, in ms: longer than clients do, so that they do not meet one that was just closed. */
const keepAliveMs = 300_000;
/** After this silence the system asks the other end whether it is still there, in ms. etcd's own value. */
const probeAfterMs = 30_000;

/** An HTTP or HTTPS server with limits, and an orderly end. */
export class HttpListener {
  readonly #handler: RequestListener;
  readonly #limits: ListenerLimits;
  /** Every TCP connection; for HTTPS also those whose handshake is not over. */
  readonly #sockets = new Set<Socket>();
  /** The connections that requests arrive on: for HTTPS, the TLS sockets. */
  readonly #connections = new Set<Socket>();
  /** The connections that wait for a response. */
  readonly #busy = new Set<Socket>();
  #server: Server | undefined;
  #closing = false;

  constructor(handler: RequestListener, limits: ListenerLimits) {
    this.#handler = handler;
    this.#limits = limits;
  }

  /**
   * Begins to listen; resolves to the URL.
   *
   * @throws {UsageError} it listens already, or was closed
   * @throws the network's error
   */
  async listen({ host = "127.0.0.1", port, tls }: ListenOptions): Promise<string> {
    if (this.#closing) badArgument("this server was closed");
    if (this.#server !== undefined) badArgument("this server listens already");
    const server = this.#create(tls);
    this.#server = server;
    try {
      await new Promise<void>((resolve, reject) => {
        server.once("error", reject);
        server.listen(port, host, () => {
          server.off("error", reject);
          resolve();
        });
      });
    } catch (error) {
      this.#server = undefined;
      throw error;
    }
    // such as a connection that could not be accepted: the others go on
    server.on("error", (error) => {
      process.emitWarning(error);
    });
    const { address, family, port: actual } = server.address() as AddressInfo;
    const name = family === "IPv6" ? `[${address}]` : address;
    return `${tls === undefined ? "http" : "https"}://${name}:${String(actual)}`;
  }

  /** Takes no more connections, and closes those that no request uses. The others are closed with their response. */
  async close(timeoutMs: number): Promise<void> {
    this.#closing = true;
    const server = this.#server;
    if (server === undefined) return;
    const closed = new Promise((resolve) => server.close(resolve));
    for (const socket of this.#connections) if (!this.#busy.has(socket)) socket.destroy();
    const timer = setTimeout(
      () => {
        for (const socket of this.#sockets) socket.destroy();
      },
      Math.min(timeoutMs, maxTimerMs),
    );
    await closed;
    clearTimeout(timer);
  }

  #create(tls: ListenOptions["tls"]): Server {
    const { requestTimeoutMs, maxConnections } = this.#limits;
    const timeout = requestTimeoutMs === Infinity ? 0 : requestTimeoutMs;
    const options: ServerOptions = {
      maxHeaderSize: maxHeaderBytes,
      headersTimeout: timeout,
      requestTimeout: timeout,
      // how often Node checks these two timeouts
      connectionsCheckingInterval: Math.min(30_000, Math.max(100, requestTimeoutMs / 4)),
      keepAliveTimeout: keepAliveMs,
      keepAlive: true,
      keepAliveInitialDelay: probeAfterMs,
    };
    const serve: RequestListener = (request, response) => {
      const { socket } = request;
      this.#busy.add(socket);
      response.once("close", () => {
        this.#busy.delete(socket);
        if (this.#closing) socket.destroySoon();
      });
      this.#handler(request, response);
    };
    const server = tls === undefined ? createHttpServer(options, serve) : createSecureServer(options, tls, serve);
    if (maxConnections !== Infinity) server.maxConnections = maxConnections;
    server.on("connection", (socket: Socket) => {
      keepWhileOpen(this.#sockets, socket);
    });
    server.on(tls === undefined ? "connection" : "secureConnection", (socket: Socket) => {
      keepWhileOpen(this.#connections, socket);
    });
    return server;
  }
}

function keepWhileOpen(set: Set<Socket>, socket: Socket): void {
  set.add(socket);
  socket.once("close", () => set.delete(socket));
}

function createSecureServer(
  options: ServerOptions,
  { cert, key }: NonNullable<ListenOptions["tls"]>,
  serve: RequestListener,
): Server {
  try {
    const handshakeTimeout = options.requestTimeout === 0 ? maxTimerMs : options.requestTimeout;
    return createHttpsServer({ ...options, handshakeTimeout, cert, key }, serve);
  } catch (error) {
    return badArgument(`at.tls cannot be used: ${messageOf(error)}`);
  }
}
