import assert from "node:assert/strict";
import test, { type TestContext } from "node:test";
import { ConfigError, jsonCodec, type ConfigSourceEtcd, type ConfigSourceEtcdOptions } from "../src/config/index.js";
import { isKeyNotFound, type KeysResponse } from "../src/core/index.js";
import { showEndpoints, showService } from "../src/config/test-kit/config-objects.js";
import { until } from "../src/test-kit/waiting.js";
import { RegistryWriter, startEtcdSource, tapped, type Running } from "./config-support.js";
import { clusterForTests, renewDirectory } from "./support.js";

const cluster = clusterForTests("config-etcd");
let lastRoot = 0;

interface Ground extends Running<ConfigSourceEtcd> {
  readonly root: string;
  readonly write: RegistryWriter;
}

/** A registry of one test with some objects, and a source that has listed it. */
async function ground(
  t: TestContext,
  fill: (write: RegistryWriter) => Promise<void>,
  options: Partial<ConfigSourceEtcdOptions> = {},
): Promise<Ground> {
  const root = `${cluster.dir}/${String(++lastRoot)}/registry/services`;
  const write = new RegistryWriter(cluster.keys, root);
  await fill(write);
  const running = startEtcdSource(t, cluster.client, root, options);
  await running.source.synced;
  return { ...running, root, write };
}

async function defaultWeb(write: RegistryWriter): Promise<void> {
  await write.spec("default/web:80");
  await write.endpoints("default/web 10.1.0.1:8080 10.1.0.2:8080");
}

test("etcd source: a registry that does not exist is empty, and causes no warning (config 18)", async (t) => {
  const asked: string[] = [];
  const root = `${cluster.dir}/none/registry`;
  const running = startEtcdSource(
    t,
    tapped(cluster.client, { before: (_path, query) => asked.push(query.includes("wait=true") ? "watch" : "list") }),
    root,
  );
  await running.source.synced;
  assert.deepEqual([running.services.calls, running.endpoints.calls], [[[]], [[]]]);
  await new RegistryWriter(cluster.keys, root).spec("default/web:80");
  await running.services.until(["default/web:80"]);
  assert.deepEqual(asked.slice(0, 2), ["list", "watch"]);
  assert.ok(asked.length <= 3 && !asked.slice(1).includes("list"), `asked ${asked.join()}`);
  assert.deepEqual(running.warnings, []);
});

test("etcd source: the existing state is delivered as a whole (config 19)", async (t) => {
  const { services, endpoints, serviceConfig, write, source } = await ground(t, defaultWeb);
  assert.deepEqual(services.calls, [["default/web:80"]]);
  assert.deepEqual(endpoints.calls, [["default/web 10.1.0.1:8080 10.1.0.2:8080"]]);
  const { node } = await cluster.keys.get(write.specKey("default/web"));
  assert.equal(serviceConfig.config()[0]?.metadata.resourceVersion, String(node.modifiedIndex));
  const listing = await source.getServices();
  assert.deepEqual(
    [listing.services.map(showService), listing.endpoints.map(showEndpoints)],
    [services.last, endpoints.last],
  );
  assert.ok(listing.index >= node.modifiedIndex);
});

test("etcd source: keys without a namespace are read, also later ones (config 20)", async (t) => {
  const { services, endpoints, write } = await ground(t, async (into) => {
    await into.spec("web:80");
    await into.endpoints("web 10.1.0.1:8080");
  });
  assert.deepEqual([services.last, endpoints.last], [["/web:80"], ["/web 10.1.0.1:8080"]]);
  await write.spec("web:81");
  await services.until(["/web:81"]);
  await cluster.keys.delete(write.specKey("web"));
  await services.until([]);
});

test("etcd source: an object is named by its path, whatever its text says", async (t) => {
  const { services, write } = await ground(t, () => Promise.resolve());
  await cluster.keys.set(write.specKey("web"), '{"id":"other","namespace":"default","port":1}');
  await services.until(["/web:1"]);
  await cluster.keys.delete(write.specKey("web"));
  await services.until([]);
});

