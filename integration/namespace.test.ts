import assert from "node:assert/strict";
import test from "node:test";
import { EtcdError, isKeyNotFound, isNodeExist, KeysAPI, Mirror } from "../src/core/index.js";
import { createDiscovery, createEtcdAgent } from "../src/discovery/index.js";
import { createEtcdCandidate } from "../src/election/index.js";
import { patience } from "../src/test-kit/waiting.js";
import { RegistryWriter, startEtcdSource } from "./config-support.js";
import { clusterForTests, isOverV3 } from "./support.js";

const cluster = clusterForTests("namespace");

test("namespace: keys of requests and responses are relative, at every level of a tree", async () => {
  const { keys, dir } = cluster;
  const tenant = keys.namespace(`${dir}/tenant`);

  const made = await tenant.set("/app/color", "red");
  assert.equal(made.node.key, "/app/color");
  assert.equal((await keys.get(`${dir}/tenant/app/color`)).node.value, "red");

  const replaced = await tenant.set("/app/color", "blue");
  assert.equal(replaced.prevNode?.key, "/app/color");

  const tree = await tenant.get("/", { recursive: true });
  assert.equal(tree.node.key, "/");
  assert.equal(tree.node.nodes[0]?.key, "/app");
  assert.equal(tree.node.nodes[0].nodes[0]?.key, "/app/color");

  const queued = await tenant.createInOrder("/queue", "job");
  assert.match(queued.node.key, /^\/queue\/\d{20}$/);
  assert.equal((await tenant.get(queued.node.key)).node.value, "job");
  assert.equal((await tenant.delete(queued.node.key)).prevNode?.key, queued.node.key);
  assert.equal((await tenant.set("/app/n", "1", { noValueOnSuccess: true })).action, "set");
});

test("namespace: an error, and its message, name the key relative to the namespace", async () => {
  const { keys, dir } = cluster;
  const root = `${dir}/errors`;
  const tenant = keys.namespace(root);
  await tenant.set("/file", "1");
  await tenant.set("/full/file", "1");

  const refusals: readonly (readonly [number, string, () => Promise<unknown>])[] = [
    [100, "/missing", () => tenant.get("/missing")],
    [100, "/missing", () => tenant.set("/missing", "", { prevExist: true, noValueOnSuccess: true })],
    [102, "/full", () => tenant.set("/full", "1")],
    [104, "/file", () => tenant.set("/file/below", "1")],
    [105, "/file", () => tenant.create("/file", "1")],
    [108, "/full", () => tenant.delete("/full", { dir: true })],
    // the namespace does not exist, nor does the directory above it
    [100, "/", () => keys.namespace(`${root}/not/there`).get("/a")],
  ];
  for (const [errorCode, cause, refused] of refusals) {
    await assert.rejects(refused(), (error) => {
      assert.ok(error instanceof EtcdError);
      assert.deepEqual([error.errorCode, error.serverCause], [errorCode, cause]);
      assert.ok(!error.message.includes(root), error.message);
      assert.ok(error.index > 0);
      return true;
    });
  }
  await assert.rejects(tenant.get("/missing"), isKeyNotFound);
  await assert.rejects(tenant.create("/file", "2"), isNodeExist);
});

test("namespace: nested, with any slashes, and with withLimits it is the same namespace", async () => {
  const { keys, dir } = cluster;
  const inner = keys.namespace(`${dir}/nested/`).namespace("//a//b");
  await inner.set("/c", "1");
  assert.equal((await keys.get(`${dir}/nested/a/b/c`)).node.value, "1");
  assert.equal((await inner.namespace("/").get("/c")).node.key, "/c");
  assert.equal((await new KeysAPI(cluster.client, { namespace: `${dir}/nested/a` }).get("/b/c")).node.key, "/b/c");
  const limited = inner.withLimits(() => ({ headersMs: 10_000, idleMs: 10_000 }));
  assert.equal((await limited.get("/c")).node.key, "/c");
});

