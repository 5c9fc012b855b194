import assert from "node:assert/strict";
import test from "node:test";
import { createDiscovery, DiscoveryError } from "../src/discovery/index.js";
import { Client, ClusterError } from "../src/core/index.js";
import { refusedUrl } from "../src/test-kit/scripted-server.js";
import { observed, Recorder, serviceName } from "./discovery-support.js";
import { clusterForTests } from "./support.js";

const cluster = clusterForTests("discovery-lookup");
const publicHost = {
  hostname: "public.dev",
  public: true,
  user: "user",
  password: "password",
  ports: { http: "80" },
  privateHostname: "p",
};

test("lookup: a host of a library before 5.0 is read (discovery 11)", async () => {
  const service = serviceName();
  await cluster.keys.set(`/services/${service}/h1`, '{"name":"h1","ports":{"http":"1"}}', { ttl: 60 });
  const hosts = await observed(cluster.client).discovery.get(service).all();
  assert.equal(hosts.length, 1);
  assert.deepEqual(
    [hosts[0]?.uuid, hosts[0]?.name, hosts[0]?.privateUrl("http", "/p")],
    [undefined, "", "http://h1:1/p"],
  );
});

test("lookup: a service that was never registered has its name and no hosts (discovery 25, 26)", async () => {
  const service = serviceName();
  const { discovery } = observed(cluster.client);
  const found = await discovery.get(service).service();
  assert.deepEqual([found.name, found.public, found.hostname, found.ports], [service, false, undefined, {}]);
  assert.equal(await discovery.get(service).err(), undefined);
  assert.deepEqual(await discovery.get(service).all(), []);
  await assert.rejects(discovery.get(service).all({ requireHosts: true }), { code: "ERR_SERVICE_NOT_FOUND" });
  await assert.rejects(discovery.get(service).one().host(), { code: "ERR_SERVICE_NOT_FOUND" });
  await assert.rejects(found.url("http"), { code: "ERR_SERVICE_NOT_FOUND" });
});

test("lookup: a service whose hosts have all stopped has no host (discovery 27)", async () => {
  const service = serviceName();
  const { discovery } = observed(cluster.client);
  const registration = discovery.register(service, { hostname: "h" });
  await registration.waitRegistration();
  await registration.close();
  assert.deepEqual(await discovery.get(service).all(), []);
  await assert.rejects(discovery.get(service).first().host(), { code: "ERR_NO_HOST" });
  assert.equal((await discovery.get(service).first().err())?.name, "DiscoveryError");
});

test("lookup: without etcd it rejects with the transport's error (discovery 28)", async () => {
  await using client = new Client({ endpoints: [await refusedUrl()] });
  const { discovery } = observed(client);
  const response = discovery.get("a");
  const host = response.first();
  await assert.rejects(host.url("http", "/"), ClusterError);
  assert.ok((await host.err()) instanceof ClusterError);
  assert.equal(await host.err(), await response.err());
  await assert.rejects(response.all(), ClusterError);
});

test("lookup: the URL of a public service is its own, and takes one request (discovery 29, 30)", async () => {
  const service = serviceName();
  const recorder = new Recorder(cluster.client);
  const { discovery } = observed(recorder);
  await using registration = observed(cluster.client).discovery.register(service, publicHost);
  await registration.waitRegistration();
  assert.equal(await discovery.get(service).url("http", "/path"), "http://user:password@public.dev:80/path");
  assert.equal(recorder.specs.length, 1);
  assert.equal(await discovery.get(service).url(), "http://user:password@public.dev:80");
  await assert.rejects(discovery.get(service).url("htjp", "/path"), { code: "ERR_UNKNOWN_SCHEME" });
  const response = discovery.get(service);
  assert.equal(await response.service(), await response.service());
  assert.equal(recorder.specs.length, 4);
});

test("lookup: the URL of a private service is that of a random host; its first host has the first key", async () => {
  const service = serviceName();
  for (const id of ["c", "a", "b"])
    await cluster.keys.set(
      `/services/${service}/${id}`,
      `{"name":"${id}","service_name":"${service}","ports":{"http":"1"}}`,
      { ttl: 60 },
    );
  const draws = [0, 0.5, 0.999];
  const discovery = createDiscovery({ client: cluster.client, random: () => draws.shift() ?? 0 });
  assert.equal(await discovery.get(service).url("http"), "http://a:1");
  assert.equal((await discovery.get(service).one().host()).hostname, "b");
  assert.equal(await discovery.get(service).one().privateUrl("http", "/x"), "http://c:1/x");
  assert.equal((await discovery.get(service).first().host()).hostname, "a");
  assert.equal(String(await discovery.get(service).all()), "a, b, c");
});

test("lookup: a value that is not a host is left out with a warning, unless strict (discovery 35)", async () => {
  const service = serviceName();
  const { discovery, warnings } = observed(cluster.client);
  await using registration = discovery.register(service, { hostname: "h" });
  await registration.waitRegistration();
  await cluster.keys.set(`/services/${service}/bad`, "notjson", { ttl: 60 });
  await cluster.keys.set(`/services/${service}/sub/deeper`, '{"name":"x"}', { ttl: 60 });
  assert.equal((await discovery.get(service).all()).length, 1);
  assert.deepEqual(
    warnings.map(({ code, key }) => [code, key]),
    [["HOST_INVALID", `/services/${service}/bad`]],
  );
  await assert.rejects(discovery.get(service).all({ strict: true }), { code: "ERR_DECODE" });
});

