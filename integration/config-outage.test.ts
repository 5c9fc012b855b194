import assert from "node:assert/strict";
import test, { type TestContext } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import type { Cluster } from "./test-kit/etcd.js";
import { Client, isIndexCleared, KeysAPI } from "../src/core/index.js";
import { startChild } from "../src/test-kit/child.js";
import { TcpProxy } from "../src/test-kit/tcp-proxy.js";
import { noiseMs, until } from "../src/test-kit/waiting.js";
import { RegistryWriter, startApiSource, startEtcdSource } from "./config-support.js";
import { clearHistory, ownMember, ownMemberWithoutApi } from "./support.js";

const root = "/registry/services";

interface Ground {
  readonly cluster: Cluster;
  readonly keys: KeysAPI;
  readonly write: RegistryWriter;
  readonly clientOf: (url: string) => Client;
}

/** A member of one test, with default/web in its registry. */
async function ground(t: TestContext): Promise<Ground> {
  const cluster = await ownMember();
  t.after(() => cluster.stop());
  const clientOf = (url: string): Client => {
    const client = new Client({ endpoints: [url] });
    t.after(() => client.close());
    return client;
  };
  const keys = new KeysAPI(clientOf(cluster.endpoints[0] ?? ""));
  const write = new RegistryWriter(keys, root);
  await write.spec("default/web:80");
  await write.endpoints("default/web 10.1.0.1:8080");
  return { cluster, keys, write, clientOf };
}

async function proxyTo(t: TestContext, { cluster }: Ground): Promise<TcpProxy> {
  const proxy = await TcpProxy.start(cluster.endpoints[0] ?? "");
  t.after(() => proxy.close());
  return proxy;
}

test("outage: after history was cleared while the watch was cut, exactly the difference is delivered (config 32)", async (t) => {
  const each = await ground(t);
  const proxy = await proxyTo(t, each);
  const { services, endpoints, warnings, source } = startEtcdSource(t, each.clientOf(proxy.url), undefined, {
    retryMs: 200,
  });
  await source.synced;
  proxy.cut("refuse");
  await each.write.spec("default/api:90");
  await each.keys.delete(each.write.specKey("default/web"));
  await clearHistory({ keys: each.keys, endpoints: each.cluster.endpoints });
  await until("a failed watch", () => warnings.length > 0);
  proxy.heal();
  await services.until(["default/api:90"]);
  // the list is one update: the old service and the new one are never present together
  assert.deepEqual(services.calls, [["default/web:80"], ["default/api:90"]]);
  await endpoints.until(["default/api", "default/web 10.1.0.1:8080"]);
  assert.ok(warnings.some(({ error }) => isIndexCleared(error)));

  const calls = [services.calls.length, endpoints.calls.length];
  const warned = warnings.length;
  proxy.cut("refuse");
  await clearHistory({ keys: each.keys, endpoints: each.cluster.endpoints });
  await until("another failed watch", () => warnings.length > warned);
  proxy.heal();
  await until("cleared history again", () => warnings.slice(warned).some(({ error }) => isIndexCleared(error)));
  await each.write.endpoints("default/web 10.1.0.2:8080");
  await endpoints.until(["default/api", "default/web 10.1.0.2:8080"]);
  assert.deepEqual(
    [services.calls.length, endpoints.calls.length],
    [calls[0], (calls[1] ?? 0) + 1],
    "unchanged states were delivered again",
  );
});

test("outage: an object that cannot be decoded any more after the watch was cut stays as it was (config 28, 32)", async (t) => {
  const each = await ground(t);
  const proxy = await proxyTo(t, each);
  const { services, warnings, source } = startEtcdSource(t, each.clientOf(proxy.url), root, { retryMs: 200 });
  await source.synced;
  proxy.cut("refuse");
  await each.keys.set(each.write.specKey("default/web"), "garbage");
  await clearHistory({ keys: each.keys, endpoints: each.cluster.endpoints });
  await each.write.spec("default/api:90");
  proxy.heal();
  await services.until(["default/api:90", "default/web:80"]);
  assert.ok(warnings.some(({ key }) => key === each.write.specKey("default/web")));
});

