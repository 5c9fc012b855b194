import assert from "node:assert/strict";
import test from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { clientFromEnv, get, HEARTBEAT_DURATION } from "../src/discovery/index.js";
import { Client, ClusterError, KeysAPI, UsageError, type Sender } from "../src/core/index.js";
import { refusedUrl } from "../src/test-kit/scripted-server.js";
import { limitMs, noiseMs, until } from "../src/test-kit/waiting.js";
import { DelayingProxy } from "./delaying-proxy.js";
import { nodeOf, observed, Recorder, serviceName } from "./discovery-support.js";
import { clusterForTests } from "./support.js";

const cluster = clusterForTests("discovery-registration");
const publicHost = {
  hostname: "public-domain.dev",
  public: true,
  critical: true,
  user: "u<&>é",
  password: 'p"w',
  ports: { https: "443", http: "80" },
  privateHostname: "node-1.internal.dev",
  privatePorts: { http: "8080" },
};

test("registration: a public host's key and metadata are those of the Go library, byte for byte (discovery 1, 2, 8)", async () => {
  const service = serviceName();
  const { discovery, warnings } = observed(cluster.client);
  await using registration = discovery.register(service, publicHost);
  assert.equal(registration.state, "pending");
  await registration.waitRegistration();
  const { uuid } = registration;
  const { node } = await cluster.keys.get(`/services/${service}/${uuid}`);
  assert.equal(
    node.value,
    `{"name":"public-domain.dev","service_name":"${service}","ports":{"http":"80","https":"443"},"user":"u\\u003c\\u0026\\u003eé","password":"p\\"w","public":true,"private_hostname":"node-1.internal.dev","private_ports":{"http":"8080"},"critical":true,"uuid":"${uuid}"}`,
  );
  assert.ok((node.ttl ?? 9) <= 5);
  assert.equal(
    (await cluster.keys.get(`/services_infos/${service}`)).node.value,
    `{"name":"${service}","critical":true,"hostname":"public-domain.dev","user":"u\\u003c\\u0026\\u003eé","password":"p\\"w","ports":{"http":"80","https":"443"},"public":true}`,
  );
  assert.equal((await cluster.keys.get(`/services_infos/${service}`)).node.ttl, undefined);
  const host = await discovery.get(service).first().host();
  assert.deepEqual(host.toJSON(), registration.host.toJSON());
  assert.deepEqual([host.user, registration.credentials()], ["u<&>é", { user: "u<&>é", password: 'p"w' }]);
  assert.deepEqual(warnings, []);
});

test("registration: the metadata of a private host contain nothing about it (discovery 3, 5, 7)", async () => {
  const service = serviceName();
  await using registration = observed(cluster.client).discovery.register(service, {
    hostname: "10.0.0.1",
    user: "u",
    password: "p",
  });
  await registration.waitRegistration();
  assert.equal(
    (await cluster.keys.get(`/services_infos/${service}`)).node.value,
    `{"name":"${service}","critical":false}`,
  );
  assert.match(registration.uuid, /-10\.0\.0\.1$/);
  const { value } = (await cluster.keys.get(`/services/${service}/${registration.uuid}`)).node;
  assert.equal(
    value,
    `{"name":"10.0.0.1","service_name":"${service}","ports":null,"user":"u","password":"p","private_hostname":"10.0.0.1","uuid":"${registration.uuid}"}`,
  );
  assert.deepEqual(registration.credentials(), { user: "", password: "" });
});

test("registration: the private hostname defaults to the machine's name, private ports to the ports (discovery 4, 6)", async () => {
  const service = serviceName();
  await using registration = observed(cluster.client).discovery.register(service, {
    hostname: "h",
    public: true,
    ports: { http: "80" },
    privatePorts: {},
  });
  await registration.waitRegistration();
  assert.match(registration.uuid, /-box$/);
  const { value } = (await cluster.keys.get(`/services/${service}/${registration.uuid}`)).node;
  assert.ok(value.includes('"private_hostname":"box","private_ports":{"http":"80"}'), value);
});

