import http from "node:http";
import { createRequire } from "node:module";
import { Client, KeysAPI } from "../src/index.js";
import type { Exchange, RequestSpec } from "../src/http/exchange.js";
import { gotExchange } from "../src/http/got-exchange.js";
import { undiciExchange } from "../src/undici/index.js";
import { peerFile } from "./peers.js";

/** What is compared: one way to talk to etcd, each in a process of its own. */
export interface Subject {
  get(key: string): Promise<unknown>;
  put(key: string, value: string): Promise<unknown>;
  list(dir: string): Promise<unknown>;
  /** Calls back with the value of each event after an index; 0 is from now on. Ends with `close`. */
  watch(key: string, afterIndex: number, onEvent: (value: string) => void): void;
  close(): unknown;
}

/** In the order of the tables; ratios are to the first. */
export const subjects = {
  "node:http": rawHttp,
  "etcd2 on got": (url) => sdk(url, undefined),
  "etcd2 on undici": (url) => sdk(url, undiciExchange()),
  "got transport, bare": (url) => bare(url, gotExchange()),
  "undici transport, bare": (url) => bare(url, undiciExchange()),
  "node-etcd 7": nodeEtcd,
  "etcdjs 2": etcdjs,
} as const satisfies Readonly<Record<string, (url: string) => Subject>>;

export type SubjectName = keyof typeof subjects;

interface Node {
  readonly value: string;
  readonly modifiedIndex: number;
}

const formHeaders = { "content-type": "application/x-www-form-urlencoded" };
const readQuery = "?quorum=false&recursive=false&sorted=false";
const listQuery = "?quorum=false&recursive=true&sorted=false";

/** What a careful hand would write: keep-alive, the body gathered, JSON read, a status looked at; no limits, no abort, no failover. */
function rawHttp(url: string): Subject {
  const agent = new http.Agent({ keepAlive: true });
  const ask = (method: string, path: string, body?: string): Promise<{ node: Node }> =>
    new Promise((resolve, reject) => {
      const headers = body === undefined ? {} : { ...formHeaders, "content-length": Buffer.byteLength(body) };
      const request = http.request(`${url}/v2/keys${path}`, { agent, method, headers }, (response) => {
        const chunks: Buffer[] = [];
        response.on("data", (chunk: Buffer) => chunks.push(chunk));
        response.on("end", () => {
          if ((response.statusCode ?? 0) >= 300) reject(new Error(`status ${String(response.statusCode)}`));
          else resolve(JSON.parse(Buffer.concat(chunks).toString()) as { node: Node });
        });
        response.on("error", reject);
      });
      request.on("error", reject);
      request.end(body);
    });
  return {
    get: (key) => ask("GET", key + readQuery),
    put: (key, value) => ask("PUT", key, `value=${encodeURIComponent(value)}`),
    list: (dir) => ask("GET", dir + listQuery),
    watch: (key, afterIndex, onEvent) => {
      void chain(afterIndex, onEvent, (waitIndex) => ask("GET", `${key}?wait=true&waitIndex=${String(waitIndex)}`));
    },
    close: () => {
      agent.destroy();
    },
  };
}

function sdk(url: string, transport: Exchange | undefined): Subject {
  const client = new Client({ endpoints: [url], transport });
  const keys = new KeysAPI(client);
  return {
    get: (key) => keys.get(key),
    put: (key, value) => keys.set(key, value),
    list: (dir) => keys.get(dir, { recursive: true }),
    watch: (key, afterIndex, onEvent) => {
      const watcher = keys.watcher(key, { afterIndex });
      void (async () => {
        for await (const { node } of watcher.events()) onEvent(node.value);
      })().catch(() => undefined);
    },
    close: () => client.close(),
  };
}