test("etcd source: a created service is added by its event (config 21)", async (t) => {
  const { services, write } = await ground(t, defaultWeb);
  await write.spec("default/api:90", "create");
  await services.until(["default/api:90", "default/web:80"], 5_000);
});

test("etcd source: compareAndSwap, update and set deliver the new spec (config 22)", async (t) => {
  const { services, write } = await ground(t, defaultWeb);
  for (const [how, port] of [
    ["compareAndSwap", 81],
    ["update", 82],
    ["set", 83],
  ] as const) {
    await write.spec(`default/web:${String(port)}`, how);
    await services.until([`default/web:${String(port)}`]);
  }
  assert.equal(services.calls.length, 4);
});

test("etcd source: delete, expire and compareAndDelete remove the service (config 23)", async (t) => {
  const { services, write } = await ground(t, defaultWeb);
  const ends: Readonly<Record<string, (key: string) => Promise<unknown>>> = {
    delete: (key) => cluster.keys.delete(key),
    compareAndDelete: async (key) =>
      cluster.keys.delete(key, { prevIndex: (await cluster.keys.get(key)).node.modifiedIndex }),
    expire: (key) => cluster.keys.refresh(key, 1),
  };
  for (const [how, end] of Object.entries(ends)) {
    await write.spec("default/api:90");
    await services.until(["default/api:90", "default/web:80"]);
    await end(write.specKey("default/api"));
    await services.when((last) => last?.join() === "default/web:80", `the ${how} of default/api`);
  }
});

test("etcd source: deleted endpoints are removed, their service stays (config 24)", async (t) => {
  const { services, endpoints, write } = await ground(t, defaultWeb);
  await cluster.keys.delete(write.endpointsKey("default/web"));
  await endpoints.until([]);
  await write.endpoints("default/web 10.1.0.3:1");
  await endpoints.until(["default/web 10.1.0.3:1"]);
  assert.deepEqual(services.calls, [["default/web:80"]]);
});

test("etcd source: deleted endpoints without a namespace are removed, their service stays (config 25)", async (t) => {
  const { services, endpoints, write } = await ground(t, async (into) => {
    await into.spec("web:80");
    await into.endpoints("web 10.1.0.1:8080");
  });
  await cluster.keys.delete(write.endpointsKey("web"));
  await endpoints.until([]);
  assert.deepEqual(services.calls, [["/web:80"]]);
});

test("etcd source: the removal of a namespace is one call (config 26)", async (t) => {
  const { services, root } = await ground(t, async (into) => {
    for (const id of ["default/a:1", "default/b:1", "default/c:1", "other/a:1", "default2/a:1"]) await into.spec(id);
  });
  await cluster.keys.delete(`${root}/specs/default`, { recursive: true });
  await services.until(["default2/a:1", "other/a:1"]);
  assert.equal(services.calls.length, 2);
});

test("etcd source: the last service can be removed, and so can everything above it (config 27)", async (t) => {
  const { services, endpoints, write, root } = await ground(t, defaultWeb);
  await cluster.keys.delete(write.specKey("default/web"));
  await services.until([]);
  await write.spec("default/web:80");
  await write.spec("default/lonely:80");
  await services.until(["default/lonely:80", "default/web:80"]);
  await cluster.keys.delete(root.split("/").slice(0, -1).join("/"), { recursive: true });
  await services.until([]);
  await endpoints.until([]);
  await write.spec("default/again:80");
  await services.until(["default/again:80"]);
});

