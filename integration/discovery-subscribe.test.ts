import assert from "node:assert/strict";
import test from "node:test";
import type { Host } from "../src/discovery/index.js";
import { Client, KeysAPI } from "../src/core/index.js";
import { TcpProxy } from "../src/test-kit/tcp-proxy.js";
import { until } from "../src/test-kit/waiting.js";
import { observed, Recorder, serviceName, take, uuidsOf } from "./discovery-support.js";
import { clearHistory, clusterForTests, ownMember } from "./support.js";

const cluster = clusterForTests("discovery-subscribe");
const publicHost = { hostname: "h", public: true, user: "u", password: "p" };

/** Writes a host into a service's directory. */
async function putHost(service: string, uuid: string, ttl = 60): Promise<void> {
  await cluster.keys.set(
    `/services/${service}/${uuid}`,
    `{"name":"h","service_name":"${service}","ports":null,"uuid":"${uuid}"}`,
    { ttl },
  );
}

test("subscription: a new host is delivered once, even if it changes later (discovery 37)", async () => {
  const service = serviceName();
  const { discovery } = observed(cluster.client);
  await using subscription = discovery.subscribeNew(service);
  await subscription.ready;
  await using a = discovery.register(service, publicHost, { heartbeat: "set", heartbeatMs: 50 });
  const [host] = await take(subscription, 1);
  assert.deepEqual(host?.toJSON(), a.host.toJSON());
  await using b = discovery.register(service, { ...publicHost, user: "ub" });
  await until("credentials", () => a.ready() && a.credentials().user === "ub");
  await until("b is written", () => b.ready());
  await putHost(service, "last");
  assert.deepEqual(uuidsOf(await take(subscription, 2)), [b.uuid, "last"]);
});

test("subscription: with includeExisting each host is delivered exactly once (discovery 38)", async () => {
  const service = serviceName();
  const { discovery } = observed(cluster.client);
  await putHost(service, "0");
  const subscriptions = Array.from({ length: 3 }, () => discovery.subscribeNew(service, { includeExisting: true }));
  // while the subscriptions read
  await Promise.all(["1", "2", "3"].map((uuid) => putHost(service, uuid)));
  await Promise.all(subscriptions.map(({ ready }) => ready));
  const late = discovery.subscribeNew(service, { includeExisting: true });
  await putHost(service, "4");
  for (const subscription of [...subscriptions, late]) {
    assert.deepEqual([...uuidsOf(await take(subscription, 5))].sort(), ["0", "1", "2", "3", "4"]);
  }
  await putHost(service, "5");
  for (const subscription of [...subscriptions, late]) {
    assert.deepEqual(uuidsOf(await take(subscription, 1)), ["5"]);
    await subscription.close();
  }
});

test("subscription: without includeExisting only later hosts are delivered; with afterIndex those created after it", async () => {
  const service = serviceName();
  const { discovery } = observed(cluster.client);
  await putHost(service, "0");
  await using first = discovery.subscribeNew(service);
  const { index } = await first.ready;
  await putHost(service, "1");
  await using second = discovery.subscribeNew(service);
  await using after = discovery.subscribeNew(service, { afterIndex: index });
  await Promise.all([second.ready, after.ready]);
  await putHost(service, "2");
  assert.deepEqual(uuidsOf(await take(first, 2)), ["1", "2"]);
  assert.deepEqual(uuidsOf(await take(second, 1)), ["2"]);
  assert.deepEqual(uuidsOf(await take(after, 2)), ["1", "2"]);
});

test("subscription: hosts that stop or expire are reported in that order (discovery 39)", async () => {
  const service = serviceName();
  const { discovery } = observed(cluster.client);
  await using subscription = discovery.subscribeDown(service);
  await subscription.ready;
  const a = discovery.register(service, { hostname: "h" });
  await a.waitRegistration();
  await a.close();
  await putHost(service, "expires", 1);
  assert.deepEqual(await take(subscription, 2), [a.uuid, "expires"]);
});

test("subscription: the removal of a directory, also of one above, reports each host (discovery 40)", async () => {
  // a member of its own, since the test deletes all services
  await using own = await ownMember();
  await using client = new Client({ endpoints: own.endpoints });
  const keys = new KeysAPI(client);
  const { discovery } = observed(client);
  const service = serviceName();
  await using subscription = discovery.subscribeDown(service);
  await subscription.ready;
  for (const dir of [`/services/${service}`, "/services"]) {
    for (const uuid of ["a", "b"]) await keys.set(`/services/${service}/${uuid}`, '{"name":"h"}');
    await keys.delete(dir, { recursive: true });
    assert.deepEqual([...(await take(subscription, 2))].sort(), ["a", "b"]);
  }
});

