import assert from "node:assert/strict";
import test from "node:test";
import { EtcdError } from "../core/index.js";
import { fakeBy, unauthorized } from "../testing/test-kit/fakes.js";
import { createDiscovery } from "./discovery.js";

test("subscription: a refusal ends all subscriptions of the service, and the next one starts afresh", async () => {
  await using fake = await fakeBy("transport");
  const { etcd, client } = fake;
  const refused = etcd.fail({ watch: true }, unauthorized);
  const discovery = createDiscovery({ client });
  const [a, b] = [discovery.subscribeNew("a"), discovery.subscribeDown("a")];
  const { index } = etcd;
  assert.deepEqual(await Promise.all([a.ready, b.ready]), [{ index }, { index }]);
  for (const subscription of [a, b]) {
    await assert.rejects(
      subscription[Symbol.asyncIterator]().next(),
      (error: unknown) => error instanceof EtcdError && error.errorCode === 110,
    );
    assert.ok((await subscription.closed) instanceof EtcdError);
    await subscription.close();
  }
  const lists = (): number => etcd.requests.filter(({ query }) => query["wait"] !== "true").length;
  assert.deepEqual([lists(), refused.hits], [1, 1]);
  const c = discovery.subscribe("a");
  assert.deepEqual(await c.ready, { index });
  await c.close();
  assert.equal(lists(), 2);
});

test("subscription: a refused read rejects ready", async () => {
  await using fake = await fakeBy("transport");
  fake.etcd.fail({}, unauthorized, { times: Infinity });
  const subscription = createDiscovery({ client: fake.client }).subscribeNew("a");
  await assert.rejects(subscription.ready, EtcdError);
  await assert.rejects(subscription[Symbol.asyncIterator]().next(), EtcdError);
});

test("discovery: bad options are refused before any request", () => {
  const discovery = createDiscovery({ client: { send: () => assert.fail("asked") } });
  const bad: readonly unknown[] = [{ signal: 1 }, { includeExisting: 1 }, { afterIndex: -1 }, { after: 1 }];
  for (const options of bad) assert.throws(() => discovery.subscribe("a", options as object), { code: "ERR_ARGUMENT" });
  for (const options of [
    { client: {} },
    { hostname: 1 },
    { onWarning: 1 },
    { random: 1 },
    { allowNested: 1 },
    { prefix: "" },
  ]) {
    assert.throws(() => createDiscovery(options as object), { code: "ERR_ARGUMENT" });
  }
});
