import assert from "node:assert/strict";
import test, { type TestContext } from "node:test";
import { Agent, type Dispatcher, MockAgent, ProxyAgent } from "undici";
import { KeysAPI } from "../../core/keys.js";
import { ClusterError, ResponseError, UsageError } from "../../util/errors.js";
import { rejection } from "../../test-kit/scripted-cluster.js";
import {
  clientOf,
  closeUnanswered,
  headersOnly,
  ok,
  okBody,
  reply,
  ScriptedServer,
  silence,
} from "../../test-kit/scripted-server.js";
import { tunnel } from "../../test-kit/tunnel.js";
import { undiciExchange, type UndiciExchangeOptions } from "./index.js";

async function cluster(
  t: TestContext,
  dispatcher: Dispatcher,
): Promise<{ readonly server: ScriptedServer; readonly keys: KeysAPI }> {
  const server = await ScriptedServer.start(ok());
  const client = clientOf([server], {
    transport: undiciExchange({ dispatcher }),
    maxBodyBytes: 1_000,
  });
  t.after(async () => {
    await client.close();
    await dispatcher.destroy();
    await server.close();
  });
  return { server, keys: new KeysAPI(client) };
}

test("dispatcher: reads, writes and watches go through it", async (t) => {
  const { server, keys } = await cluster(t, new Agent());
  await keys.get("/k");
  await keys.set("/k", "v");
  await keys.watcher("/k").next();
  assert.deepEqual(
    server.requests.map(({ method, headers }) => [method, headers["accept-encoding"]]),
    [
      ["GET", "identity"],
      ["PUT", "identity"],
      ["GET", "identity"],
    ],
  );
});

test("dispatcher: a ProxyAgent takes every request to its proxy", async (t) => {
  const proxy = await tunnel(t);
  const { server, keys } = await cluster(t, new ProxyAgent({ uri: proxy.url, proxyTunnel: true }));
  await keys.get("/k");
  await keys.set("/k", "v");
  assert.equal(server.requests.length, 2);
  assert.deepEqual(new Set(proxy.targets), new Set([new URL(server.url).host]));
});

test("dispatcher: a MockAgent answers without a network", async (t) => {
  const agent = new MockAgent();
  agent.disableNetConnect();
  agent
    .get("http://etcd.example")
    .intercept({ path: (path) => path.startsWith("/v2/keys/k") })
    .reply(200, okBody);
  const client = clientOf(["http://etcd.example"], { transport: undiciExchange({ dispatcher: agent }) });
  t.after(() => client.close());
  assert.equal((await new KeysAPI(client).get("/k")).node.value, "v");
});

test("dispatcher: limits, aborts and outcomes work as with the other transports", async (t) => {
  const { server, keys } = await cluster(t, new Agent());
  server.script(silence());
  const brief = keys.withLimits(() => ({ headersMs: 500, idleMs: Infinity }));
  assert.equal((await rejection(brief.create("/k", "v"), ClusterError)).outcome, "unknown");
  const abort = new AbortController();
  const pending = keys.get("/k", { signal: abort.signal });
  await server.received(2);
  abort.abort("over");
  await assert.rejects(pending, (reason) => reason === "over");
  server.script(reply(200, "x".repeat(2_000)));
  assert.equal((await rejection(keys.get("/k"), ResponseError)).code, "ERR_BODY_TOO_LARGE");
  server.script(closeUnanswered(), ok());
  await keys.get("/k");
  server.script(headersOnly({ "x-etcd-index": "7" }));
  const watch = keys.watcher("/k").next(AbortSignal.timeout(500));
  await assert.rejects(watch, { name: "TimeoutError" });
});

test("dispatcher: a value that is not a dispatcher, or a dispatcher together with tls, is refused", () => {
  for (const options of [
    { dispatcher: null },
    { dispatcher: {} },
    { dispatcher: "proxy" },
    { dispatcher: new MockAgent(), tls: {} },
  ] as unknown as UndiciExchangeOptions[]) {
    assert.throws(() => undiciExchange(options), UsageError);
  }
});