test("subscription: a value that is not a host is left out with a warning (discovery 42)", async () => {
  const service = serviceName();
  const { discovery, warned } = observed(cluster.client);
  await using subscription = discovery.subscribeNew(service);
  await subscription.ready;
  await cluster.keys.set(`/services/${service}/bad`, "notjson");
  assert.equal((await warned("HOST_INVALID")).key, `/services/${service}/bad`);
  await putHost(service, "sub/deeper");
  await putHost(service, "good");
  await putHost(service, "bad");
  assert.deepEqual(uuidsOf(await take(subscription, 2)), ["good", "bad"]);
});

test("subscription: an abort ends the loop by throwing its reason, and ends the poll (discovery 43)", async () => {
  const service = serviceName();
  const recorder = new Recorder(cluster.client);
  const { discovery } = observed(recorder);
  const abort = new AbortController();
  const reason = new Error("enough");
  const subscription = discovery.subscribeNew(service, { signal: abort.signal });
  await subscription.ready;
  await until("the poll is open", () => recorder.polls === 1);
  const hosts: Host[] = [];
  setImmediate(() => {
    abort.abort(reason);
  });
  const loop = async (): Promise<void> => {
    for await (const host of subscription) hosts.push(host);
  };
  await assert.rejects(loop(), reason);
  assert.equal(await subscription.closed, undefined);
  assert.deepEqual([hosts, recorder.polls], [[], 0]);
  const never = discovery.subscribe(service, { signal: abort.signal });
  await assert.rejects(never.ready, reason);
  await assert.rejects(never.next(), reason);
  await never.close();
});

test("subscription: next() takes a signal of its own, and nothing is lost by its abort", async () => {
  const service = serviceName();
  const { discovery } = observed(cluster.client);
  await using subscription = discovery.subscribeNew(service);
  await subscription.ready;
  const abort = new AbortController();
  const waiting = subscription.next(abort.signal);
  await assert.rejects(subscription.next(), { code: "ERR_BUSY" });
  abort.abort(new Error("not now"));
  await assert.rejects(waiting, { message: "not now" });
  await putHost(service, "a");
  const { value } = await subscription.next();
  assert.equal(value?.uuid, "a");
  const last = subscription.next();
  await subscription.close();
  assert.deepEqual(await last, { done: true, value: undefined });
});

test("subscription: every event is delivered in order, with the node before it", async () => {
  const service = serviceName();
  await using subscription = observed(cluster.client).discovery.subscribe(service);
  await subscription.ready;
  const key = `/services/${service}/x`;
  await cluster.keys.set(key, "1");
  await cluster.keys.set(key, "2");
  await cluster.keys.delete(key);
  const events = await take(subscription, 3);
  assert.deepEqual(
    events.map(({ type, action, node, prevNode }) => [type, action, node.key, node.value, prevNode?.value]),
    [
      ["set", "set", key, "1", undefined],
      ["set", "set", key, "2", "1"],
      ["remove", "delete", key, "2", undefined],
    ],
  );
});

test("subscription: a thousand subscriptions to one service share one poll", async () => {
  const service = serviceName();
  const recorder = new Recorder(cluster.client);
  const { discovery } = observed(recorder);
  const many = Array.from({ length: 1_000 }, () => discovery.subscribeNew(service));
  await Promise.all(many.map(({ ready }) => ready));
  await putHost(service, "a");
  for (const subscription of many) assert.deepEqual(uuidsOf(await take(subscription, 1)), ["a"]);
  assert.ok(recorder.polls <= 1);
  const [last, ...others] = many;
  await Promise.all(others.map((subscription) => subscription.close()));
  await putHost(service, "b");
  assert.deepEqual(uuidsOf(await take(last ?? assert.fail(), 1)), ["b"]);
  await last?.close();
  assert.equal(recorder.polls, 0);
});

test("subscription: nothing is lost if the history is cleared while the connection is cut", async () => {
  const service = serviceName();
  const [endpoint = ""] = cluster.endpoints;
  await using proxy = await TcpProxy.start(endpoint);
  await using client = new Client({ endpoints: [proxy.url] });
  const recorder = new Recorder(client);
  const { discovery, warnings } = observed(recorder);
  await putHost(service, "stays");
  await putHost(service, "goes");
  await using fresh = discovery.subscribeNew(service);
  await using down = discovery.subscribeDown(service);
  await Promise.all([fresh.ready, down.ready]);
  await until("it watches", () => recorder.polls === 1);
  proxy.cut("refuse");
  await putHost(service, "comes");
  await cluster.keys.delete(`/services/${service}/goes`);
  await clearHistory(cluster, cluster.dir);
  proxy.heal();
  assert.deepEqual(uuidsOf(await take(fresh, 1)), ["comes"]);
  assert.deepEqual(await take(down, 1), ["goes"]);
  assert.ok(
    warnings.some(({ error }) => error instanceof Error && error.message.includes("401")),
    "the history was really cleared",
  );
});
