import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, type Server } from "node:http";
import { connect, type AddressInfo, type Socket } from "node:net";
import test from "node:test";
import type { Administered, CallContext, Done, KeysStore, KeysWatch } from "../core/keys-store.js";
import { ClusterError, UsageError } from "../util/errors.js";
import { deferred, type Deferred } from "../util/deferred.js";
import { onAbort } from "../util/signals.js";
import { until } from "../test-kit/waiting.js";
import { createV2Server, type V2Server, type V2ServerOptions } from "./index.js";

const place = { index: 7, clusterId: "abc" } as const;

/** A store whose calls end when the test says so. It ignores the signals of its calls, but counts those that aborted. */
class ScriptedStore implements KeysStore {
  readonly calls: Deferred<Done>[] = [];
  readonly events: Deferred<readonly Done[]>[] = [];
  aborted = 0;
  /** Of what `execute` resolves to. Undefined: the test resolves the call. */
  value: string | undefined;
  opening: Promise<void> = Promise.resolve();

  execute(_call: unknown, { signal }: CallContext): Promise<Done> {
    if (this.value !== undefined) return Promise.resolve(done(this.value));
    const call = deferred<Done>();
    this.calls.push(call);
    onAbort(signal, () => this.aborted++);
    return call.promise;
  }

  async watch(): Promise<KeysWatch> {
    await this.opening;
    const next = (): Promise<readonly Done[]> => {
      const event = deferred<readonly Done[]>();
      this.events.push(event);
      return event.promise;
    };
    return { ...place, next, close: () => undefined };
  }
}

function done(value: string): Done {
  return { ...place, action: "get", node: { key: "/k", value, modifiedIndex: 7, createdIndex: 7 } };
}

/** A server on a scripted store, with its URL. */
async function served(
  options: Partial<V2ServerOptions> = {},
): Promise<{ store: ScriptedStore; server: V2Server; url: string; connectTo: () => Promise<Socket> }> {
  const store = new ScriptedStore();
  const server = createV2Server({ store, ...options });
  const url = await server.listen({ port: 0 });
  const connectTo = async (): Promise<Socket> => {
    const socket = connect(Number(new URL(url).port), "127.0.0.1");
    socket.on("error", () => undefined);
    await once(socket, "connect");
    return socket;
  };
  return { store, server, url, connectTo };
}

/** An HTTP server of the user's own that has the handler. */
async function ownServer({ handler }: V2Server): Promise<{ own: Server; port: number }> {
  const own = createServer(handler);
  own.listen(0, "127.0.0.1");
  await once(own, "listening");
  return { own, port: (own.address() as AddressInfo).port };
}

function closed(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => {
      resolve();
    });
    server.closeAllConnections();
  });
}

/** Everything that comes until the connection is closed. */
async function readAll(socket: Socket): Promise<string> {
  let text = "";
  socket.on("data", (chunk: Buffer) => (text += chunk.toString("latin1")));
  await once(socket, "close");
  return text;
}

function put(url: string, value: string): Promise<Response> {
  return fetch(`${url}/v2/keys/k`, { method: "PUT", body: new URLSearchParams({ value }) });
}

async function errorOf(response: Response): Promise<readonly [number, number, string]> {
  const { errorCode, cause } = (await response.json()) as { readonly errorCode: number; readonly cause: string };
  return [response.status, errorCode, cause];
}

test("v2 server: close lets requests finish, ends polls empty, and waits for no connection without a request", async () => {
  const { store, server, url, connectTo } = await served({ closeTimeoutMs: Infinity });
  const [unused, halfSent] = [await connectTo(), await connectTo()];
  halfSent.write("GET /v2/keys/k HTT");
  const poll = await fetch(`${url}/v2/keys/k?wait=true`);
  const written = put(url, "1");
  const [call] = await until("the write is executed", () => store.calls.length > 0 && store.calls);
  const closing = server.close();
  assert.equal(await poll.text(), "");
  await assert.rejects(fetch(`${url}/v2/keys/k`));
  call?.resolve(done("1"));
  const response = await written;
  assert.deepEqual([response.status, response.headers.get("connection")], [200, "close"]);
  assert.match(await response.text(), /"value":"1"/);
  await closing;
  assert.equal(store.aborted, 0);
  for (const socket of [unused, halfSent]) socket.destroy();
});

