import { once } from "node:events";
import net, { type AddressInfo, type Socket } from "node:net";
import { Transform } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";

/**
 * `refuse`: existing and new connections are reset; `hang`: they stay open, and nothing gets through in either
 * direction; `mute`: requests get through, responses do not.
 */
export type Cut = "refuse" | "hang" | "mute";

/** A way to a server that can be cut. */
export interface Cuttable {
  cut(how: Cut): void;
  /** Lets everything through again. What hung fails. */
  heal(): void;
  /** Delays all responses by this time, in ms; 0 ends the delay. Requests are not delayed. */
  slow(ms: number): void;
}

/** The functions alone, bound to their object. */
export function cuttable(way: Cuttable): Cuttable {
  return {
    cut: (how) => {
      way.cut(how);
    },
    heal: () => {
      way.heal();
    },
    slow: (ms) => {
      way.slow(ms);
    },
  };
}

/** A TCP proxy on 127.0.0.1 in front of one server, whose connections can be cut. */
export class TcpProxy implements Cuttable, AsyncDisposable {
  readonly #server: net.Server;
  readonly #pairs = new Set<readonly [client: Socket, server: Socket, responses: Transform]>();
  #port = 0;
  #cut: Cut | undefined;
  #slowMs = 0;

  /** @param url of the server */
  static async start(url: string): Promise<TcpProxy> {
    const proxy = new TcpProxy(new URL(url));
    proxy.#server.listen(0, "127.0.0.1");
    await once(proxy.#server, "listening");
    proxy.#port = (proxy.#server.address() as AddressInfo).port;
    return proxy;
  }

  private constructor(to: URL) {
    this.#server = net.createServer({ allowHalfOpen: false }, (client) => {
      client.on("error", () => undefined);
      if (this.#cut === "refuse") {
        client.destroy();
        return;
      }
      const server = net.connect(Number(to.port), to.hostname);
      server.on("error", () => undefined);
      const responses = new Transform({
        transform: (chunk: Buffer, _encoding, done) => {
          if (this.#slowMs === 0) done(null, chunk);
          else setTimeout(done, this.#slowMs, null, chunk);
        },
      });
      const pair = [client, server, responses] as const;
      this.#pairs.add(pair);
      for (const [from, other] of [[client, server] as const, [server, client] as const]) {
        from.once("close", () => {
          this.#pairs.delete(pair);
          other.destroy();
        });
      }
      if (this.#cut === undefined || this.#cut === "mute") client.pipe(server);
      if (this.#cut === undefined) server.pipe(responses).pipe(client);
    });
  }

  get url(): string {
    return `http://127.0.0.1:${String(this.#port)}`;
  }

  /** How many connections are open. */
  get connections(): number {
    return this.#pairs.size;
  }

  /** Delays all responses by this time, in ms; 0 ends the delay. Requests are not delayed. */
  slow(ms: number): void {
    this.#slowMs = ms;
  }

  cut(how: Cut): void {
    this.#cut = how;
    for (const [client, server, responses] of this.#pairs) {
      if (how === "refuse") {
        client.destroy();
        continue;
      }
      server.unpipe(responses);
      responses.unpipe(client);
      server.pause();
      if (how === "mute") continue;
      client.unpipe(server);
      client.pause();
    }
  }

  /** Lets new connections through. Connections that hung are closed. */
  heal(): void {
    this.#cut = undefined;
    this.#closeAll();
  }

  /** Stops listening until `comeBack`: the system refuses connections, as if the server were down. */
  async leave(): Promise<void> {
    await this.close();
  }

  async comeBack(): Promise<void> {
    while (!this.#server.listening) {
      this.#server.listen(this.#port, "127.0.0.1");
      // the port may be in use for the moment
      await once(this.#server, "listening").catch(() => sleep(50));
    }
  }

  async close(): Promise<void> {
    this.#closeAll();
    if (!this.#server.listening) return;
    this.#server.close();
    await once(this.#server, "close");
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #closeAll(): void {
    for (const [client, server] of this.#pairs) {
      client.destroy();
      server.destroy();
    }
  }
}
