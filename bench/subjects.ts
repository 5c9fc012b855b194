import http from "node:http";
import { createRequire } from "node:module";
import { Client, isIndexCleared, KeysAPI, Mirror, UsageError } from "../src/core/index.js";
import type { ClientOptions, Exchange, Watcher } from "../src/core/index.js";
import type { RequestSpec } from "../src/http/exchange.js";
import { gotExchange } from "../src/http/got/got-exchange.js";
import { undiciExchange } from "../src/http/undici/index.js";
import { v3Protocol } from "../src/v3/index.js";
import { v3RequestsByHand } from "./by-hand.js";
import { packagesFolder } from "./install.js";
import type { NodeSubjectName } from "./plan.js";

/** One way to talk to etcd, to be compared with others. Each runs in its own process. */
export interface Subject {
  /** Only the SDK is ever given a signal. */
  get(key: string, signal?: AbortSignal): Promise<unknown>;
  /** Only the SDK is ever given a signal. */
  put(key: string, value: string, signal?: AbortSignal): Promise<unknown>;
  list(dir: string): Promise<unknown>;
  /** Calls back with the value of each event after an index; 0 means from now on. Ends with `close`. */
  watch(key: string, afterIndex: number, onEvent: (value: string) => void, recursive?: boolean): void;
  close(): unknown;
  /** Only the SDK and `node:http` write with a TTL. */
  ttl?(key: string, value: string): Promise<unknown>;
  /** Only the SDK follows directories here. Ends with `close`. */
  follow?(dir: string, how: "follow" | "mirror", on: FollowCallbacks): void;
}

/** What happens while a directory is followed. */
export interface FollowCallbacks {
  /** One key was set to this value. */
  readonly event: (value: string) => void;
  /** etcd's history ran out. */
  readonly cleared: () => void;
  /** A mirror has read everything again. */
  readonly list: () => void;
}

/** Creates a subject that talks to the etcd at a URL. `tls` is for https, and for the SDK only. */
export const subjects: Readonly<Record<NodeSubjectName, (url: string, tls?: ClientOptions["tls"]) => Subject>> = {
  "node:http": nodeHttp,
  "etcd2 on got": (url, tls) => sdk({ endpoints: [url], tls }),
  "etcd2 on undici": (url, tls) => sdk({ endpoints: [url], transport: undiciExchange({ tls }) }),
  "etcd2 through v3": (url) => sdk({ endpoints: [url], protocol: v3Protocol() }),
  "node:http, v3's requests": (url) => ({ ...v3RequestsByHand(url), watch: noWatch }),
  "got transport, bare": (url) => bare(url, gotExchange()),
  "undici transport, bare": (url) => bare(url, undiciExchange()),
  "node-etcd 7": nodeEtcd,
  "etcdjs 2": etcdjs,
};

function noWatch(): never {
  throw new Error("watches are not repeated by hand");
}

/** The part of a response body that the bench reads. */
interface Body {
  readonly node: { readonly value: string; readonly modifiedIndex: number };
}

const formHeaders = { "content-type": "application/x-www-form-urlencoded" };
const readQuery = "quorum=false&recursive=false&sorted=false";
const listQuery = "quorum=false&recursive=true&sorted=false";

/** This package. Without `transport` it uses its default. */
function sdk(options: ClientOptions): Subject {
  const client = new Client(options);
  const keys = new KeysAPI(client);
  return {
    get: (key, signal) => (signal === undefined ? keys.get(key) : keys.get(key, { signal })),
    put: (key, value, signal) => (signal === undefined ? keys.set(key, value) : keys.set(key, value, { signal })),
    ttl: (key, value) => keys.set(key, value, { ttl: 3_600 }),
    list: (dir) => keys.get(dir, { recursive: true }),
    watch: (key, afterIndex, onEvent, recursive = false) => {
      void watchEvents(keys.watcher(key, { afterIndex, recursive }), onEvent);
    },
    follow: (dir, how, on) => {
      const following = how === "mirror" ? mirror(keys, dir, on) : follow(keys, dir, on);
      // closing ends it
      following.catch((error: unknown) => {
        if (!(error instanceof UsageError)) process.stderr.write(`${String(error)}\n`);
      });
    },
    close: () => client.close(),
  };
}

/** All events, as {@link pollChain} has them. Ends when the client is closed. */
async function watchEvents(watcher: Watcher, onEvent: (value: string) => void): Promise<void> {
  try {
    for await (const { node } of watcher) onEvent(node.value);
  } catch {
    // closed
  }
}

async function follow(keys: KeysAPI, dir: string, on: FollowCallbacks): Promise<never> {
  for (;;) {
    const { index } = await keys.get(dir);
    try {
      for await (const { node } of keys.watcher(dir, { recursive: true, afterIndex: index })) on.event(node.value);
    } catch (error) {
      if (!isIndexCleared(error)) throw error;
      on.cleared();
    }
  }
}

async function mirror(keys: KeysAPI, dir: string, on: FollowCallbacks): Promise<void> {
  for await (const { kind, changes } of new Mirror(keys, dir, { onError: on.cleared })) {
    if (kind === "list") on.list();
    else for (const { node } of changes) on.event(node.value);
  }
}