test("lookup: metadata without a name, or that cannot be read, belong to the requested service (discovery 36)", async () => {
  const service = serviceName();
  const { discovery, warnings } = observed(cluster.client);
  await cluster.keys.set(`/services/${service}/h1`, '{"name":"h1","ports":{"http":"1"}}', { ttl: 60 });
  for (const value of ['{"critical":true}', '{"name":""}', '{"name":"../.."}']) {
    await cluster.keys.set(`/services_infos/${service}`, value);
    assert.deepEqual(
      [(await discovery.get(service).service()).name, (await discovery.get(service).all()).length],
      [service, 1],
    );
  }
  assert.deepEqual(warnings, []);
  await cluster.keys.set(`/services_infos/${service}`, "{");
  assert.equal((await discovery.get(service).all()).length, 1);
  assert.deepEqual(
    warnings.map(({ code }) => code),
    ["METADATA_INVALID"],
  );
  assert.equal(((await discovery.get(service, { strict: true }).err()) as DiscoveryError).code, "ERR_DECODE");
});

test("lookup: names that would address other keys, or hidden ones, are refused (discovery 47)", async () => {
  const recorder = new Recorder(cluster.client);
  const { discovery } = observed(recorder);
  for (const name of ["", "a/b", "..", ".", "_x", "a\n", "\ud800"]) {
    assert.throws(() => discovery.register(name, { hostname: "h" }), { code: "ERR_INVALID_NAME" });
    assert.throws(() => discovery.subscribe(name), { code: "ERR_INVALID_NAME" });
    assert.throws(() => discovery.subscribeNew(name), { code: "ERR_INVALID_NAME" });
    assert.throws(() => discovery.subscribeDown(name), { code: "ERR_INVALID_NAME" });
    await assert.rejects(discovery.get(name).all(), { code: "ERR_INVALID_NAME" });
    await assert.rejects(discovery.getForShard(name, "s").url(), { code: "ERR_INVALID_NAME" });
    const error = await discovery.get(name).err();
    assert.ok(error instanceof DiscoveryError && error.code === "ERR_INVALID_NAME");
  }
  assert.deepEqual(recorder.specs, []);
});

test("lookup: names with a slash are accepted if allowed, and are separate services", async () => {
  const outer = serviceName();
  const discovery = createDiscovery({ client: cluster.client, allowNested: true });
  await using a = discovery.register(outer, { hostname: "h1" });
  await using b = discovery.register(`${outer}-x/in ner%2F`, { hostname: "h2" });
  await Promise.all([a.waitRegistration(), b.waitRegistration()]);
  assert.equal(String(await discovery.get(`${outer}-x/in ner%2F`).all()), "h2");
  assert.deepEqual(await discovery.get(`${outer}-x`).all(), []);
  for (const name of ["a//b", "/a", "a/../b", "a/_b", "a/"])
    assert.throws(() => discovery.register(name, { hostname: "h" }), { code: "ERR_INVALID_NAME" });
});

test("lookup: only the hosts of the shard, also for a public service (discovery 48)", async () => {
  const service = serviceName();
  const { discovery } = observed(cluster.client);
  const registrations = ["s0", "s1"].map((shard) =>
    discovery.register(service, { ...publicHost, hostname: `${shard}.dev`, shard }),
  );
  await Promise.all(registrations.map((each) => each.waitRegistration()));
  const { user, password } = await discovery.get(service).service();
  assert.equal(
    await discovery.getForShard(service, "s0").url("http", "/p"),
    `http://${String(user)}:${String(password)}@s0.dev:80/p`,
  );
  assert.equal(
    await discovery.getForShard(service, "s1").url("http", "/p"),
    `http://${String(user)}:${String(password)}@s1.dev:80/p`,
  );
  assert.equal(String((await discovery.getForShard(service, "s1").all()).map(({ shard }) => shard)), "s1");
  assert.equal((await discovery.getForShard(service, "").all()).length, 2);
  assert.equal((await discovery.get(service).all({ shard: "s0" })).length, 1);
  assert.deepEqual(await discovery.getForShard(service, "s9").all(), []);
  await assert.rejects(discovery.getForShard(service, "s9").url("http", "/p"), { code: "ERR_NO_HOST_ON_SHARD" });
  assert.ok(!(await cluster.keys.get(`/services_infos/${service}`)).node.value.includes("shard"));
  await Promise.all(registrations.map((each) => each.close()));
});

test("lookup: one that is never used sends no request and causes no rejection (discovery 50)", async () => {
  await using client = new Client({ endpoints: [await refusedUrl()] });
  const recorder = new Recorder(client);
  const { discovery } = observed(recorder);
  const unhandled: unknown[] = [];
  const onUnhandled = (reason: unknown): number => unhandled.push(reason);
  process.on("unhandledRejection", onUnhandled);
  for (let i = 0; i < 100; i++) {
    discovery.get("a").first();
    discovery.get("");
  }
  const started = discovery.get("a");
  await assert.rejects(started.first().host(), ClusterError);
  await new Promise((resolve) => setImmediate(resolve));
  process.off("unhandledRejection", onUnhandled);
  assert.deepEqual([recorder.specs.length, unhandled], [1, []]);
});

test("lookup: an abort rejects with its reason, before and during a request", async () => {
  const reason = new Error("enough");
  const { discovery } = observed(cluster.client);
  await assert.rejects(discovery.get("a", { signal: AbortSignal.abort(reason) }).service(), reason);
  await assert.rejects(discovery.get("a").all({ signal: AbortSignal.abort(reason) }), reason);
  assert.equal(await discovery.get("a", { signal: AbortSignal.abort(reason) }).err(), reason);
});