/** A transport alone: what the SDK adds is the difference. JSON is read as node:http's is. */
function bare(url: string, exchange: Exchange): Subject {
  const closed = new AbortController();
  const ask = async (spec: RequestSpec): Promise<{ node: Node }> => {
    const { status, body } = await exchange(new URL(`${url}${spec.path}?${spec.query ?? ""}`), spec, closed.signal);
    if (status >= 300) throw new Error(`status ${String(status)}`);
    return JSON.parse(body) as { node: Node };
  };
  const limits = { headersMs: 5_000, idleMs: 30_000 };
  const path = (key: string): string => `/v2/keys${key}`;
  return {
    get: (key) => ask({ method: "GET", path: path(key), query: readQuery.slice(1), limits }),
    put: (key, value) => ask({ method: "PUT", path: path(key), headers: formHeaders, body: `value=${encodeURIComponent(value)}`, limits }),
    list: (dir) => ask({ method: "GET", path: path(dir), query: listQuery.slice(1), limits }),
    watch: (key, afterIndex, onEvent) => {
      void chain(afterIndex, onEvent, (waitIndex) => ask({ method: "GET", path: path(key), query: `wait=true&waitIndex=${String(waitIndex)}`, longPoll: true }));
    },
    close: () => {
      closed.abort();
      return exchange.close?.();
    },
  };
}

/** Long polls, each from behind the event of the one before. */
async function chain(afterIndex: number, onEvent: (value: string) => void, poll: (waitIndex: number) => Promise<{ node: Node }>): Promise<void> {
  try {
    for (let waitIndex = afterIndex === 0 ? 0 : afterIndex + 1; ; ) {
      const { node } = await poll(waitIndex);
      waitIndex = node.modifiedIndex + 1;
      onEvent(node.value);
    }
  } catch {
    // closed
  }
}

type Callback = (error: Error | null, body?: { readonly node: Node }) => void;

interface NodeEtcd {
  get(key: string, options: object, callback: Callback): void;
  set(key: string, value: string, callback: Callback): void;
  watcher(key: string, index: number | null): { on(event: "change", listener: (body: { readonly node: Node }) => void): unknown; stop(): void };
}

function nodeEtcd(url: string): Subject {
  const Etcd = createRequire(peerFile("node-etcd"))("node-etcd") as new (url: string) => NodeEtcd;
  const client = new Etcd(url);
  const watchers: { stop(): void }[] = [];
  return {
    get: (key) => promised((done) => { client.get(key, {}, done); }),
    put: (key, value) => promised((done) => { client.set(key, value, done); }),
    list: (dir) => promised((done) => { client.get(dir, { recursive: true }, done); }),
    watch: (key, afterIndex, onEvent) => {
      const watcher = client.watcher(key, afterIndex === 0 ? null : afterIndex + 1);
      watcher.on("change", ({ node }) => { onEvent(node.value); });
      watchers.push(watcher);
    },
    close: () => {
      for (const watcher of watchers) watcher.stop();
    },
  };
}

type Next = (callback: WaitCallback) => void;
type WaitCallback = (error: Error | null, body: { readonly node: Node } | null, next: Next) => void;

interface Etcdjs {
  get(key: string, options: object, callback: Callback): void;
  set(key: string, value: string, callback: Callback): void;
  wait(key: string, options: object, callback: WaitCallback): void;
  destroy(): void;
}

function etcdjs(url: string): Subject {
  const connect = createRequire(peerFile("etcdjs"))("etcdjs") as (url: string) => Etcdjs;
  const client = connect(url);
  return {
    get: (key) => promised((done) => { client.get(key, {}, done); }),
    put: (key, value) => promised((done) => { client.set(key, value, done); }),
    list: (dir) => promised((done) => { client.get(dir, { recursive: true }, done); }),
    watch: (key, afterIndex, onEvent) => {
      client.wait(key, afterIndex === 0 ? {} : { waitIndex: afterIndex + 1 }, function onResult(error, body, next) {
        if (error !== null || body === null) return;
        onEvent(body.node.value);
        next(onResult);
      });
    },
    close: () => {
      client.destroy();
    },
  };
}

function promised(call: (done: Callback) => void): Promise<unknown> {
  return new Promise((resolve, reject) => {
    call((error, body) => {
      // etcdjs gives undefined for no error
      if (error) reject(error);
      else resolve(body);
    });
  });
}
