import { once } from "node:events";
import http, { type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo, Socket } from "node:net";

export interface ConsulRequest {
  readonly method: string;
  /** The path as sent, still encoded, without the query. */
  readonly path: string;
  readonly query: URLSearchParams;
  readonly headers: http.IncomingHttpHeaders;
  readonly body: Buffer;
  /** `performance.now()` when it arrived. */
  readonly atMs: number;
}

export interface ConsulReply {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body: string;
}

/** Responds to a request; the signal aborts when the client disconnects. */
export type ConsulHandler = (request: ConsulRequest, signal: AbortSignal) => Promise<ConsulReply>;

/** Passes a request on. */
export type Answer = (request: ConsulRequest) => Promise<ConsulReply>;

interface Rule {
  readonly pattern: RegExp;
  readonly reply: (request: ConsulRequest, answer: Answer) => Promise<ConsulReply> | "hang";
  left: number;
}

/** An HTTP server on 127.0.0.1 in front of a fake or a real Consul: keeps a log of requests, and does what a Consul cannot be made to do. */
export class ConsulFront implements AsyncDisposable {
  readonly #server: http.Server;
  readonly #handler: ConsulHandler;
  readonly #sockets = new Set<Socket>();
  readonly #requests: ConsulRequest[] = [];
  readonly #waiting = new Set<() => void>();
  #rules: readonly Rule[] = [];
  #pending = 0;

  static async start(handler: ConsulHandler): Promise<ConsulFront> {
    const front = new ConsulFront(handler);
    front.#server.listen(0, "127.0.0.1");
    await once(front.#server, "listening");
    return front;
  }

  private constructor(handler: ConsulHandler) {
    this.#handler = handler;
    this.#server = http.createServer((request, response) => void this.#onRequest(request, response));
    this.#server.on("connection", (socket: Socket) => {
      this.#sockets.add(socket);
      socket.on("error", () => undefined);
      socket.once("close", () => this.#sockets.delete(socket));
    });
  }

  get url(): string {
    return `http://127.0.0.1:${String((this.#server.address() as AddressInfo).port)}`;
  }

  /** Requests that wait for a response. */
  get pending(): number {
    return this.#pending;
  }

  /** Requests so far whose `METHOD /path?query` matches. */
  requests(pattern = /(?:)/): readonly ConsulRequest[] {
    return this.#requests.filter((request) => pattern.test(lineOf(request)));
  }

  /** Resolves to the request that is the `count`th to match. */
  async received(pattern: RegExp, count = 1): Promise<ConsulRequest> {
    for (;;) {
      const request = this.requests(pattern)[count - 1];
      if (request !== undefined) return request;
      await new Promise<void>((resolve) => this.#waiting.add(resolve));
    }
  }

  /** Responds to the next `n` matching requests with a status instead of passing them on. Returns a function that undoes it. */
  failNext(status: number, n: number, pattern = /(?:)/, body = "failing"): () => void {
    return this.#add({ pattern, left: n, reply: () => Promise.resolve({ status, body }) });
  }

  /** Lets matching requests wait without a response. Returns a function that undoes it. */
  hang(pattern: RegExp): () => void {
    return this.#add({ pattern, left: Infinity, reply: () => "hang" });
  }

  /** Changes the responses to matching requests. Returns a function that undoes it. */
  rewrite(pattern: RegExp, change: (reply: ConsulReply) => ConsulReply): () => void {
    return this.intercept(pattern, async (request, answer) => change(await answer(request)));
  }

  /** Intercepts matching requests, to pass them on or not. Returns a function that undoes it. */
  intercept(pattern: RegExp, reply: (request: ConsulRequest, answer: Answer) => Promise<ConsulReply>): () => void {
    return this.#add({ pattern, left: Infinity, reply });
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

  #add(rule: Rule): () => void {
    this.#rules = [...this.#rules, rule];
    return () => {
      this.#rules = this.#rules.filter((each) => each !== rule);
    };
  }

  async #onRequest(incoming: IncomingMessage, response: ServerResponse): Promise<void> {
    const gone = new AbortController();
    this.#pending++;
    response.once("close", () => {
      this.#pending--;
      gone.abort();
    });
    try {
      const request = await readRequest(incoming);
      this.#requests.push(request);
      for (const wake of this.#waiting) wake();
      this.#waiting.clear();
      const reply = this.#replyTo(request, gone.signal);
      if (reply === "hang") return;
      const { status, headers, body } = await reply;
      response.writeHead(status, headers).end(body);
    } catch {
      // the client or the Consul has disconnected
      response.destroy();
    }
  }

  #replyTo(request: ConsulRequest, signal: AbortSignal): Promise<ConsulReply> | "hang" {
    const answer: Answer = (each) => this.#handler(each, signal);
    const rule = this.#rules.find(({ pattern, left }) => left > 0 && pattern.test(lineOf(request)));
    if (rule === undefined) return answer(request);
    rule.left--;
    return rule.reply(request, answer);
  }
}

/** Passes requests on to a real Consul. */
export function forwardTo(address: string): ConsulHandler {
  return ({ method, path, query, headers, body }, signal) =>
    new Promise((resolve, reject) => {
      const { host: _, connection: __, "content-length": ___, ...kept } = headers;
      const url = `${address}${path}${query.size === 0 ? "" : `?${query.toString()}`}`;
      const request = http.request(url, { method, headers: kept, agent: false, signal });
      request.once("error", reject);
      request.once("response", (response) => {
        const chunks: Buffer[] = [];
        response.on("data", (chunk: Buffer) => chunks.push(chunk));
        response.once("error", reject);
        response.once("end", () => {
          resolve({
            status: response.statusCode ?? 0,
            headers: toldHeaders(response.headers),
            body: Buffer.concat(chunks).toString(),
          });
        });
      });
      request.end(body);
    });
}

function toldHeaders(headers: http.IncomingHttpHeaders): Record<string, string> {
  const kept = Object.entries(headers).filter(
    ([name, value]) => /^(content-type|location|x-consul-.*)$/.test(name) && typeof value === "string",
  );
  return Object.fromEntries(kept) as Record<string, string>;
}

function lineOf({ method, path, query }: ConsulRequest): string {
  return `${method} ${path}${query.size === 0 ? "" : `?${query.toString()}`}`;
}

async function readRequest(incoming: IncomingMessage): Promise<ConsulRequest> {
  const atMs = performance.now();
  const chunks: Buffer[] = [];
  for await (const chunk of incoming) chunks.push(chunk as Buffer);
  const [path = "", query = ""] = (incoming.url ?? "").split("?");
  return {
    method: incoming.method ?? "",
    path,
    query: new URLSearchParams(query),
    headers: incoming.headers,
    body: Buffer.concat(chunks),
    atMs,
  };
}