test("registration: the key is never missing; a refresh wakes no watcher, a set does each time (discovery 12)", async () => {
  const { discovery } = observed(cluster.client);
  const seen = await Promise.all(
    (["refresh", "set"] as const).map(async (heartbeat) => {
      const service = serviceName();
      await using registration = discovery.register(
        service,
        { hostname: "h" },
        { heartbeat, ttlMs: 6_000, heartbeatMs: 1_000 },
      );
      await registration.waitRegistration();
      const { node, index } = await cluster.keys.get(`/services/${service}/${registration.uuid}`);
      const watcher = cluster.keys.watcher(`/services/${service}`, { recursive: true, afterIndex: index });
      const watched = new AbortController();
      let events = 0;
      const watching = (async () => {
        for (;;) {
          await watcher.next(watched.signal);
          events++;
        }
      })();
      const stopped = assert.rejects(watching, { name: "AbortError" });
      const startMs = performance.now();
      const end = startMs + 12_000;
      while (performance.now() < end) {
        await cluster.keys.get(node.key);
        await sleep(100);
      }
      const last = await cluster.keys.get(node.key);
      watched.abort();
      await stopped;
      return {
        heartbeat,
        events,
        seconds: (performance.now() - startMs) / 1_000,
        sameAge: last.node.createdIndex === node.createdIndex,
      };
    }),
  );
  const [refresh, set] = seen;
  assert.deepEqual([refresh?.events, refresh?.sameAge], [0, true]);
  // one each second
  assert.ok(set !== undefined && set.events >= 2 && set.events <= set.seconds + 1 && set.sameAge, JSON.stringify(set));
});

test("registration: a deleted key is back at the next heartbeat (discovery 13)", async () => {
  const service = serviceName();
  await using registration = observed(cluster.client).discovery.register(
    service,
    { hostname: "h" },
    { heartbeatMs: 1_000 },
  );
  await registration.waitRegistration();
  const key = `/services/${service}/${registration.uuid}`;
  const { value } = (await cluster.keys.delete(key)).prevNode ?? assert.fail();
  const deleted = performance.now();
  const node = await until("the key is there again", () => nodeOf(cluster.keys, key));
  assert.ok(performance.now() - deleted < 1_000 + noiseMs);
  assert.equal(node.value, value);
});

test("registration: a server that blanks values on refresh gets the value with each heartbeat from then on", async () => {
  const service = serviceName();
  const recorder = new Recorder(cluster.client);
  let blanked = 0;
  const old: Sender = {
    async send(spec, signal) {
      const raw = await recorder.send(spec, signal);
      if (!(spec.body ?? "").includes("refresh=true")) return raw;
      blanked++;
      const body = JSON.parse(raw.body) as { node: { value?: string } };
      return { ...raw, body: JSON.stringify({ ...body, node: { ...body.node, value: "" } }) };
    },
  };
  await using registration = observed(old).discovery.register(service, { hostname: "h" }, { heartbeatMs: 50 });
  await registration.waitRegistration();
  const start = recorder.specs.length;
  await until("some heartbeats", () => recorder.specs.length > start + 6);
  assert.equal(blanked, 1);
  assert.equal(
    (await nodeOf(cluster.keys, `/services/${service}/${registration.uuid}`))?.value.includes('"name":"h"'),
    true,
  );
});

test("registration: without etcd it gives up after initialTimeoutMs (discovery 15)", async () => {
  await using client = new Client({ endpoints: [await refusedUrl()] });
  const { discovery, warnings } = observed(client);
  const registration = discovery.register(serviceName(), publicHost, { initialTimeoutMs: limitMs });
  const error = await registration.waitRegistration().catch((reason: unknown) => reason);
  assert.ok(
    error instanceof Error &&
      "code" in error &&
      error.code === "ERR_REGISTRATION_TIMEOUT" &&
      error.cause instanceof ClusterError,
    String(error),
  );
  assert.throws(() => registration.credentials(), { code: "ERR_NOT_READY" });
  assert.equal(await registration.closed, error);
  assert.deepEqual([registration.state, registration.ready(), warnings[0]?.code], ["closed", false, "RETRY"]);
});

test("registration: stop() deletes the host's key at once, and leaves the metadata (discovery 16)", async () => {
  const service = serviceName();
  const registration = observed(cluster.client).discovery.register(service, publicHost, { ttlMs: 60_000 });
  await registration.waitRegistration();
  const start = performance.now();
  await registration.stop();
  assert.equal(await nodeOf(cluster.keys, `/services/${service}/${registration.uuid}`), undefined);
  assert.ok(performance.now() - start < 1_000 + noiseMs, "long before the TTL");
  await registration.stop();
  assert.equal(await registration.closed, undefined);
  assert.notEqual(await nodeOf(cluster.keys, `/services_infos/${service}`), undefined);
  assert.deepEqual((await nodeOf(cluster.keys, `/services/${service}`))?.nodes, []);
});