test("namespace: events are relative; the deletion of a directory above is an event of /", async () => {
  const { keys, dir } = cluster;
  const tenant = keys.namespace(`${dir}/events/tenant`);
  const { index } = await tenant.set("/a", "1");
  const watcher = tenant.watcher("/", { recursive: true, afterIndex: index });
  await tenant.set("/b/c", "2");
  await tenant.update("/a", "3");
  await keys.delete(`${dir}/events`, { recursive: true });
  const seen: string[] = [];
  for (let i = 0; i < 3; i++) {
    const { action, node, prevNode } = await watcher.next(patience());
    seen.push(`${action} ${node.key} ${prevNode?.key ?? "-"}`);
  }
  // over v3 an event does not say how a key was set
  assert.deepEqual(seen, ["set /b/c -", `${isOverV3 ? "set" : "update"} /a /a`, "delete / /"]);
});

test("namespace: a watcher skips the deletion of a directory whose name its key merely begins with", async () => {
  const { keys, dir } = cluster;
  const tenant = keys.namespace(`${dir}/foreign`);
  const { node } = await tenant.set("/app", "", { dir: true });
  const watcher = tenant.watcher("/application", { recursive: true, afterIndex: node.modifiedIndex });
  await tenant.delete("/app", { dir: true });
  await tenant.set("/application", "1");
  assert.equal((await watcher.next(patience())).node.key, "/application");
});

test("namespace: a mirror follows its keys, and empties when a directory above is deleted", async () => {
  const { keys, dir } = cluster;
  const tenant = keys.namespace(`${dir}/mirrored/tenant`);
  await tenant.set("/a", "1");
  await tenant.set("/_hidden", "1");
  const mirror = new Mirror(tenant, "/");
  await mirror.next(patience());
  assert.deepEqual([...mirror.nodes.keys()], ["/a"]);
  await tenant.set("/b/c", "2");
  assert.equal((await mirror.next(patience())).changes[0]?.node.key, "/b/c");
  await keys.delete(`${dir}/mirrored`, { recursive: true });
  assert.deepEqual((await mirror.next(patience())).changes.map(({ type, node }) => `${type} ${node.key}`).sort(), [
    "remove /a",
    "remove /b/c",
  ]);
  assert.equal(mirror.nodes.size, 0);
});

test("namespace: an election in it uses a key below it, and observers follow it", async () => {
  const { keys, dir } = cluster;
  const root = `${dir}/election`;
  const candidate = createEtcdCandidate({ client: keys.namespace(root) });
  const config = { key: "/job/leader", contactInfo: "me", ttlMs: 10_000 };
  await candidate.run(config, async (_signal, { fencingToken }) => {
    const { node } = await keys.get(`${root}/job/leader`);
    assert.equal(String(node.createdIndex), fencingToken);
    for await (const leader of candidate.observe("/job/leader", patience())) {
      assert.equal(leader?.fencingToken, fencingToken);
      break;
    }
  });
});

test("namespace: discovery in it registers and finds hosts below its key", async () => {
  const { keys, dir } = cluster;
  const root = `${dir}/discovery`;
  const discovery = createDiscovery({ client: keys.namespace(root) });
  await using registration = discovery.register("web", { hostname: "h", ports: { http: "80" } });
  await registration.waitRegistration();
  assert.equal((await discovery.get("web").all()).length, 1);
  const { node } = await keys.get(root, { recursive: true });
  assert.ok(JSON.stringify(node).includes(registration.uuid));
});

test("namespace: an agent in it registers instances below its key", async () => {
  const { keys, dir } = cluster;
  const root = `${dir}/agent`;
  await using agent = createEtcdAgent({ client: keys.namespace(root) });
  const id = await agent.register({ name: "web", addr: "10.0.0.1", port: 80 });
  assert.ok((await agent.services()).has("web"));
  const { node } = await keys.get(root, { recursive: true });
  assert.ok(JSON.stringify(node).includes(id));
});

test("namespace: a config source in it reads and follows the registry below its key", async (t) => {
  const tenant = cluster.keys.namespace(`${cluster.dir}/config`);
  const write = new RegistryWriter(tenant, "/registry");
  await write.spec("default/web:80");
  const { services, source } = startEtcdSource(t, tenant, "/registry");
  await source.synced;
  await write.spec("default/api:81");
  await services.until(["default/api:81", "default/web:80"]);
});
