import assert from "node:assert/strict";
import net, { type Socket } from "node:net";
import test, { type TestContext } from "node:test";
import { listen } from "../../test-kit/loopback-server.js";
import { EndpointError, UsageError } from "../../util/errors.js";
import type { RequestSpec } from "../exchange.js";
import { startChild } from "../../test-kit/child.js";
import { rejection } from "../../test-kit/scripted-cluster.js";
import { event, headersOnly, ok, reply, ScriptedServer, silence, type Answer } from "../../test-kit/scripted-server.js";
import { undiciExchange, type UndiciExchangeOptions } from "./index.js";

// Behaviour shared with the got transport is tested in that transport's tests, which run on both.

const read: RequestSpec = { method: "GET", path: "/v2/keys/k" };
const write: RequestSpec = { method: "PUT", path: "/v2/keys/k", body: "value=v" };

function over(
  t: TestContext,
  options?: UndiciExchangeOptions,
): (url: string, spec: RequestSpec, signal?: AbortSignal) => Promise<{ status: number; body: string }> {
  const exchange = undiciExchange(options);
  t.after(() => exchange.close?.());
  return (url, spec, signal) => exchange(new URL(url + spec.path), spec, signal);
}

/** Accepts connections and sends nothing, not even a TLS handshake. */
async function muteServer(t: TestContext): Promise<{ readonly url: string; readonly connected: Promise<Socket> }> {
  const server = net.createServer();
  const { port } = await listen(t, server);
  const connected = new Promise<Socket>((resolve) => server.once("connection", resolve));
  return { url: `https://127.0.0.1:${String(port)}`, connected };
}

function closed(socket: Socket): Promise<void> {
  return new Promise((resolve) => {
    socket
      .on("error", () => undefined)
      .resume()
      .once("close", () => {
        resolve();
      });
  });
}

test("undici exchange: invalid options are refused", () => {
  for (const options of [
    { tsl: {} },
    { tls: { cert: "x" } },
    { tls: { ca: 1 } },
    { tls: { rejectUnauthorised: false } },
    null,
  ]) {
    assert.throws(() => undiciExchange(options as unknown as UndiciExchangeOptions), UsageError);
  }
});

test("undici exchange: a request aborted during connecting leaves no socket and was not sent", async (t) => {
  const { url, connected } = await muteServer(t);
  const ask = over(t);
  const abort = new AbortController();
  const call = ask(url, write, abort.signal);
  const gone = closed(await connected);
  abort.abort("over");
  await assert.rejects(call, (reason) => reason === "over");
  await gone;
});

test("undici exchange: the header timeout covers the handshake, and a write it ends was not applied", async (t) => {
  const { url, connected } = await muteServer(t);
  const ask = over(t);
  const call = ask(url, { ...write, limits: { headersMs: 100, idleMs: Infinity } });
  const gone = connected.then(closed);
  const { code, outcome } = await rejection(call, EndpointError);
  assert.deepEqual([code, outcome], ["ERR_HEADER_TIMEOUT", "notApplied"]);
  await gone;
});

test("undici exchange: consecutive requests share a connection, concurrent requests open one each", async (t) => {
  await using server = await ScriptedServer.start(ok());
  const ask = over(t);
  for (let i = 0; i < 5; i++) await ask(server.url, i % 2 === 0 ? read : write);
  assert.equal(server.connections, 1);
  const held: (() => void)[] = [];
  server.script((...args) => new Promise<void>((resolve) => held.push(resolve)).then(() => ok()(...args)));
  const calls = Array.from({ length: 3 }, () => ask(server.url, read));
  await server.received(8);
  assert.equal(server.connections, 3);
  for (const letGo of held) letGo();
  await Promise.all(calls);
});

test("undici exchange: if the server closes after each response, every request, writes too, uses a new connection", async (t) => {
  await using server = await ScriptedServer.start(reply(200, "{}", { connection: "close" }));
  const ask = over(t);
  for (let i = 0; i < 5; i++) assert.equal((await ask(server.url, i % 2 === 0 ? read : write)).status, 200);
  assert.equal(server.requests.length, 5);
});

