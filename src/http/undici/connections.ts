import { isIP, connect as connectPlain, type Socket } from "node:net";
import { connect as connectSecure, type ConnectionOptions } from "node:tls";
import type { buildConnector } from "undici";
import { addressTimeoutMs } from "../connection-limits.js";
import { hostOf } from "../host.js";
import { Connection } from "./connection.js";

/**
 * Connections, each with at most one request at a time, kept open for the next one. Long polls have connections of their own,
 * so that calls keep theirs when many watches have taken all the file descriptors.
 */
export class Connections {
  readonly #tls: ConnectionOptions;
  /** By origin, and whether for long polls. */
  readonly #idle = { calls: new Map<string, Connection[]>(), longPolls: new Map<string, Connection[]>() };
  readonly #all = new Set<Connection>();
  /** By host: spares the next connection half a handshake. */
  readonly #sessions = new Map<string, Buffer>();

  constructor(tls: ConnectionOptions) {
    this.#tls = tls;
  }

  /** The connection that was released last, or else a new one. It is the caller's until it is kept or dropped. */
  take(origin: string, longPoll: boolean): Connection {
    const pool = longPoll ? this.#idle.longPolls : this.#idle.calls;
    const connection = pool.get(origin)?.pop() ?? this.#open(origin, pool);
    connection.claim();
    return connection;
  }

  /** Closes the idle connections to an origin. */
  dropIdle(origin: string): void {
    for (const pool of Object.values(this.#idle)) {
      for (const connection of [...(pool.get(origin) ?? [])]) connection.drop();
    }
  }

  /** Closes every connection, those in use, too. New ones can be opened afterwards. */
  close(): void {
    for (const connection of this.#all) connection.drop();
  }

  #open(origin: string, pool: Map<string, Connection[]>): Connection {
    const idle = pool.get(origin) ?? [];
    pool.set(origin, idle);
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

  #connect({ hostname, port, protocol }: buildConnector.Options): Socket {
    const host = hostOf(hostname);
    const address = { host, autoSelectFamilyAttemptTimeout: addressTimeoutMs };
    if (protocol !== "https:") return connectPlain({ ...address, port: portOf(port, 80) });
    const key = `${host}:${port}`;
    const session = this.#sessions.get(key);
    // a server cannot choose its certificate by an address
    const servername = this.#tls.servername ?? (isIP(host) === 0 ? host : "");
    const options = {
      ...this.#tls,
      ...address,
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

function portOf(port: string, standard: number): number {
  return port === "" ? standard : Number(port);
}
