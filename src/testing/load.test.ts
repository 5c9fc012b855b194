import assert from "node:assert/strict";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import test from "node:test";
import { patience } from "../test-kit/waiting.js";
import { createFakeEtcd } from "./fake-etcd.js";
import { fakeBy } from "./test-kit/fakes.js";

setFlagsFromString("--expose-gc");
const collect = runInNewContext("gc") as () => void;

function heapMiB(): number {
  collect();
  return process.memoryUsage().heapUsed / 2 ** 20;
}

test("a thousand watchers of one key are all told of one write (X43)", async (t) => {
  await using etcd = createFakeEtcd();
  const [endpoint = ""] = etcd.endpoints;
  const url = new URL(`${endpoint}/v2/keys/a?wait=true`);
  const spec = { method: "GET", path: "/v2/keys/a", query: "wait=true", longPoll: true } as const;
  const told = Array.from({ length: 1_000 }, () => etcd.transport(url, spec, undefined));
  await etcd.untilWatched("/a", { count: 1_000, signal: patience() });
  const startMs = performance.now();
  etcd.load({ "/a": "1" });
  const bodies = (await Promise.all(told)).map(({ body }) => body);
  t.diagnostic(`${(performance.now() - startMs).toFixed(1)} ms`);
  assert.equal(new Set(bodies).size, 1);
  assert.match(bodies[0] ?? "", /"value":"1"/);
  assert.match(
    (await etcd.transport(new URL(`${endpoint}/v2/stats/store`), { method: "GET", path: "/v2/stats/store" }, undefined))
      .body,
    /"watchers":0/,
  );
});

test("ten thousand keys can be written, listed and dumped", async (t) => {
  await using fake = await fakeBy("transport");
  const startMs = performance.now();
  fake.etcd.load(
    Object.fromEntries(
      Array.from({ length: 10_000 }, (_, number) => [
        `/d/${String(number % 100)}/${String(number)}`,
        { value: "v", ttl: 1_000 },
      ]),
    ),
  );
  const { node } = await fake.keys.get("/d", { recursive: true, sort: true });
  t.diagnostic(`${(performance.now() - startMs).toFixed(0)} ms`);
  assert.equal(node.nodes.flatMap(({ nodes }) => nodes).length, 10_000);
  assert.equal(Object.keys(fake.etcd.dump()).length, 10_000);
});

test("a hundred thousand writes leave no more than the keys and a thousand events (X44)", async (t) => {
  await using etcd = createFakeEtcd({ members: 3 });
  const entry = { "/a": "x".repeat(100) };
  for (let write = 0; write < 5_000; write++) etcd.load(entry);
  const before = heapMiB();
  const startMs = performance.now();
  for (let write = 0; write < 100_000; write++) etcd.load(entry);
  const seconds = (performance.now() - startMs) / 1_000;
  const grown = heapMiB() - before;
  t.diagnostic(`${(100_000 / seconds).toFixed(0)} writes a second by three members, ${grown.toFixed(1)} MiB more`);
  assert.ok(grown < 5, `${String(grown)} MiB`);
});

test("refreshes of keys with a TTL do not pile up (X44)", async (t) => {
  await using fake = await fakeBy("transport");
  const keys = Array.from({ length: 10 }, (_, number) => `/k${String(number)}`);
  const refreshAll = async (): Promise<void> => {
    for (const key of keys) await fake.keys.set(key, "v", { ttl: 1_000 });
  };
  for (let round = 0; round < 300; round++) await refreshAll();
  const before = heapMiB();
  for (let round = 0; round < 700; round++) await refreshAll();
  const grown = heapMiB() - before;
  t.diagnostic(`${grown.toFixed(1)} MiB more`);
  // the requests are kept, up to 20,000 of them
  assert.ok(grown < 15, `${String(grown)} MiB`);
});
