import assert from "node:assert/strict";
import { test } from "node:test";
import { Client, KeysAPI } from "../core/index.js";
import type { RawResponse, Sender } from "../http/exchange.js";
import { clientOf } from "../test-kit/scripted-server.js";
import { useVirtualTime } from "../test-kit/virtual-time.js";
import { patience, until } from "../test-kit/waiting.js";
import { createFakeEtcd, globalClock, type SeenRequest } from "../testing/index.js";
import { createEtcdCandidate } from "./etcd-lock.js";
import { EtcdSession } from "./etcd-session.js";

const time = useVirtualTime();
const config = { key: "jobs/leader", contactInfo: "http://h/?a=1&b=<2>", ttlMs: 5_400 } as const;

test("etcd election: sends create, refresh from the known index, compare-and-delete (consul 49)", async (t) => {
  await using etcd = createFakeEtcd({ clock: globalClock() });
  const client = new Client({ endpoints: etcd.endpoints, transport: etcd.transport });
  t.after(() => client.close());
  const beats = (): typeof etcd.requests => etcd.requests.filter(({ form }) => form["refresh"] === "true");
  let value = "";
  const begunMs = time.now();
  await createEtcdCandidate({ client }).run(config, async (_signal, { fencingToken }) => {
    const { node } = await new KeysAPI(client).get(config.key);
    value = node.value;
    assert.equal(fencingToken, String(node.createdIndex));
    await until(
      "two beats, the second after the response to the first",
      () => new Set(beats().map(prevIndexOf)).size > 1,
    );
  });
  assert.ok(time.now() - begunMs < config.ttlMs, "two beats within the TTL");
  const writes = etcd.requests.filter(({ method }) => method !== "GET");
  const [create, release] = [writes[0], writes.at(-1)];
  const [first, second] = [beats()[0], beats().at(-1)];
  assert.deepEqual(
    [create?.method, create?.path, create?.query],
    ["PUT", "/v2/keys/jobs/leader", { prevExist: "false" }],
  );
  assert.match(value, /^\{"session":"[0-9a-f-]{36}","contact":"http:\/\/h\/\?a=1&b=<2>"\}$/);
  assert.deepEqual(create?.form, { ttl: "6", value });
  assert.deepEqual(first?.form, { refresh: "true", ttl: "6" });
  const { prevIndex: _known, ...conditions } = first.query;
  assert.deepEqual(conditions, { prevExist: "true", prevValue: value });
  const indexes = [first, second].map(prevIndexOf);
  assert.ok((indexes[1] ?? 0) > (indexes[0] ?? NaN), `each from the one before: ${indexes.join(", ")}`);
  assert.deepEqual([release?.method, release?.query], ["DELETE", { prevValue: value }]);
  assert.deepEqual(etcd.dump(), {});
});

function prevIndexOf(beat: SeenRequest | undefined): number {
  return Number(beat?.query["prevIndex"]);
}

test("etcd election: a silent endpoint is left after a part of the TTL, whatever the client's own limit (consul 49)", async (t) => {
  await using etcd = createFakeEtcd({ members: 3, clock: globalClock() });
  const frozen = etcd.members.find(({ isLeader }) => !isLeader) ?? assert.fail("there are followers");
  const other = etcd.members.find((member) => member !== frozen) ?? assert.fail("there are others");
  frozen.freeze();
  const client = clientOf([frozen.endpoint, other.endpoint], { transport: etcd.transport });
  t.after(() => client.close());
  const begunMs = time.now();
  await createEtcdCandidate({ client }).run({ ...config, ttlMs: 24_000 }, () => {
    assert.ok(time.now() - begunMs < 7_000, `elected after ${String(time.now() - begunMs)} ms`);
    const asked = etcd.requests.filter(({ member, key }) => member === frozen.name && key !== undefined);
    assert.equal(asked.length, 1, "asked once, as the first contact");
  });
});

test("etcd election: the limits of a spec lower the client's limits and never raise them (consul 49)", async () => {
  const seen: unknown[] = [];
  const client = new Client({
    endpoints: ["http://h"],
    headerTimeoutMs: 1_000,
    bodyIdleTimeoutMs: 2_000,
    transport: (_url, { limits }) => {
      seen.push([limits?.headersMs, limits?.idleMs]);
      return Promise.resolve({ status: 200, headers: {}, body: "" });
    },
  });
  await client.send({ method: "GET", path: "/" });
  await client.send({ method: "GET", path: "/", limits: { headersMs: 500, idleMs: 3_000 } });
  assert.deepEqual(seen, [
    [1_000, 2_000],
    [500, 2_000],
  ]);
});

for (const [what, restored] of [
  ["emptied", undefined],
  [
    "restored with the leader's key, which then expires",
    { key: "/k", value: "leader", createdIndex: 15, modifiedIndex: 15 },
  ],
] as const) {
  test(`etcd election: when the store is ${what}, a waiting candidate waits for the TTL of the former leader, which may not know yet (FF2)`, async () => {
    const before = { key: "/k", value: "leader", createdIndex: 90, modifiedIndex: 90 };
    const answerWith = (status: number, index: number, body: object): RawResponse => ({
      status,
      headers: { "x-etcd-index": String(index) },
      body: JSON.stringify(body),
    });
    const cleared = answerWith(400, 20, { errorCode: 401, message: "cleared", cause: "", index: 20 });
    const expired = { action: "expire", node: { key: "/k", createdIndex: 15, modifiedIndex: 25 }, prevNode: restored };
    const polls = [cleared, answerWith(200, 24, expired)];
    let lists = 0;
    const sender: Sender = {
      send: ({ longPoll }) => {
        if (longPoll === true) return Promise.resolve(polls.shift() ?? assert.fail("the wait is over"));
        if (lists++ === 0) return Promise.resolve(answerWith(200, 100, { action: "get", node: before }));
        const none = answerWith(404, 20, { errorCode: 100, message: "Key not found", cause: "/k", index: 20 });
        return Promise.resolve(restored === undefined ? none : answerWith(200, 20, { action: "get", node: restored }));
      },
    };
    const ttlMs = 60_000;
    const session = new EtcdSession({
      keys: new KeysAPI(sender),
      key: "/k",
      id: "waiting",
      value: "waiting",
      ttlMs,
      lockDelayMs: 0,
    });
    const pauseMs = await session.untilFree(patience(), () => undefined);
    assert.ok(pauseMs > ttlMs / 2 && pauseMs <= ttlMs, `a pause of ${String(pauseMs)} ms`);
  });
}
