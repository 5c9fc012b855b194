import { once } from "node:events";
import type { AddressInfo, Server, Socket } from "node:net";
import type { TestContext } from "node:test";

/** A server on a free port of 127.0.0.1. Its connections end with it. */
export class LoopbackServer implements AsyncDisposable {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  constructor(server: Server) {
    this.#server = server;
    server.on("connection", (socket: Socket) => {
      this.track(socket);
    });
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  get url(): string {
    return `http://127.0.0.1:${String(this.port)}`;
  }

  /** The open connections. */
  get sockets(): ReadonlySet<Socket> {
    return this.#sockets;
  }

  /** Resolves when it accepts connections. */
  async listen(): Promise<this> {
    this.#server.listen(0, "127.0.0.1");
    await once(this.#server, "listening");
    return this;
  }

  /** Closes all connections, and refuses new ones. */
  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    if (!this.#server.listening) return;
    this.#server.close();
    await once(this.#server, "close");
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** Ends a connection with this server. Its errors are ignored. */
  protected track(socket: Socket): void {
    this.#sockets.add(socket);
    socket.on("error", () => undefined);
    socket.once("close", () => this.#sockets.delete(socket));
  }
}

/** Lets a server listen on a free port until the test ends. */
export async function listen(t: TestContext, server: Server): Promise<LoopbackServer> {
  const loopback = await new LoopbackServer(server).listen();
  t.after(() => loopback.close());
  return loopback;
}