test("outage: if etcd is down at the start, everything is delivered soon after it is up (config 33)", async (t) => {
  const each = await ground(t);
  const [member] = each.cluster.members;
  assert.ok(member !== undefined);
  await member.terminate();
  const { services, endpoints, warnings, source } = startEtcdSource(t, each.clientOf(member.url), root, {
    retryMs: 1_000,
  });
  await until("a try that failed", () => warnings.length > 0);
  await sleep(3_000);
  assert.deepEqual(services.calls, []);
  await member.start();
  const up = performance.now();
  await source.synced;
  assert.ok(performance.now() - up <= 2_000 + noiseMs, `in sync after ${String(performance.now() - up)} ms`);
  assert.deepEqual([services.calls, endpoints.calls], [[["default/web:80"]], [["default/web 10.1.0.1:8080"]]]);
});

for (const end of ["kill", "terminate"] as const) {
  test(`outage: when etcd goes down later (${end}) the state is kept, and the source goes on (config 34)`, async (t) => {
    const each = await ground(t);
    const [member] = each.cluster.members;
    assert.ok(member !== undefined);
    const { services, serviceConfig, warnings, source } = startEtcdSource(t, each.clientOf(member.url), root, {
      retryMs: 300,
      resyncMs: 300,
    });
    await source.synced;
    await member[end]();
    await until("a warning", () => warnings.length > 2);
    assert.equal(serviceConfig.config().length, 1);
    await member.start();
    await each.write.spec("default/api:90");
    await services.until(["default/api:90", "default/web:80"]);
    assert.deepEqual(services.calls, [["default/web:80"], ["default/api:90", "default/web:80"]]);
  });
}

test("outage: a request that etcd refuses is retried, since rights may be granted later", async (t) => {
  // every request is refused with 404
  const without = await ownMemberWithoutApi();
  t.after(() => without.stop());
  const proxy = await TcpProxy.start(without.endpoints[0] ?? "");
  t.after(() => proxy.close());
  const client = new Client({ endpoints: [proxy.url] });
  t.after(() => client.close());
  const { warnings, source } = startEtcdSource(t, client, root, { retryMs: 50 });
  await until("some tries", () => warnings.length >= 3);
  const { cluster, keys } = await ground(t);
  await keys.get(root);
  client.setEndpoints(cluster.endpoints);
  await source.synced;
});

test("outage: after history was cleared, the source API delivers the difference (config 48, 32)", async (t) => {
  const each = await ground(t);
  const proxy = await proxyTo(t, each);
  const { services, endpoints, warnings, source } = startApiSource(t, each.clientOf(proxy.url), root);
  await source.synced;
  proxy.cut("refuse");
  await each.write.spec("default/api:90");
  await each.keys.delete(each.write.specKey("default/web"));
  await clearHistory({ keys: each.keys, endpoints: each.cluster.endpoints });
  await until("failed watches of both kinds", () => warnings.length >= 2);
  proxy.heal();
  await services.until(["default/api:90"]);
  assert.equal(services.calls.length, 2);
  await each.write.endpoints("default/web 10.1.0.2:8080");
  await endpoints.until(["default/web 10.1.0.2:8080"]);
  assert.equal(endpoints.calls.length, 2, "an unchanged state was delivered again");
});

test("close: after everything is closed the process ends on its own, and a sink takes no more updates (config 47)", async (t) => {
  const each = await ground(t);
  const child = startChild(t, "../../integration/config-child.js", each.cluster.endpoints);
  const { status, stdout, stderr } = await child.ended;
  assert.equal(stderr, "");
  assert.equal(status, 0);
  assert.equal(
    stdout,
    "default/web default/web file\nERR_CLOSED ERR_CLOSED ERR_CLOSED ERR_CLOSED ERR_CLOSED ERR_CLOSED\nclosed\n",
  );
});

test("close: a source whose client or sink is closed ends with that error", async (t) => {
  const each = await ground(t);
  const client = each.clientOf(each.cluster.endpoints[0] ?? "");
  const first = startEtcdSource(t, client, root);
  await first.source.synced;
  await client.close();
  assert.equal(((await first.source.closed) as { code?: unknown }).code, "ERR_CLOSED");
  const second = startEtcdSource(t, each.clientOf(each.cluster.endpoints[0] ?? ""), root);
  await second.source.synced;
  second.serviceConfig.channel("etcd").close();
  await each.write.spec("default/web:81");
  assert.equal(((await second.source.closed) as { code?: unknown }).code, "ERR_CLOSED");
});