test("etcd source: a text that cannot be decoded causes a warning, and the last object stays (config 28)", async (t) => {
  const { services, endpoints, warnings, write } = await ground(t, defaultWeb);
  await cluster.keys.set(write.specKey("default/web"), "s3cret garbage");
  await cluster.keys.set(write.endpointsKey("default/web"), "s3cret garbage");
  await until("two warnings", () => warnings.length === 2);
  await write.spec("default/api:90");
  await services.until(["default/api:90", "default/web:80"]);
  assert.deepEqual(
    warnings.map(({ key }) => key),
    [write.specKey("default/web"), write.endpointsKey("default/web")],
  );
  assert.ok(warnings.every(({ error }) => error instanceof ConfigError && !error.message.includes("s3cret")));
  assert.equal(endpoints.calls.length, 1);
  // a removal needs no text
  await cluster.keys.delete(write.specKey("default/web"));
  await services.until(["default/api:90"]);
});

test("etcd source: in a list, a text that cannot be decoded is left out, and the others are delivered (config 28)", async (t) => {
  const { services, endpoints, warnings } = await ground(t, async (into) => {
    await defaultWeb(into);
    await cluster.keys.set(into.specKey("default/bad"), "garbage");
    await cluster.keys.set(into.endpointsKey("default/bad"), "");
  });
  assert.deepEqual(services.calls, [["default/web:80"]]);
  assert.equal(endpoints.calls.length, 1);
  assert.equal(warnings.length, 2);
});

test("etcd source: a service without endpoints has empty ones, which are removed with it (config 30)", async (t) => {
  const { services, endpoints, write } = await ground(t, (into) => into.spec("default/web:80"));
  assert.deepEqual(endpoints.calls, [["default/web"]]);
  await cluster.keys.delete(write.specKey("default/web"));
  await services.until([]);
  await endpoints.until([]);
});

test("etcd source: a write between list and watch is delivered exactly once (config 31)", async (t) => {
  const root = `${cluster.dir}/between/registry/services`;
  const write = new RegistryWriter(cluster.keys, root);
  await defaultWeb(write);
  let between = 0;
  const tap = tapped(cluster.client, {
    after: async (_path, query) => {
      if (query.includes("wait=true") || between++ > 0) return;
      await write.spec("default/between:90");
    },
  });
  const { services, source } = startEtcdSource(t, tap, root);
  await source.synced;
  await services.until(["default/between:90", "default/web:80"]);
  await write.spec("default/web:81");
  await services.until(["default/between:90", "default/web:81"]);
  assert.equal(services.calls.length, 3);
  assert.equal(between, 1);
});

for (const resync of ["diff", "always"] as const) {
  test(`etcd source: with resync "${resync}", a list without changes is ${resync === "diff" ? "no call" : "one call"} (config 35)`, async (t) => {
    const root = `${cluster.dir}/resync-${resync}`;
    const write = new RegistryWriter(cluster.keys, root);
    await defaultWeb(write);
    let lists = 0;
    const tap = tapped(cluster.client, {
      before: (_path, query) => void (lists += query.includes("wait=true") ? 0 : 1),
    });
    const { services, endpoints, source } = startEtcdSource(t, tap, root, { resync, resyncMs: 20 });
    await source.synced;
    await until("the fifth list", () => lists >= 5);
    await source.close();
    const expected = resync === "diff" ? [1] : [lists - 1, lists];
    assert.ok(
      expected.includes(services.calls.length),
      `${String(lists)} lists, ${String(services.calls.length)} calls`,
    );
    assert.ok(expected.includes(endpoints.calls.length));
    assert.ok(services.calls.every((call) => call.join() === "default/web:80"));
  });
}

test("etcd source: no event is lost while everything is read again all the time", async (t) => {
  const { services, write } = await ground(t, defaultWeb, { resyncMs: 5 });
  for (let port = 1; port <= 50; port++) await write.spec(`default/web:${String(port)}`);
  await services.until(["default/web:50"]);
});

