import { isIP, connect as connectPlain, type Socket } from "node:net";
import { connect as connectSecure, type ConnectionOptions } from "node:tls";
import { Client, type buildConnector } from "undici";
import { idleConnectionMs, tcpKeepAliveMs } from "../kept-connections.js";

/** Connections, each with at most one request at a time, kept open for the next one. */
export class Connections {
  readonly #tls: ConnectionOptions;
  readonly #idle = new Map<string, Connection[]>();
  readonly #all = new Set<Connection>();
  /** By host: spares the next connection half a handshake. */
  readonly #sessions = new Map<string, Buffer>();

  constructor(tls: ConnectionOptions) {
    this.#tls = tls;
  }

  /** The connection that was last let go, else a new one. It is the caller's until it is kept or dropped. */
  take(origin: string): Connection {
    const connection = this.#idle.get(origin)?.pop() ?? this.#open(origin);
    connection.claim();
    return connection;
  }

  /** Ends every connection, those in use too. */
  close(): void {
    for (const connection of this.#all) connection.drop();
  }

  #open(origin: string): Connection {
    const idle = this.#idleOf(origin);
    const connection: Connection = new Connection(origin, {
      connect: (options) => this.#connect(options),
      onFree: () => idle.push(connection),
      onDrop: () => {
        this.#all.delete(connection);
        const at = idle.indexOf(connection);
        if (at >= 0) idle.splice(at, 1);
      },
    });
    this.#all.add(connection);
    return connection;
  }

  #idleOf(origin: string): Connection[] {
    const idle = this.#idle.get(origin) ?? [];
    this.#idle.set(origin, idle);
    return idle;
  }

  #connect({ hostname, port, protocol }: buildConnector.Options): Socket {
    if (protocol !== "https:") return connectPlain({ host: hostname, port: portOf(port, 80) });
    const key = `${hostname}:${port}`;
    const session = this.#sessions.get(key);
    // an address is no name that a server could choose its certificate by
    const servername = this.#tls.servername ?? (isIP(hostname) === 0 ? hostname : "");
    const options = {
      ...this.#tls,
      host: hostname,
      port: portOf(port, 443),
      servername,
      ALPNProtocols: ["http/1.1"],
      ...(session && { session }),
    };
    return connectSecure(options)
      .on("session", (next: Buffer) => this.#sessions.set(key, next))
      .on("error", () => this.#sessions.delete(key));
  }
}

interface ConnectionHooks {
  readonly connect: (options: buildConnector.Options) => Socket;
  readonly onFree: () => void;
  readonly onDrop: () => void;
}

/** An undici client of one connection. It connects when it is first used, and again when the server closed it meanwhile. */
export class Connection {
  readonly client: Client;
  readonly #hooks: ConnectionHooks;
  #socket: Socket | undefined;
  #failure: Error | undefined;
  #fresh = true;
  #free = false;
  #dropped = false;

  constructor(origin: string, hooks: ConnectionHooks) {
    this.#hooks = hooks;
    this.client = new Client(origin, {
      pipelining: 1,
      // limits are ours: a silent watch is no failure
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

  /** The first thing that went wrong: a server's TLS alert, where undici tells only that the connection was closed after it. */
  get failure(): Error | undefined {
    return this.#failure;
  }

  /** Whether we ended it ourselves. */
  get dropped(): boolean {
    return this.#dropped;
  }

  claim(): void {
    this.#free = false;
  }

  /** To be called when a request is written: whether the connection had carried another one before. */
  use(): boolean {
    const reused = !this.#fresh;
    this.#fresh = false;
    return reused;
  }

  /** The answer is whole: the next request may have it. */
  keep(): void {
    if (this.#dropped) return;
    this.#free = true;
    this.#hooks.onFree();
  }

  /** Ends it, also while it connects. */
  drop(): void {
    if (this.#dropped) return;
    this.#dropped = true;
    this.#hooks.onDrop();
    void this.client.destroy();
    this.#socket?.destroy();
  }

  #connect(options: buildConnector.Options, callback: buildConnector.Callback): void {
    const socket = this.#hooks.connect(options);
    this.#socket = socket;
    this.#failure = undefined;
    this.#fresh = true;
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
      if (connecting) callback(error, null);
      connecting = false;
    });
  }
}

function portOf(port: string, standard: number): number {
  return port === "" ? standard : Number(port);
}
