import http, { type IncomingMessage, type ServerResponse } from "node:http";
import type { Exchange } from "../../http/exchange.js";
import { LoopbackServer } from "../../test-kit/loopback-server.js";
import { MemoryProxy } from "../../test-kit/memory-proxy.js";
import type { ConsulHandler, ConsulRequest, OpenDoor } from "./consul-front.js";

/** Listens on 127.0.0.1. */
export const httpDoor: OpenDoor = (handler) =>
  new LoopbackServer(http.createServer((request, response) => void respond(handler, request, response))).listen();

/** Has no sockets: for virtual time. */
export const memoryDoor: OpenDoor = (handler) => {
  const proxy = new MemoryProxy(transportOf(handler));
  return Promise.resolve({ url: "http://consul.invalid:8500", transport: proxy.exchange, close: () => proxy.close() });
};

/** A transport that hands requests to a handler. It keeps no limits; `MemoryProxy` does. */
function transportOf(handler: ConsulHandler): Exchange {
  return async (url, { method, headers = {}, body, bytes, onHeaders }, signal = new AbortController().signal) => {
    const request: ConsulRequest = {
      method,
      path: url.pathname,
      query: url.searchParams,
      headers,
      body: Buffer.from(bytes ?? body ?? ""),
      atMs: performance.now(),
    };
    const reply = await handler(request, signal);
    const head = { status: reply.status, headers: reply.headers ?? {} };
    onHeaders?.(head);
    return { ...head, body: reply.body };
  };
}

async function respond(handler: ConsulHandler, incoming: IncomingMessage, response: ServerResponse): Promise<void> {
  const gone = new AbortController();
  response.once("close", () => {
    gone.abort();
  });
  try {
    const { status, headers, body } = await handler(await readRequest(incoming), gone.signal);
    response.writeHead(status, headers).end(body);
  } catch {
    // the client or the Consul has disconnected
    response.destroy();
  }
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