test("etcd source: a new directory, a new TTL of one, and other keys cause no call (config 36)", async (t) => {
  const { services, endpoints, write, root } = await ground(t, defaultWeb);
  await cluster.keys.set(`${root}/specs/empty`, "", { dir: true });
  await renewDirectory(cluster.keys, `${root}/specs/default`, 600);
  await cluster.keys.set(`${root}/specs/default/deep/web`, "garbage");
  await cluster.keys.set(`${root}/specs/default/_hidden`, "garbage");
  await cluster.keys.set(`${root}/other`, "garbage");
  await write.spec("default/api:90");
  await services.until(["default/api:90", "default/web:80"]);
  assert.equal(services.calls.length, 2);
  assert.equal(endpoints.calls.length, 1);
});

test("etcd source: a service may replace a namespace, and the other way round", async (t) => {
  const { services, write, root } = await ground(t, (into) => into.spec("web:80"));
  await cluster.keys.set(write.specKey("web"), "", { dir: true });
  await services.until([]);
  await write.spec("web/inner:1");
  await services.until(["web/inner:1"]);
  await cluster.keys.delete(`${root}/specs/web`, { recursive: true });
  await write.spec("web:80");
  await services.until(["/web:80"]);
});

test("etcd source: getEndpoints() reads the endpoints of one service, and rejects if there are none or they cannot be decoded", async (t) => {
  const { source, write, root } = await ground(t, defaultWeb);
  assert.equal(showEndpoints(await source.getEndpoints("default", "web")), "default/web 10.1.0.1:8080 10.1.0.2:8080");
  await assert.rejects(source.getEndpoints("default", "none"), isKeyNotFound);
  await write.endpoints("old 1.1.1.1:1");
  assert.equal(showEndpoints(await source.getEndpoints("", "old")), "/old 1.1.1.1:1");
  await cluster.keys.set(write.endpointsKey("bad"), "garbage");
  await assert.rejects(source.getEndpoints("", "bad"), { code: "ERR_DECODE", key: `${root}/endpoints/bad` });
  await assert.rejects(source.getEndpoints("a/b", "web"), { code: "ERR_ARGUMENT" });
  await assert.rejects(source.getEndpoints("default", ""), { code: "ERR_ARGUMENT" });
});

test("etcd source: getServices() rejects if the root is a file", async (t) => {
  const root = `${cluster.dir}/a-file`;
  await cluster.keys.set(root, "text");
  const { source, services } = startEtcdSource(t, cluster.client, root);
  await assert.rejects(source.getServices(), { code: "ERR_NOT_DIRECTORY" });
  await source.synced;
  assert.deepEqual(services.calls, [[]]);
});

test("etcd source: processChange() and processEndpointResponse() take in an event as if it came from etcd", async (t) => {
  const { source, services, endpoints, root } = await ground(t, defaultWeb);
  const event = (action: KeysResponse["action"], key: string, value = "", dir = false): KeysResponse => ({
    action,
    node: { key: `${root}/${key}`, value, dir, nodes: [], createdIndex: 1, modifiedIndex: 1 },
    index: 1,
    clusterId: "",
  });
  const api = jsonCodec.encodeService({
    metadata: { name: "api", namespace: "default" },
    spec: { port: 90, protocol: "TCP", sessionAffinity: "None" },
  });
  await source.processChange(event("compareAndSwap", "specs/default/api", api));
  assert.deepEqual(services.last, ["default/api:90", "default/web:80"]);
  await source.processEndpointResponse(event("set", "endpoints/default/api", '{"endpoints":["1.1.1.1:1"]}'));
  assert.deepEqual(endpoints.last, ["default/api 1.1.1.1:1", "default/web 10.1.0.1:8080 10.1.0.2:8080"]);
  // specs are ignored
  await source.processEndpointResponse(event("delete", "specs/default/api"));
  assert.equal(services.calls.length, 2);
  await source.processChange(event("delete", "endpoints/default/api"));
  assert.deepEqual(endpoints.last, ["default/web 10.1.0.1:8080 10.1.0.2:8080"]);
  await source.processChange(event("expire", "specs/default", "", true));
  assert.deepEqual(services.last, []);
  await source.processChange(event("delete", "specs/default", "", true));
  assert.equal(services.calls.length, 3);
});
