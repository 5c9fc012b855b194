import assert from "node:assert/strict";
import test from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { Client, KeysAPI } from "../src/core/index.js";
import { noiseMs, until } from "../src/test-kit/waiting.js";
import { nodeOf, observed, serviceName, take, uuidsOf } from "./discovery-support.js";
import { fastCluster } from "./fast-cluster.js";
import { ownMember } from "./support.js";

const publicHost = { hostname: "h", public: true, user: "u", password: "p" };

/** A cluster of one member, and the member. */
async function single(): Promise<{
  readonly cluster: Awaited<ReturnType<typeof ownMember>>;
  readonly member: Awaited<ReturnType<typeof ownMember>>["members"][number];
}> {
  const cluster = await ownMember();
  return { cluster, member: cluster.members[0] ?? assert.fail() };
}

test("outage: after etcd was down for 8 s the host is visible again within 2 s of its start (discovery 14)", async () => {
  const { cluster, member } = await single();
  await using _ = cluster;
  await using client = new Client({ endpoints: cluster.endpoints });
  const keys = new KeysAPI(client);
  const { discovery } = observed(client);
  await using registration = discovery.register(serviceName(), publicHost);
  await registration.waitRegistration();
  const states: string[] = [];
  const reading = (async () => {
    for await (const state of registration.stateChanges()) states.push(state);
  })();
  const key = `/services/${registration.host.name}/${registration.uuid}`;
  await member.terminate();
  await until("it is degraded", () => registration.state === "degraded");
  await sleep(8_000);
  assert.ok(registration.ready());
  await member.start();
  const started = performance.now();
  await until("the key is there", () => nodeOf(keys, key));
  assert.ok(performance.now() - started < 2_000 + noiseMs, String(performance.now() - started));
  await until("it is registered", () => registration.state === "registered");
  assert.deepEqual(registration.credentials(), { user: "u", password: "p" });
  await registration.close();
  await reading;
  assert.deepEqual(states, ["degraded", "registered", "closed"]);
  assert.equal(await nodeOf(keys, key), undefined);
});

test("outage: a lookup and a registration that begin while etcd is down work once it is back", async () => {
  const { cluster, member } = await single();
  await using _ = cluster;
  await using client = new Client({ endpoints: cluster.endpoints });
  const { discovery, warned } = observed(client);
  const service = serviceName();
  await member.kill();
  await using registration = discovery.register(service, publicHost, { retryMs: 100 });
  await using fresh = discovery.subscribeNew(service);
  await warned("RETRY");
  await member.start();
  await Promise.all([registration.waitRegistration(), fresh.ready]);
  assert.equal((await discovery.get(service).first().host()).uuid, registration.uuid);
});

for (const how of ["terminate", "kill"] as const) {
  test(`outage: subscriptions survive a restart (${how}), and report the hosts that were removed and added during it (discovery 41)`, async () => {
    const { cluster, member } = await single();
    await using _ = cluster;
    await using client = new Client({ endpoints: cluster.endpoints });
    const keys = new KeysAPI(client);
    const { discovery } = observed(client);
    const service = serviceName();
    await using fresh = discovery.subscribeNew(service);
    await using down = discovery.subscribeDown(service);
    await Promise.all([fresh.ready, down.ready]);
    await keys.set(`/services/${service}/vanishes`, '{"name":"h","uuid":"vanishes"}', { ttl: 3 });
    assert.deepEqual(uuidsOf(await take(fresh, 1)), ["vanishes"]);
    await using stays = discovery.register(service, publicHost, { ttlMs: 60_000 });
    assert.deepEqual(uuidsOf(await take(fresh, 1)), [stays.uuid]);
    await member[how]();
    await sleep(3_000);
    await member.start();
    await using comes = discovery.register(service, publicHost, { ttlMs: 60_000 });
    const next = await take(fresh, 1);
    assert.deepEqual(uuidsOf(next), [comes.uuid]);
    assert.deepEqual(await take(down, 1), ["vanishes"]);
    await stays.close();
    assert.deepEqual(await take(down, 1), [stays.uuid]);
  });
}

test("outage: while etcd is frozen the host is degraded and stop() takes bounded time; after the thaw all is well", async () => {
  const { cluster, member } = await single();
  await using _ = cluster;
  await using client = new Client({ endpoints: cluster.endpoints, headerTimeoutMs: 500 });
  await using patient = new Client({ endpoints: cluster.endpoints });
  const keys = new KeysAPI(patient);
  const { discovery, warnings } = observed(client);
  const options = { ttlMs: 2_000, heartbeatMs: 300, retryMs: 100 };
  const stays = discovery.register(serviceName(), publicHost, options);
  const stops = discovery.register(serviceName(), publicHost, options);
  await Promise.all([stays.waitRegistration(), stops.waitRegistration()]);
  member.freeze();
  await until("both are degraded", () => stays.state === "degraded" && stops.state === "degraded");
  const start = performance.now();
  await stops.stop();
  assert.ok(performance.now() - start < 5_500 + noiseMs);
  assert.equal(await stops.closed, undefined);
  assert.ok(warnings.some(({ code }) => code === "NOT_DELETED"));
  member.thaw();
  await until("it is registered again", () => stays.state === "registered");
  await until(
    "the other host's key is gone",
    async () => (await nodeOf(keys, `/services/${stops.host.name}/${stops.uuid}`)) === undefined,
  );
  await stays.close();
  assert.equal(await nodeOf(keys, `/services/${stays.host.name}/${stays.uuid}`), undefined);
});

test("outage: when the cluster's leader is killed no host is reported down", async () => {
  await using cluster = await fastCluster();
  await using client = new Client({ endpoints: cluster.endpoints, headerTimeoutMs: 1_000 });
  const { discovery } = observed(client);
  const service = serviceName();
  await using down = discovery.subscribeDown(service);
  await down.ready;
  await using a = discovery.register(service, publicHost, { ttlMs: 10_000, retryMs: 100, heartbeatMs: 500 });
  await using b = discovery.register(service, publicHost, { ttlMs: 10_000, retryMs: 100, heartbeatMs: 500 });
  await Promise.all([a.waitRegistration(), b.waitRegistration()]);
  await (await cluster.leader()).kill();
  await until("a host registers with the others", async () => {
    await using c = discovery.register(service, publicHost, { initialTimeoutMs: 3_000, retryMs: 100 });
    return await c.waitRegistration().then(
      () => true,
      () => false,
    );
  });
  await sleep(11_000);
  const [first] = await take(down, 1);
  assert.ok(first !== a.uuid && first !== b.uuid, "only those that were closed");
  assert.equal((await discovery.get(service).all()).length, 2);
});