test("v2 server: close ends a request that takes longer than closeTimeoutMs", async () => {
  const { store, server, url } = await served({ closeTimeoutMs: 50 });
  const written = put(url, "1").catch((error: unknown) => error);
  await until("the write is executed", () => store.calls.length > 0);
  await server.close();
  assert.ok((await written) instanceof Error);
  await until("the store's call is aborted", () => store.aborted === 1);
  assert.equal(server.close(), server.close());
});

test("v2 server: a call that takes longer than requestTimeoutMs is aborted and answered 500 with 300; polls may wait", async () => {
  const store = new ScriptedStore();
  const server = createV2Server({ store, requestTimeoutMs: 300 });
  const { own, port } = await ownServer(server);
  const url = `http://127.0.0.1:${String(port)}`;
  const poll = await fetch(`${url}/v2/keys/k?wait=true`);
  assert.deepEqual(await errorOf(await put(url, "1")), [500, 300, "the store did not respond within 300 ms"]);
  assert.equal(store.aborted, 1);
  store.events[0]?.resolve([done("later")]);
  assert.match(await poll.text(), /later/);
  store.opening = new Promise(() => undefined);
  const late = await fetch(`${url}/v2/keys/k?wait=true`);
  assert.deepEqual(await errorOf(late), [500, 300, "the store did not respond within 300 ms"]);
  await server.close();
  await closed(own);
});

test("v2 server: a request that does not arrive within requestTimeoutMs gets 408, and its connection is closed", async () => {
  const { server, connectTo } = await served({ requestTimeoutMs: 200 });
  const [head, body] = [await connectTo(), await connectTo()];
  head.write("GET /v2/keys/k HTTP/1.1\r\nHost:");
  body.write("PUT /v2/keys/k HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nvalue=");
  assert.match(await readAll(head), /^HTTP\/1\.1 408 /);
  assert.match(await readAll(body), /^HTTP\/1\.1 408 /);
  await server.close();
});

test("v2 server: more than maxRequests requests, or maxBufferedBytes bytes of bodies, at once get 503", async () => {
  const { store, server, url } = await served({ maxRequests: 2, maxBufferedBytes: 1_000 });
  const first = put(url, "x".repeat(600));
  await until("the first write is executed", () => store.calls.length === 1);
  const second = await put(url, "x".repeat(600));
  assert.deepEqual([second.status, second.headers.get("retry-after")], [503, "1"]);
  assert.equal(await second.text(), "too many bytes of requests at once\n");
  const small = put(url, "small");
  await until("the small write is executed", () => store.calls.length === 2);
  const third = await put(url, "third");
  assert.deepEqual([third.status, await third.text()], [503, "too many requests at once\n"]);
  for (const call of store.calls) call.resolve(done("1"));
  assert.deepEqual([(await first).status, (await small).status], [200, 200]);
  store.value = "now";
  assert.equal((await put(url, "x".repeat(900))).status, 200);
  assert.equal((await put(url, "x".repeat(900))).status, 200);
  assert.equal((await put(url, "x".repeat(1_100))).status, 503);
  await server.close();
});

test("v2 server: a client that stops reading for requestTimeoutMs loses its connection", async () => {
  const store = new ScriptedStore();
  store.value = "x".repeat(30 * 1024 * 1024);
  const server = createV2Server({ store, requestTimeoutMs: 300 });
  const { own, port } = await ownServer(server);
  let ended = 0;
  own.on("connection", (socket: Socket) => socket.once("close", () => ended++));
  const sockets: Socket[] = [];
  for (const target of ["/v2/keys/k", "/v2/keys/k?wait=true&stream=true"]) {
    const socket = connect(port, "127.0.0.1");
    socket.on("error", () => undefined).pause();
    socket.write(`GET ${target} HTTP/1.1\r\nHost: x\r\n\r\n`);
    sockets.push(socket);
  }
  (await until("the stream waits", () => store.events.at(-1))).resolve([done(store.value)]);
  await until("the server has closed both", () => ended === 2);
  for (const socket of sockets) socket.destroy();
  await server.close();
  await closed(own);
});

test("v2 server: more than maxConnections connections are closed at once", async () => {
  const { server, connectTo } = await served({ maxConnections: 1 });
  const first = await connectTo();
  const second = await connectTo();
  assert.equal(await readAll(second), "");
  assert.equal(first.destroyed, false);
  first.destroy();
  await server.close();
});