/** A transport alone: the difference to it is what the SDK adds. It parses JSON as the node:http subject does. */
function bare(url: string, exchange: Exchange): Subject {
  const closed = new AbortController();
  const request = async (spec: RequestSpec): Promise<Body> => {
    const { status, body } = await exchange(new URL(`${url}${spec.path}?${spec.query ?? ""}`), spec, closed.signal);
    if (status >= 300) throw new Error(`status ${String(status)}`);
    return JSON.parse(body) as Body;
  };
  const limits = { headersMs: 5_000, idleMs: 30_000 };
  const path = (key: string): string => `/v2/keys${key}`;
  return {
    get: (key) => request({ method: "GET", path: path(key), query: readQuery, limits }),
    put: (key, value) => {
      const body = `value=${encodeURIComponent(value)}`;
      return request({ method: "PUT", path: path(key), headers: formHeaders, body, limits });
    },
    list: (dir) => request({ method: "GET", path: path(dir), query: listQuery, limits }),
    watch: (key, afterIndex, onEvent) => {
      void pollChain(afterIndex, onEvent, (waitIndex) =>
        request({ method: "GET", path: path(key), query: `wait=true&waitIndex=${String(waitIndex)}`, longPoll: true }),
      );
    },
    close: () => {
      closed.abort();
      return exchange.close?.();
    },
  };
}

/** What a careful programmer writes by hand: keep-alive, JSON.parse, a check of the status; no timeouts, no abort, no failover. */
function nodeHttp(url: string): Subject {
  const agent = new http.Agent({ keepAlive: true });
  const request = (method: string, path: string, body?: string): Promise<Body> =>
    new Promise((resolve, reject) => {
      const headers = body === undefined ? {} : { ...formHeaders, "content-length": Buffer.byteLength(body) };
      const sent = http.request(`${url}/v2/keys${path}`, { agent, method, headers }, (response) => {
        const chunks: Buffer[] = [];
        response.on("data", (chunk: Buffer) => chunks.push(chunk));
        response.on("end", () => {
          if ((response.statusCode ?? 0) >= 300) reject(new Error(`status ${String(response.statusCode)}`));
          else resolve(JSON.parse(Buffer.concat(chunks).toString()) as Body);
        });
        response.on("error", reject);
      });
      sent.on("error", reject);
      sent.end(body);
    });
  return {
    get: (key) => request("GET", `${key}?${readQuery}`),
    put: (key, value) => request("PUT", key, `value=${encodeURIComponent(value)}`),
    ttl: (key, value) => request("PUT", key, `ttl=3600&value=${encodeURIComponent(value)}`),
    list: (dir) => request("GET", `${dir}?${listQuery}`),
    watch: (key, afterIndex, onEvent) => {
      void pollChain(afterIndex, onEvent, (waitIndex) =>
        request("GET", `${key}?wait=true&waitIndex=${String(waitIndex)}`),
      );
    },
    close: () => {
      agent.destroy();
    },
  };
}

/** Long polls, each from the index after the previous event. The chain ends when one fails, which closing the subject causes. */
async function pollChain(
  afterIndex: number,
  onEvent: (value: string) => void,
  poll: (waitIndex: number) => Promise<Body>,
): Promise<void> {
  try {
    for (let waitIndex = afterIndex === 0 ? 0 : afterIndex + 1; ;) {
      const { node } = await poll(waitIndex);
      waitIndex = node.modifiedIndex + 1;
      onEvent(node.value);
    }
  } catch {
    // closed
  }
}

type Callback = (error: Error | null | undefined, body?: Body) => void;

/** What node-etcd and etcdjs have in common. */
interface CallbackClient {
  get(key: string, options: object, callback: Callback): void;
  set(key: string, value: string, callback: Callback): void;
}

interface NodeEtcd extends CallbackClient {
  watcher(
    key: string,
    index: number | null,
  ): { on(event: "change", listener: (body: Body) => void): unknown; stop(): void };
}

function nodeEtcd(url: string): Subject {
  const Etcd = createRequire(`${packagesFolder("node-etcd")}/`)("node-etcd") as new (url: string) => NodeEtcd;
  const client = new Etcd(url);
  const watchers: { stop(): void }[] = [];
  return {
    ...requestsOf(client),
    watch: (key, afterIndex, onEvent) => {
      const watcher = client.watcher(key, afterIndex === 0 ? null : afterIndex + 1);
      watcher.on("change", ({ node }) => {
        onEvent(node.value);
      });
      watchers.push(watcher);
    },
    close: () => {
      for (const watcher of watchers) watcher.stop();
    },
  };
}

type Next = (callback: WaitCallback) => void;
type WaitCallback = (error: Error | null, body: Body | null, next: Next) => void;

interface Etcdjs extends CallbackClient {
  wait(key: string, options: object, callback: WaitCallback): void;
  destroy(): void;
}

function etcdjs(url: string): Subject {
  const connect = createRequire(`${packagesFolder("etcdjs")}/`)("etcdjs") as (url: string) => Etcdjs;
  const client = connect(url);
  return {
    ...requestsOf(client),
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

function requestsOf(client: CallbackClient): Pick<Subject, "get" | "put" | "list"> {
  const promised = (call: (done: Callback) => void): Promise<unknown> =>
    new Promise((resolve, reject) => {
      call((error, body) => {
        // no error is null in node-etcd and undefined in etcdjs
        if (error) reject(error);
        else resolve(body);
      });
    });
  return {
    get: (key) =>
      promised((done) => {
        client.get(key, {}, done);
      }),
    put: (key, value) =>
      promised((done) => {
        client.set(key, value, done);
      }),
    list: (dir) =>
      promised((done) => {
        client.get(dir, { recursive: true }, done);
      }),
  };
}
