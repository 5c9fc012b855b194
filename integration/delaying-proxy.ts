import net, { type Socket } from "node:net";
import { LoopbackServer } from "../src/test-kit/loopback-server.js";

/** A TCP proxy on 127.0.0.1 that can delay writes, and delivers them even if the client has disconnected by then. */
export class DelayingProxy extends LoopbackServer {
  #delayMs = 0;
  #held: () => void = () => undefined;

  static async start(url: string): Promise<DelayingProxy> {
    return new DelayingProxy(new URL(url)).listen();
  }

  private constructor(to: URL) {
    const proxy = net.createServer();
    super(proxy);
    proxy.on("connection", (client: Socket) => {
      const server = net.connect(Number(to.port), to.hostname);
      this.track(server);
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

  /** Delays every write of a key and every refresh from now on. Resolves when the first one has arrived. */
  delayWrites(ms: number): Promise<void> {
    this.#delayMs = ms;
    return new Promise((resolve) => (this.#held = resolve));
  }
}

/** Whether this is a PUT of v2, or a put or keepalive of v3. Deletions are none. */
function isWrite(text: string): boolean {
  if (text.startsWith("PUT ") || text.startsWith("POST /v3/lease/keepalive")) return true;
  return text.includes('"request_put"') && !text.includes('"request_delete_range"');
}
