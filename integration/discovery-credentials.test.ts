import assert from "node:assert/strict";
import test from "node:test";
import type { HostInit, Registration } from "../src/discovery/index.js";
import { Client } from "../src/core/index.js";
import { TcpProxy } from "../src/test-kit/tcp-proxy.js";
import { noiseMs, until } from "../src/test-kit/waiting.js";
import { nodeOf, observed, Recorder, serviceName, type Observed } from "./discovery-support.js";
import { clearHistory, clusterForTests } from "./support.js";

const cluster = clusterForTests("discovery-credentials");

function publicHost(id: string): HostInit {
  return {
    hostname: `${id}.dev`,
    public: true,
    user: `u${id}`,
    password: `p${id}`,
    ports: { http: "80" },
    privateHostname: id,
  };
}

async function registered(
  { discovery }: Observed,
  service: string,
  host: HostInit,
  options = {},
): Promise<Registration> {
  const registration = discovery.register(service, host, options);
  await registration.waitRegistration();
  return registration;
}

async function storedUser(registration: Registration): Promise<unknown> {
  const node = await nodeOf(cluster.keys, `/services/${registration.host.name}/${registration.uuid}`);
  return node && (JSON.parse(node.value) as { user?: unknown }).user;
}

const has = (registration: Registration, user: string) =>
  until(`credentials of ${user}`, () => registration.credentials().user === user);

test("credentials: the last public host imposes its own, a private one does not (discovery 20, 21)", async () => {
  const service = serviceName();
  const all = observed(cluster.client);
  // the event delivers it, not a heartbeat
  await using a = await registered(all, service, publicHost("a"), { ttlMs: 60_000, heartbeatMs: 30_000 });
  const changes = a.credentialChanges()[Symbol.asyncIterator]();
  await using b = await registered(all, service, publicHost("b"));
  const start = performance.now();
  assert.deepEqual(await changes.next(), { done: false, value: { user: "ub", password: "pb" } });
  assert.ok(performance.now() - start < 1_000 + noiseMs);
  assert.deepEqual(a.credentials(), { user: "ub", password: "pb" });
  assert.deepEqual(
    [await storedUser(a), await storedUser(b), a.host.user, b.credentials().user],
    ["ub", "ub", "ub", "ub"],
  );
  assert.deepEqual(all.warnings, []);

  await using c = await registered(all, service, { hostname: "10.0.0.1", user: "uc", password: "pc" });
  assert.equal((await all.warned("MIXED_VISIBILITY")).key, `/services_infos/${service}`);
  assert.deepEqual(c.credentials(), { user: "", password: "" });
  assert.equal((await all.discovery.get(service).service()).public, true);
  assert.deepEqual(
    [a.credentials().user, b.credentials().user, await storedUser(a), await storedUser(b)],
    ["ub", "ub", "ub", "ub"],
  );
});

test("credentials: metadata that became private do not remove them (discovery 22)", async () => {
  const service = serviceName();
  const all = observed(cluster.client);
  await using a = await registered(all, service, publicHost("a"));
  await cluster.keys.set(`/services_infos/${service}`, `{"name":"${service}","critical":false}`);
  await all.warned("MIXED_VISIBILITY");
  assert.deepEqual([a.credentials(), await storedUser(a)], [{ user: "ua", password: "pa" }, "ua"]);
});

test("credentials: metadata that cannot be read change nothing, the next valid ones do (discovery 23)", async () => {
  const service = serviceName();
  const all = observed(cluster.client);
  await using a = await registered(all, service, publicHost("a"));
  await cluster.keys.set(`/services_infos/${service}`, "{");
  const warning = await all.warned("METADATA_INVALID");
  assert.ok(warning.error instanceof Error && "code" in warning.error && warning.error.code === "ERR_DECODE");
  assert.deepEqual([a.credentials(), await storedUser(a)], [{ user: "ua", password: "pa" }, "ua"]);
  await cluster.keys.set(
    `/services_infos/${service}`,
    `{"name":"${service}","critical":false,"user":"u3","password":"p3","public":true}`,
  );
  await has(a, "u3");
  assert.deepEqual([a.credentials(), await storedUser(a)], [{ user: "u3", password: "p3" }, "u3"]);
});

test("credentials: deleted metadata are written again, with the current credentials", async () => {
  const service = serviceName();
  const all = observed(cluster.client);
  await using a = await registered(all, service, publicHost("a"));
  await using b = await registered(all, service, publicHost("b"));
  await has(a, "ub");
  await cluster.keys.delete(`/services_infos/${service}`);
  await all.warned("METADATA_DELETED");
  const node = await until("metadata again", () => nodeOf(cluster.keys, `/services_infos/${service}`));
  assert.ok(node.value.includes('"user":"ub","password":"pb"') && node.value.includes('"public":true'), node.value);
  assert.deepEqual([a.credentials().user, b.credentials().user], ["ub", "ub"]);
});

test("credentials: a public host that adopts takes the service's credentials, or sets its own if there are none", async () => {
  const service = serviceName();
  const all = observed(cluster.client);
  await using a = await registered(all, service, publicHost("a"), { credentials: "adopt" });
  await using b = await registered(all, service, publicHost("b"), { credentials: "adopt" });
  assert.deepEqual(
    [a.credentials().user, b.credentials().user, b.host.user, await storedUser(b)],
    ["ua", "ua", "ua", "ua"],
  );
  assert.equal((await all.discovery.get(service).service()).hostname, "b.dev");
  assert.deepEqual(all.warnings, []);
});

test("registration: a hundred private hosts of one service register at once", async () => {
  const service = serviceName();
  const all = observed(cluster.client);
  const many = Array.from({ length: 100 }, (_, i) =>
    all.discovery.register(service, { hostname: `10.0.0.${String(i)}` }, { ttlMs: 60_000 }),
  );
  await Promise.all(many.map((each) => each.waitRegistration()));
  assert.equal((await all.discovery.get(service).all()).length, 100);
  // a busy machine may not delete a hundred keys in the two seconds that close() waits, which is a warning of its own
  assert.deepEqual(all.warnings, []);
  await Promise.all(many.map((each) => each.close()));
});

test("credentials: a change between two clearings of the history, while the connection is cut, is found (discovery 24)", async () => {
  const service = serviceName();
  const [endpoint = ""] = cluster.endpoints;
  await using proxy = await TcpProxy.start(endpoint);
  await using client = new Client({ endpoints: [proxy.url] });
  const recorder = new Recorder(client);
  const all = observed(recorder);
  await using a = await registered(all, service, publicHost("a"));
  await until("it watches", () => recorder.polls === 1);
  proxy.cut("refuse");
  await clearHistory(cluster, cluster.dir);
  await cluster.keys.set(
    `/services_infos/${service}`,
    `{"name":"${service}","critical":false,"user":"u9","password":"p9","public":true}`,
  );
  await clearHistory(cluster, cluster.dir);
  assert.equal(a.credentials().user, "ua");
  proxy.heal();
  await has(a, "u9");
  assert.equal(await until("its own key too", async () => (await storedUser(a)) === "u9"), true);
  assert.ok(
    all.warnings.some(({ error }) => error instanceof Error && error.message.includes("401")),
    "the history was really cleared",
  );
});
