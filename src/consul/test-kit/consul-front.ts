import type { IncomingHttpHeaders } from "node:http";
import type { Exchange } from "../../http/exchange.js";
import { untilAborted } from "../../util/signals.js";

export interface ConsulRequest {
  readonly method: string;
  /** The path as sent, still encoded, without the query. */
  readonly path: string;
  readonly query: URLSearchParams;
  readonly headers: IncomingHttpHeaders;
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

/** How requests reach a front. */
export interface ConsulDoor {
  readonly url: string;
  /** The transport for clients. Absent: they send HTTP to `url`. */
  readonly transport?: Exchange;
  /** Closes all connections, and refuses new ones. */
  close(): Promise<void>;
}

/** Opens a door whose requests go to the handler. If that rejects, the connection of the request is closed. */
export type OpenDoor = (handler: ConsulHandler) => Promise<ConsulDoor>;

/** Sits in front of a fake or a real Consul: logs requests, and does what a Consul cannot be made to do. */
export class ConsulFront implements AsyncDisposable {
  readonly #handler: ConsulHandler;
  readonly #requests: ConsulRequest[] = [];
  readonly #waiting = new Set<() => void>();
  #door: ConsulDoor | undefined;
  #rules: readonly Rule[] = [];
  #pending = 0;

  /** @param handler responds to what no hook responds to */
  static async start(handler: ConsulHandler, open: OpenDoor): Promise<ConsulFront> {
    const front = new ConsulFront(handler);
    front.#door = await open((request, signal) => front.#receive(request, signal));
    return front;
  }

  private constructor(handler: ConsulHandler) {
    this.#handler = handler;
  }

  /** The address for clients. */
  get url(): string {
    return this.#door?.url ?? "";
  }

  /** The transport for clients. Absent: they send HTTP to `url`. */
  get transport(): Exchange | undefined {
    return this.#door?.transport;
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
    await this.#door?.close();
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

  async #receive(request: ConsulRequest, signal: AbortSignal): Promise<ConsulReply> {
    this.#pending++;
    this.#requests.push(request);
    for (const wake of this.#waiting) wake();
    this.#waiting.clear();
    try {
      const reply = this.#replyTo(request, signal);
      if (reply !== "hang") return await reply;
      await untilAborted(signal);
      throw new Error("the client has disconnected");
    } finally {
      this.#pending--;
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

function lineOf({ method, path, query }: ConsulRequest): string {
  return `${method} ${path}${query.size === 0 ? "" : `?${query.toString()}`}`;
}
