import { once } from "node:events";
import net, { type AddressInfo, type Socket } from "node:net";

/** A TCP proxy on 127.0.0.1 that can delay writes, and delivers them even if the client has disconnected by then. */
export class DelayingProxy implements AsyncDisposable {
  readonly #server: net.Server;
  readonly #sockets = new Set<Socket>();
  #delayMs = 0;
  #held: () => void = () => undefined;

  static async start(url: string): Promise<DelayingProxy> {
    const proxy = new DelayingProxy(new URL(url));
    proxy.#server.listen(0, "127.0.0.1");
    await once(proxy.#server, "listening");
    return proxy;
  }

  private constructor(to: URL) {
    this.#server = net.createServer((client) => {
      const server = net.connect(Number(to.port), to.hostname);
      for (const socket of [client, server]) {
        this.#sockets.add(socket);
        socket.on("error", () => undefined);
        socket.once("close", () => this.#sockets.delete(socket));
      }
      server.pipe(client);
      let last = Promise.resolve();
      client.on("data", (chunk: Buffer) => {
        const delayMs = isWrite(chunk.toString()) ? this.#delayMs : 0;
        if (delayMs > 0) this.#held();
        last = last
          .then(() => new Promise((resolve) => setTimeout(resolve, delayMs)))
          .then(() => void server.write(chunk));
      });
      client.once("close", () => void last.then(() => server.end()));
    });
  }

  get url(): string {
    return `http://127.0.0.1:${String((this.#server.address() as AddressInfo).port)}`;
  }

  /** Delays every write of a key and every refresh from now on. Resolves when the first one has arrived. */
  delayWrites(ms: number): Promise<void> {
    this.#delayMs = ms;
    return new Promise((resolve) => (this.#held = resolve));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.close();
    for (const socket of this.#sockets) socket.destroy();
    await once(this.#server, "close");
  }
}

/** Whether this is a PUT of v2, or a put or keepalive of v3. Deletions are none. */
function isWrite(text: string): boolean {
  if (text.startsWith("PUT ") || text.startsWith("POST /v3/lease/keepalive")) return true;
  return text.includes('"request_put"') && !text.includes('"request_delete_range"');
}
