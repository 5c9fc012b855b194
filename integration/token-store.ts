import { once } from "node:events";
import http from "node:http";
import type { AddressInfo } from "node:net";

/** A store that accepts writes with a fencing token, and refuses tokens lower than the highest it has seen. */
export class TokenStore implements AsyncDisposable {
  /** The tokens of accepted writes, in order. */
  readonly accepted: number[] = [];
  /** How many writes were refused. */
  refused = 0;
  readonly #server: http.Server;

  static async start(): Promise<TokenStore> {
    const store = new TokenStore();
    store.#server.listen(0, "127.0.0.1");
    await once(store.#server, "listening");
    return store;
  }

  private constructor() {
    this.#server = http.createServer((request, response) => {
      let body = "";
      request.setEncoding("utf8").on("data", (text: string) => (body += text));
      request.on("end", () => {
        const token = Number(body);
        const good = token >= (this.accepted.at(-1) ?? 0);
        if (good) this.accepted.push(token);
        else this.refused++;
        response.writeHead(good ? 200 : 409).end();
      });
    });
  }

  get url(): string {
    return `http://127.0.0.1:${String((this.#server.address() as AddressInfo).port)}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, "close");
  }
}
