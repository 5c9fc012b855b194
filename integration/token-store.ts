import http from "node:http";
import { LoopbackServer } from "../src/test-kit/loopback-server.js";

/** A store that accepts writes with a fencing token, and refuses tokens lower than the highest it has seen. */
export class TokenStore extends LoopbackServer {
  /** The tokens of accepted writes, in order. */
  readonly accepted: number[] = [];
  /** How many writes were refused. */
  refused = 0;

  static async start(): Promise<TokenStore> {
    return new TokenStore().listen();
  }

  private constructor() {
    const server = http.createServer();
    super(server);
    server.on("request", (request, response) => {
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
}
