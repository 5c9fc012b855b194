import http, { type IncomingMessage, type ServerResponse } from "node:http";
import net, { type Socket } from "node:net";
import { Client } from "../core/client.js";
import type { ClientOptions } from "../core/client-options.js";
import { LoopbackServer } from "./loopback-server.js";

/** A request as the server received it. */
export interface SeenRequest {
  readonly method: string;
  /** As it was on the wire: path and query, still encoded. */
  readonly target: string;
  /** Decoded. */
  readonly path: string;
  /** `name=value`, decoded, sorted. */
  readonly query: readonly string[];
  readonly headers: http.IncomingHttpHeaders;
  readonly body: string;
  /** `name=value` of a form body, decoded, sorted. */
  readonly form: readonly string[];
}

/** How the server handles one request, after reading it completely. */
export type Answer = (response: ServerResponse, request: SeenRequest, socket: Socket) => unknown;

/** An HTTP server on 127.0.0.1 that follows a script: each request takes the next answer, and the last one repeats. */
export class ScriptedServer extends LoopbackServer {
  readonly #seen: SeenRequest[] = [];
  readonly #waiting = new Set<() => void>();
  #answers: readonly Answer[];

  static async start(...answers: readonly Answer[]): Promise<ScriptedServer> {
    return new ScriptedServer(answers).listen();
  }

  private constructor(answers: readonly Answer[]) {
    // its connections are kept until the test ends them: by Node's default a pause of some seconds would
    const server = http.createServer({ keepAliveTimeout: 600_000 });
    super(server);
    this.#answers = answers;
    server.on("request", (request, response) => void this.#onRequest(request, response));
  }

  /** The requests received so far. */
  get requests(): readonly SeenRequest[] {
    return [...this.#seen];
  }

  /** How many connections are open. */
  get connections(): number {
    return this.sockets.size;
  }

  /** Replaces the script from now on. */
  script(...answers: readonly Answer[]): void {
    this.#answers = answers;
  }

  /** Resolves once that many requests have arrived. */
  async received(count: number): Promise<void> {
    while (this.#seen.length < count) await new Promise<void>((resolve) => this.#waiting.add(resolve));
  }

  /** Resolves once that many connections, or fewer, are open. */
  async connectionsDownTo(count: number): Promise<void> {
    while (this.sockets.size > count) {
      await Promise.race([...this.sockets].map((socket) => (socket.destroyed ? Promise.resolve() : closed(socket))));
      await new Promise((resolve) => setImmediate(resolve));
    }
  }

  async #onRequest(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const target = request.url ?? "";
    const [path = "", query = ""] = target.split("?");
    const body = Buffer.concat(chunks).toString();
    const seen = {
      method: request.method ?? "",
      target,
      path: decodeURIComponent(path),
      query: fieldsOf(query),
      headers: request.headers,
      body,
      form: request.headers["content-type"] === "application/x-www-form-urlencoded" ? fieldsOf(body) : [],
    };
    this.#seen.push(seen);
    const answer = this.#answers.length > 1 ? this.#answers[0] : this.#answers.at(-1);
    if (this.#answers.length > 1) this.#answers = this.#answers.slice(1);
    for (const resolve of this.#waiting) resolve();
    this.#waiting.clear();
    await answer?.(response, seen, request.socket);
  }
}

/** A complete response; objects are sent as JSON. */
export function reply(
  status: number,
  body: object | string = "",
  headers: Readonly<Record<string, string>> = {},
): Answer {
  return (response) => {
    const text = typeof body === "string" ? body : JSON.stringify(body);
    response
      .writeHead(status, { "content-type": typeof body === "string" ? "text/plain" : "application/json", ...headers })
      .end(text);
  };
}

/** A redirect. */
export function redirect(location: string, status = 307): Answer {
  return reply(status, "", { location });
}

/** The body of the specification's `ok` response. */
export const okBody = { action: "get", node: { key: "/k", value: "v", modifiedIndex: 7, createdIndex: 7 } } as const;

/** 200 with {@link okBody}. */
export function ok(): Answer {
  return reply(200, okBody);
}

/** A watch event: a set of /k, or of another node. */
export function event(
  modifiedIndex: number,
  headers: Readonly<Record<string, string>> = {},
  fields: object = {},
): Answer {
  return reply(
    200,
    { action: "set", node: { key: "/k", value: "v", modifiedIndex, createdIndex: modifiedIndex }, ...fields },
    headers,
  );
}

/** etcd's 500 to a write or quorum read without a leader. */
export function raftTimeout(): Answer {
  return reply(500, {
    errorCode: 300,
    message: "Raft Internal Error",
    cause: "etcdserver: request timed out",
    index: 0,
  });
}

/** Reads the request, then closes the connection without a response. */
export function closeUnanswered(): Answer {
  return (_response, _request, socket) => socket.end();
}

/** Reads the request, then resets the connection. */
export function resetUnanswered(): Answer {
  return (_response, _request, socket) => socket.resetAndDestroy();
}

/** Reads the request and never responds. */
export function silence(): Answer {
  return () => undefined;
}

/** Sends good headers and half a body, then closes the connection. */
export function halfBody(headers: Readonly<Record<string, string>> = {}): Answer {
  return (response, _request, socket) => {
    response.writeHead(200, { "content-type": "application/json", "content-length": "200", ...headers });
    response.write('{"action":"get","node":{"key":"/k",', () => socket.end());
  };
}

/** Sends good headers at once and never a body, as etcd does with a long poll. */
export function headersOnly(headers: Readonly<Record<string, string>> = {}): Answer {
  return (response) => {
    response.writeHead(200, { "content-type": "application/json", ...headers });
    response.flushHeaders();
  };
}

/** A client that tries the endpoints in the given order. */
export function clientOf(
  endpoints: readonly (string | LoopbackServer)[],
  options: Partial<ClientOptions> = {},
): Client {
  const urls = endpoints.map((endpoint) => (typeof endpoint === "string" ? endpoint : endpoint.url));
  for (;;) {
    const client = new Client({ headerTimeoutMs: 60_000, ...options, endpoints: urls });
    if (client.endpoints.every((url, i) => url === urls[i])) return client;
  }
}

let nextReserved = 1;

/** The `waitIndex` of each request so far. */
export function waitIndexes(server: ScriptedServer): readonly number[] {
  return server.requests.map(({ target }) => Number(new URLSearchParams(target.split("?")[1]).get("waitIndex") ?? NaN));
}

/** The URL of a port that refuses connections: a reserved one, since a port that was free a moment ago may be another test's now. */
export async function refusedUrl(): Promise<string> {
  for (;;) {
    const port = nextReserved++;
    const socket = net.connect(port, "127.0.0.1");
    const refused = await new Promise((resolve) =>
      socket
        .once("connect", () => {
          resolve(false);
        })
        .once("error", () => {
          resolve(true);
        }),
    );
    socket.destroy();
    if (refused) return `http://127.0.0.1:${String(port)}`;
  }
}

/** Used instead of events.once, which would reject with the socket's error, such as the reset that an abort may cause. */
function closed(socket: Socket): Promise<void> {
  return new Promise((resolve) =>
    socket.once("close", () => {
      resolve();
    }),
  );
}

function fieldsOf(form: string): readonly string[] {
  return [...new URLSearchParams(form)].map(([name, value]) => `${name}=${value}`).sort();
}