test("undici exchange: a write does not use an idle connection that the server has closed", async (t) => {
  let kept: Socket | undefined;
  const keep: Answer = (response, request, socket) => {
    kept = socket;
    return ok()(response, request, socket);
  };
  await using server = await ScriptedServer.start(keep);
  const ask = over(t);
  await ask(server.url, read);
  kept?.end();
  await server.connectionsDownTo(0);
  assert.equal((await ask(server.url, write)).status, 200);
  assert.equal(server.requests.length, 2);
});

test("undici exchange: repeated headers are joined, informational responses are skipped, bytes are sent unchanged", async (t) => {
  await using server = await ScriptedServer.start((response) => {
    response.writeEarlyHints({ link: "</x>; rel=preload" });
    response.writeHead(200, { "x-a": ["1", "2"], "content-type": "text/plain" }).end("body");
  });
  const exchange = undiciExchange();
  t.after(() => exchange.close?.());
  const raw = await exchange(
    new URL(`${server.url}/`),
    { method: "PUT", path: "/", bytes: Uint8Array.of(0x68, 0xc3, 0xa9) },
    undefined,
  );
  assert.deepEqual([raw.status, raw.headers["x-a"], raw.body], [200, "1, 2", "body"]);
  assert.equal(server.requests[0]?.body, "hé");
});

test("undici exchange: a body arrives byte for byte, whatever its content and length, on new and on kept connections", async (t) => {
  await using server = await ScriptedServer.start(ok());
  const ask = over(t);
  const texts = ["value=v", "é€😀\0\u00ff", `${"é".repeat(4_000)}😀`, "€".repeat(400_000)];
  for (const body of texts) await ask(server.url, { ...write, body });
  for (const body of texts)
    await ask(server.url, {
      method: "PUT",
      path: write.path,
      bytes: new TextEncoder().encode(`..${body}`).subarray(2),
    });
  // assert.equal would print a diff of many screens
  assert.deepEqual(
    server.requests.map(({ body }) => texts.indexOf(body)),
    [0, 1, 2, 3, 0, 1, 2, 3],
  );
  assert.equal(server.connections, 1);
});

test("undici exchange: an invalid header fails only its own request, before it is sent", async (t) => {
  await using server = await ScriptedServer.start(ok());
  const ask = over(t);
  const { outcome } = await rejection(ask(server.url, { ...write, headers: { "x-a": "a\nb" } }), EndpointError);
  assert.equal(outcome, "notApplied");
  assert.equal((await ask(server.url, write)).status, 200);
  assert.equal(server.requests.length, 1);
});

test("undici exchange: close() ends idle connections and requests in flight, and the transport stays usable", async (t) => {
  await using server = await ScriptedServer.start(ok(), silence());
  const exchange = undiciExchange();
  t.after(() => exchange.close?.());
  const ask = (spec: RequestSpec): Promise<unknown> => exchange(new URL(server.url + spec.path), spec, undefined);
  await ask(read);
  const pending = Promise.allSettled([ask(read), ask(read)]);
  await server.received(3);
  await exchange.close?.();
  assert.deepEqual(
    (await pending).map(({ status }) => status),
    ["rejected", "rejected"],
  );
  await server.connectionsDownTo(0);
  server.script(ok());
  await ask(read);
});

test("undici exchange: a waiting watch keeps the process alive, an idle connection does not", async (t) => {
  await using server = await ScriptedServer.start(ok(), headersOnly());
  const child = startChild(t, "undici-programs.js", [server.url]);
  await server.received(2);
  assert.equal(child.process.exitCode, null);
  server.script(event(7));
  child.process.stdin?.end();
  const { status, stderr } = await child.ended;
  assert.deepEqual([status, stderr], [0, ""]);
});
