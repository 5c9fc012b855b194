import assert from "node:assert/strict";
import test from "node:test";
import { EtcdError, type Sender } from "../core/index.js";
import { createDiscovery } from "./discovery.js";

const headers = { "content-type": "application/json", "x-etcd-index": "7" };
const listing = {
  status: 404,
  headers,
  body: JSON.stringify({ errorCode: 100, message: "Key not found", cause: "/services", index: 7 }),
};
const refusal = {
  status: 401,
  headers,
  body: JSON.stringify({
    errorCode: 110,
    message: "The request requires user authentication",
    cause: "Insufficient credentials",
    index: 0,
  }),
};

test("subscription: a refusal ends all subscriptions of the service, and the next one starts afresh", async () => {
  const lists: string[] = [];
  let refuse = (): void => undefined;
  const refused = new Promise<void>((resolve) => (refuse = resolve));
  const client: Sender = {
    async send(spec) {
      if (spec.longPoll !== true) {
        lists.push(spec.path);
        return listing;
      }
      await refused;
      return refusal;
    },
  };
  const discovery = createDiscovery({ client });
  const a = discovery.subscribeNew("a");
  const b = discovery.subscribeDown("a");
  assert.deepEqual(await Promise.all([a.ready, b.ready]), [{ index: 7 }, { index: 7 }]);
  assert.equal(lists.length, 1);
  refuse();
  for (const subscription of [a, b]) {
    await assert.rejects(
      subscription[Symbol.asyncIterator]().next(),
      (error: unknown) => error instanceof EtcdError && error.errorCode === 110,
    );
    assert.ok((await subscription.closed) instanceof EtcdError);
    await subscription.close();
  }
  const c = discovery.subscribe("a");
  assert.deepEqual(await c.ready, { index: 7 });
  await c.close();
  assert.equal(lists.length, 2);
});

test("subscription: a refused read rejects ready", async () => {
  const discovery = createDiscovery({ client: { send: () => Promise.resolve(refusal) } });
  const subscription = discovery.subscribeNew("a");
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
