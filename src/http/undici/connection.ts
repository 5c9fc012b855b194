import type { Socket } from "node:net";
import { Client, type buildConnector } from "undici";
import { idleConnectionMs, tcpKeepAliveMs } from "../connection-limits.js";
import { skipInterimResponses } from "./interim-responses.js";

/** What the owner of a connection does for it. */
export interface ConnectionHooks {
  readonly connect: (options: buildConnector.Options) => Socket;
  readonly onFree: () => void;
  readonly onDrop: () => void;
}

/** An undici client with one connection. It connects when it is first used, and again if the server closed it meanwhile. */
export class Connection {
  readonly client: Client;
  readonly #hooks: ConnectionHooks;
  #socket: Socket | undefined;
  #expectResponse: (() => void) | undefined;
  #failure: Error | undefined;
  #fresh = true;
  #free = false;
  #dropped = false;

  constructor(origin: string, hooks: ConnectionHooks) {
    this.#hooks = hooks;
    this.client = new Client(origin, {
      pipelining: 1,
      // the limits are ours: a silent watch is not a failure
      headersTimeout: 0,
      bodyTimeout: 0,
      keepAliveTimeout: idleConnectionMs,
      keepAliveMaxTimeout: idleConnectionMs,
      connect: (options, callback) => {
        this.#connect(options, callback);
      },
    });
    this.client.on("disconnect", () => {
      if (this.#free) this.drop();
    });
  }

  /** The first thing that went wrong, such as a server's TLS alert: undici reports only that the connection was closed after it. */
  get failure(): Error | undefined {
    return this.#failure;
  }

  /** Whether it was closed by us. */
  get dropped(): boolean {
    return this.#dropped;
  }

  /** Reserves it for a request. */
  claim(): void {
    this.#free = false;
  }

  /** To be called when a request is written. Returns whether the connection had carried another one before. */
  use(): boolean {
    const reused = !this.#fresh;
    this.#fresh = false;
    this.#expectResponse?.();
    return reused;
  }

  /** To be called when the response is complete: the next request may have the connection. */
  keep(): void {
    if (this.#dropped) return;
    this.#free = true;
    this.#hooks.onFree();
  }

  /** Closes it, also while it connects. */
  drop(): void {
    if (this.#dropped) return;
    this.#dropped = true;
    this.#hooks.onDrop();
    void this.client.destroy();
    this.#socket?.destroy();
  }

  /** From now on it keeps the process alive. */
  ref(): void {
    this.#socket?.ref();
  }

  /** From now on it does not keep the process alive. */
  unref(): void {
    this.#socket?.unref();
  }

  #connect(options: buildConnector.Options, callback: buildConnector.Callback): void {
    const socket = this.#hooks.connect(options);
    this.#socket = socket;
    this.#failure = undefined;
    this.#fresh = true;
    this.#expectResponse = skipInterimResponses(socket);
    socket.setNoDelay(true).setKeepAlive(true, tcpKeepAliveMs);
    let connecting = true;
    const connected = "secureConnecting" in socket ? "secureConnect" : "connect";
    socket.once(connected, () => {
      connecting = false;
      callback(null, socket);
    });
    // stays on for the socket's life: an error without a listener would end the process
    socket.on("error", (error) => {
      this.#failure ??= error;
      // after an unreadable TLS record Node leaves the socket open, and undici waits until it is closed
      socket.destroy();
      if (connecting) callback(error, null);
      connecting = false;
    });
  }
}
