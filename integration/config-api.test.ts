import assert from "node:assert/strict";
import test, { type TestContext } from "node:test";
import { etcdListerWatcher, jsonCodec, type Service, type SourceAPI, type WatchEvent } from "../src/config/index.js";
import { Client } from "../src/core/index.js";
import { showService } from "../src/config/test-kit/config-objects.js";
import { patience } from "../src/test-kit/waiting.js";
import { RegistryWriter, startApiSource, type Running } from "./config-support.js";
import { clearHistory, clusterForTests } from "./support.js";

const cluster = clusterForTests("config-api");
let lastRoot = 0;

interface Ground extends Running<SourceAPI> {
  readonly root: string;
  readonly write: RegistryWriter;
}

async function ground(t: TestContext, fill: (write: RegistryWriter) => Promise<void>): Promise<Ground> {
  const root = `${cluster.dir}/${String(++lastRoot)}/registry/services`;
  const write = new RegistryWriter(cluster.keys, root);
  await fill(write);
  const running = startApiSource(t, cluster.client, root);
  await running.source.synced;
  return { ...running, root, write };
}

async function defaultWeb(write: RegistryWriter): Promise<void> {
  await write.spec("default/web:80");
  await write.endpoints("default/web 10.1.0.1:8080 10.1.0.2:8080");
}

test("source API on etcd: existing services are delivered, with and without a namespace (config 48, 19, 20)", async (t) => {
  const { services, endpoints } = await ground(t, async (into) => {
    await defaultWeb(into);
    await into.spec("web:80");
  });
  assert.deepEqual(services.calls, [["/web:80", "default/web:80"]]);
  assert.deepEqual(endpoints.calls, [["default/web 10.1.0.1:8080 10.1.0.2:8080"]]);
});

test("source API on etcd: a registry that does not exist is empty, and may be created later (config 48, 18)", async (t) => {
  const { services, endpoints, write } = await ground(t, () => Promise.resolve());
  assert.deepEqual([services.calls, endpoints.calls], [[[]], [[]]]);
  await write.spec("default/web:80", "create");
  await services.until(["default/web:80"]);
});

test("source API on etcd: created and changed services are added by their events (config 48, 21, 22)", async (t) => {
  const { services, write } = await ground(t, defaultWeb);
  await write.spec("default/api:90", "create");
  await services.until(["default/api:90", "default/web:80"], 5_000);
  for (const [how, port] of [
    ["compareAndSwap", 91],
    ["update", 92],
    ["set", 93],
  ] as const) {
    await write.spec(`default/api:${String(port)}`, how);
    await services.until([`default/api:${String(port)}`, "default/web:80"]);
  }
  assert.equal(services.calls.length, 5);
});

test("source API on etcd: removals are delivered, and removed endpoints leave their service (config 48, 23, 24)", async (t) => {
  const { services, endpoints, write } = await ground(t, defaultWeb);
  const ends: readonly ((key: string) => Promise<unknown>)[] = [
    (key) => cluster.keys.delete(key),
    async (key) => cluster.keys.delete(key, { prevIndex: (await cluster.keys.get(key)).node.modifiedIndex }),
    (key) => cluster.keys.refresh(key, 1),
  ];
  for (const end of ends) {
    await write.spec("default/api:90");
    await services.until(["default/api:90", "default/web:80"]);
    await end(write.specKey("default/api"));
    await services.until(["default/web:80"]);
  }
  const calls = services.calls.length;
  await cluster.keys.delete(write.endpointsKey("default/web"));
  await endpoints.until([]);
  assert.equal(services.calls.length, calls);
});

test("source API on etcd: the removal of a directory causes a list (config 48, 26)", async (t) => {
  const { services, root } = await ground(t, async (into) => {
    for (const id of ["default/a:1", "default/b:1", "other/a:1"]) await into.spec(id);
  });
  await cluster.keys.delete(`${root}/specs/default`, { recursive: true });
  await services.until(["other/a:1"]);
  assert.equal(services.calls.length, 2);
});

test("etcdListerWatcher: lists, events, versions and errors", async () => {
  const path = `${cluster.dir}/lister/specs`;
  const write = new RegistryWriter(cluster.keys, `${cluster.dir}/lister`);
  const lister = etcdListerWatcher<Service>({
    client: cluster.client,
    path,
    decode: ({ key, value, modifiedIndex }) => jsonCodec.decodeService(value, { key, modifiedIndex }),
  });
  const show = (event: WatchEvent<Service>): string =>
    event.type === "ERROR" ? `ERROR ${String(event.status.code)}` : `${event.type} ${showService(event.object)}`;
  const { items, resourceVersion } = await lister.list({});
  assert.deepEqual(items, []);
  await write.spec("a/web:1", "create");
  await write.spec("a/web:2");
  await cluster.keys.set(`${path}/a/_hidden`, "garbage");
  await cluster.keys.set(`${path}/a/bad`, "garbage");
  const { index } = await cluster.keys.delete(`${path}/a/web`);
  await cluster.keys.delete(`${path}/a`, { recursive: true });
  const shown: string[] = [];
  let version = "";
  for await (const event of lister.watch({ resourceVersion, signal: patience() })) {
    shown.push(show(event));
    if (event.type === "DELETED") version = event.object.metadata.resourceVersion ?? "";
  }
  assert.deepEqual(shown, ["ADDED a/web:1", "MODIFIED a/web:2", "DELETED a/web:2", "ERROR 410"]);
  assert.equal(version, String(index));
  await clearHistory(cluster, cluster.dir);
  // over v3 the first client still has a stream that remembers
  await using client = new Client({ endpoints: cluster.endpoints });
  const other = etcdListerWatcher<Service>({ client, path, decode: ({ value }) => jsonCodec.decodeService(value) });
  const cleared: string[] = [];
  for await (const event of other.watch({ resourceVersion, signal: patience() })) cleared.push(show(event));
  assert.deepEqual(cleared, ["ERROR 410"]);

  await assert.rejects(lister.list({ labelSelector: "a=b" }), { code: "ERR_ARGUMENT" });
  assert.throws(() => lister.watch({ resourceVersion, fieldSelector: "a=b" }), { code: "ERR_ARGUMENT" });
  const reason = new Error("enough");
  const abort = new AbortController();
  const { resourceVersion: now } = await lister.list({});
  const next = lister.watch({ resourceVersion: now, signal: abort.signal })[Symbol.asyncIterator]().next();
  abort.abort(reason);
  await assert.rejects(next, reason);
});
