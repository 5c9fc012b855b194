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

/** CPU time of this process so far, in ms: unlike a clock it does not count what other processes take. */
function cpuMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1_000;
}

/** The smallest of several figures: what the work costs when nothing interferes. */
async function best(times: number, measure: () => number | Promise<number>): Promise<number> {
  let least = Infinity;
  for (let i = 0; i < times; i++) least = Math.min(least, await measure());
  return least;
}

test("fake etcd: a thousand watchers of one key all get the event of one write, within 50 ms (X43)", async (t) => {
  const spec = { method: "GET", path: "/v2/keys/a", query: "wait=true", longPoll: true } as const;
  const took = await best(3, async () => {
    await using etcd = createFakeEtcd();
    const [endpoint = ""] = etcd.endpoints;
    const url = new URL(`${endpoint}/v2/keys/a?wait=true`);
    const events = Array.from({ length: 1_000 }, () => etcd.transport(url, spec, undefined));
    await etcd.untilWatched("/a", { count: 1_000, signal: patience() });
    const before = cpuMs();
    etcd.load({ "/a": "1" });
    const bodies = (await Promise.all(events)).map(({ body }) => body);
    const ms = cpuMs() - before;
    assert.equal(new Set(bodies).size, 1);
    assert.match(bodies[0] ?? "", /"value":"1"/);
    const stats = { method: "GET", path: "/v2/stats/store" } as const;
    assert.match((await etcd.transport(new URL(`${endpoint}${stats.path}`), stats, undefined)).body, /"watchers":0/);
    return ms;
  });
  t.diagnostic(`${took.toFixed(1)} ms of CPU`);
  assert.ok(took < 50, `${String(took)} ms`);
});

test("fake etcd: ten thousand keys can be written, listed and dumped", async (t) => {
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

for (const { members, writes } of [
  { members: 1, writes: 100_000 },
  { members: 3, writes: 20_000 },
])
  test(`fake etcd: ${String(writes)} writes with ${String(members)} members leave only the keys and 1,000 events (X44)`, async (t) => {
    await using etcd = createFakeEtcd({ members });
    const entry = { "/a": "x".repeat(100) };
    const write = (times: number): number => {
      const before = cpuMs();
      for (let i = 0; i < times; i++) etcd.load(entry);
      return cpuMs() - before;
    };
    write(5_000);
    const before = heapMiB();
    const perSecond = (writes / 5 / (await best(5, () => write(writes / 5)))) * 1_000;
    const grown = heapMiB() - before;
    t.diagnostic(`${perSecond.toFixed(0)} writes per second of CPU, ${grown.toFixed(1)} MiB more`);
    assert.ok(grown < 5, `${String(grown)} MiB`);
    if (members === 1) assert.ok(perSecond > 20_000, `${String(perSecond)} writes per second`);
  });

test("fake etcd: refreshes of keys with a TTL do not pile up (X44)", async (t) => {
  await using etcd = createFakeEtcd();
  const keys = Object.fromEntries(Array.from({ length: 10 }, (_, i) => [`/k${String(i)}`, { value: "v", ttl: 1_000 }]));
  const refreshAll = (rounds: number): void => {
    for (let round = 0; round < rounds; round++) etcd.load(keys);
  };
  refreshAll(200);
  const before = heapMiB();
  // a hundred bytes for each would be 10 MiB
  refreshAll(10_000);
  const grown = heapMiB() - before;
  t.diagnostic(`${grown.toFixed(1)} MiB more`);
  assert.ok(grown < 5, `${String(grown)} MiB`);
});