test("v2 server: a client that goes away aborts its call", async () => {
  const { store, server, url } = await served();
  const gone = new AbortController();
  const read = fetch(`${url}/v2/keys/k`, { signal: gone.signal }).catch((error: unknown) => error);
  await until("the read is executed", () => store.calls.length === 1);
  gone.abort();
  await read;
  await until("the store's call is aborted", () => store.aborted === 1);
  await server.close();
});

test("v2 server: behind a server of the user's own, close ends polls and waits for requests", async () => {
  const store = new ScriptedStore();
  const server = createV2Server({ store, closeTimeoutMs: Infinity });
  const { own, port } = await ownServer(server);
  const url = `http://127.0.0.1:${String(port)}`;
  const poll = await fetch(`${url}/v2/keys/k?wait=true`);
  const read = fetch(`${url}/v2/keys/k`);
  await until("the read is executed", () => store.calls.length === 1);
  let isClosed = false;
  const closing = server.close().then(() => (isClosed = true));
  assert.equal(await poll.text(), "");
  assert.equal(isClosed, false);
  store.calls[0]?.resolve(done("1"));
  assert.equal((await read).status, 200);
  await closing;
  const later = await fetch(`${url}/v2/keys/k?wait=true`);
  assert.deepEqual(await errorOf(later), [500, 300, "this server is closing"]);
  await closed(own);
});

test("v2 server: machines and members of a store that reaches no endpoint get status 500, without a process warning", async () => {
  const warnings: Error[] = [];
  const warned = (warning: Error): unknown => warnings.push(warning);
  process.on("warning", warned);
  const store = new ScriptedStore() as ScriptedStore & Required<KeysStore>;
  store.administer = (): Promise<Administered> => Promise.reject(new ClusterError("ERR_CLUSTER_UNAVAILABLE", []));
  const server = createV2Server({ store });
  const url = await server.listen({ port: 0 });
  for (const path of ["/v2/machines", "/v2/members", "/version"])
    assert.equal((await fetch(`${url}${path}`)).status, 500, path);
  const poll = await fetch(`${url}/v2/keys/k?wait=true`);
  store.events[0]?.reject(new ClusterError("ERR_CLUSTER_UNAVAILABLE", []));
  assert.equal(await poll.text(), "");
  await server.close();
  process.off("warning", warned);
  assert.deepEqual(warnings, []);
});

test("v2 server: JSON that is nested a million times is refused like any other that is bad", async () => {
  const store = new ScriptedStore() as ScriptedStore & Required<KeysStore>;
  store.administer = (): Promise<Administered> => Promise.resolve({ status: 200, json: {} });
  await using server = createV2Server({ store });
  const url = await server.listen({ port: 0 });
  const body = "[".repeat(1_000_000);
  const headers = { "content-type": "application/json" };
  for (const path of ["/v2/members/abc", "/v2/auth/users/ann", "/v2/auth/roles/r"]) {
    const response = await fetch(`${url}${path}`, { method: "PUT", headers, body });
    assert.equal(response.status, 400, `${path}: ${await response.text()}`);
  }
});

test("v2 server: bad options and addresses are refused, and after a failed listen it can listen elsewhere", async () => {
  const { store, server, url } = await served();
  const port = Number(new URL(url).port);
  for (const bad of [
    { maxRequests: 0 },
    { maxConnections: 1.5 },
    { maxBufferedBytes: -1 },
    { requestTimeoutMs: 0 },
    { closeTimeoutMs: Number.NaN },
    { advertise: [] },
    { advertise: ["ftp://127.0.0.1"] },
    { maxRequest: 1 },
  ])
    assert.throws(() => createV2Server({ store, ...bad }), UsageError, JSON.stringify(bad));
  const other = createV2Server({ store });
  await assert.rejects(other.listen({ port }), { code: "EADDRINUSE" });
  for (const host of ["0.0.0.0", "::", "[::]"]) await assert.rejects(other.listen({ host, port: 0 }), /advertise/);
  await assert.rejects(other.listen({ port: 0, tls: { cert: "none", key: "none" } }), UsageError);
  assert.match(await other.listen({ port: 0 }), /^http:\/\/127\.0\.0\.1:/);
  await assert.rejects(other.listen({ port: 0 }), /listens already/);
  await other.close();
  await assert.rejects(other.listen({ port: 0 }), /was closed/);
  await server.close();
});