for (const heartbeat of ["set", "refresh"] as const) {
  test(`registration: a ${heartbeat} that is held up during stop() does not bring the key back (discovery 17)`, async () => {
    const [endpoint = ""] = cluster.endpoints;
    await using proxy = await DelayingProxy.start(endpoint);
    await using client = new Client({ endpoints: [proxy.url] });
    const registration = observed(client).discovery.register(
      serviceName(),
      { hostname: "h" },
      { heartbeat, heartbeatMs: 100 },
    );
    await registration.waitRegistration();
    await proxy.delayWrites(1_000);
    await registration.stop();
    const key = `/services/${registration.host.name}/${registration.uuid}`;
    const end = performance.now() + 1_500;
    while (performance.now() < end) {
      assert.equal(await nodeOf(cluster.keys, key), undefined);
      await sleep(50);
    }
  });
}

test("registration: a signal that aborted before the call sends no request (discovery 18)", async () => {
  const recorder = new Recorder(cluster.client);
  const reason = new Error("not today");
  const registration = observed(recorder).discovery.register(serviceName(), publicHost, {
    signal: AbortSignal.abort(reason),
  });
  await assert.rejects(registration.waitRegistration(), reason);
  assert.equal(await registration.closed, undefined);
  assert.deepEqual(recorder.specs, []);
});

test("registration: a later abort deletes the key, as stop() does", async () => {
  const service = serviceName();
  const abort = new AbortController();
  const registration = observed(cluster.client).discovery.register(service, publicHost, { signal: abort.signal });
  await registration.waitRegistration();
  const changes = registration.credentialChanges()[Symbol.asyncIterator]();
  abort.abort(new Error("enough"));
  assert.equal(await registration.closed, undefined);
  assert.equal(await nodeOf(cluster.keys, `/services/${service}/${registration.uuid}`), undefined);
  assert.deepEqual(await changes.next(), { done: true, value: undefined });
});

test("registration: every waitRegistration() settles, with success and with the end (discovery 19)", async () => {
  const { discovery } = observed(cluster.client);
  await using registration = discovery.register(serviceName(), publicHost);
  await Promise.all([
    registration.waitRegistration(),
    registration.waitRegistration(),
    registration.waitRegistration({ signal: new AbortController().signal }),
  ]);
  await using down = new Client({ endpoints: [await refusedUrl()] });
  const never = observed(down).discovery.register(serviceName(), publicHost);
  const waits = [never.waitRegistration(), never.waitRegistration()].map((wait) =>
    assert.rejects(wait, { code: "ERR_CLOSED" }),
  );
  await assert.rejects(never.waitRegistration({ signal: AbortSignal.timeout(20) }), { name: "TimeoutError" });
  await never.close();
  await Promise.all(waits);
});

test("registration: a closed client ends it with the client's error", async () => {
  const client = new Client({ endpoints: cluster.endpoints });
  const { discovery, warned } = observed(client);
  const registration = discovery.register(serviceName(), publicHost, { ttlMs: 1_000, heartbeatMs: 50 });
  await registration.waitRegistration();
  await client.close();
  const error = await registration.closed;
  assert.ok(error instanceof UsageError && error.code === "ERR_CLOSED");
  assert.equal((await warned("NOT_DELETED")).service, registration.host.name);
});

test("registration: two registrations of one host are two hosts", async () => {
  const service = serviceName();
  const { discovery } = observed(cluster.client);
  await using a = discovery.register(service, publicHost);
  await using b = discovery.register(service, publicHost);
  await Promise.all([a.waitRegistration(), b.waitRegistration()]);
  assert.notEqual(a.uuid, b.uuid);
  assert.equal((await discovery.get(service).all()).length, 2);
});

test("default discovery: its functions make no client until they are used", async () => {
  assert.equal(HEARTBEAT_DURATION, 5);
  get("a");
  await using client = clientFromEnv({ ETCD_HOSTS: cluster.endpoints.join(",") });
  assert.equal(await nodeOf(new KeysAPI(client), `/services/${serviceName()}`), undefined);
});
