import assert from "node:assert/strict";
import test, { type TestContext } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { isDeepStrictEqual } from "node:util";
import { startCluster } from "./test-kit/etcd.js";
import { find, versionOf } from "../scripts/servers/programs.mjs";
import type { EtcdVersion } from "../src/server/messages.js";
import { Random } from "../src/test-kit/random.js";
import { until } from "../src/test-kit/waiting.js";
import { startFakeEtcd } from "../src/testing/index.js";
import { HttpDriver } from "../src/testing/test-kit/http-driver.js";
import { adminRequests, randomAuthRequest, randomRequest, randomWatch } from "./fake-programs.js";
import { Pair, type Counters } from "./server-pair.js";

const seed = Number(process.env["ETCD2_FAKE_SEED"] ?? Date.now() % 2 ** 32);
const bin = find("etcd");

for (const [server, steps] of [
  [bin, Number(process.env["ETCD2_FAKE_STEPS"] ?? 10_000)],
  [find("etcd-3.5"), 1_000],
] as const)
  test(`fake: it responds like etcd ${versionOf("etcd", server) ?? ""} to ${String(steps)} random requests (X49)`, async (t) => {
    await sideBySide(t, server, async (pair, random, index) => {
      const [realBefore, fakeBefore] = await quietCounters(pair);
      for (let step = 0; step < steps; step++) {
        if (random.chance(0.02)) await pair.watch(randomWatch(random, index()));
        else await pair.ask(randomRequest(random, index()));
        if (step % 50 === 49) await pair.settle();
      }
      await pair.settle();
      // a server notices the end of a client with some delay
      await until("no watchers", async () => (await pair.counters()).every((counters) => counters["watchers"] === 0));
      const [realAfter, fakeAfter] = await pair.counters();
      assert.deepEqual(difference(fakeAfter, fakeBefore), difference(realAfter, realBefore));
    });
  });

test("fake: it responds like etcd to requests that are not about keys (X49)", async (t) => {
  await sideBySide(t, bin, async (pair) => {
    for (const request of adminRequests()) await pair.ask(request);
  });
});

test("fake: it responds like etcd to requests about users and roles in any order (X49)", async (t) => {
  await sideBySide(t, bin, async (pair, random) => {
    for (let step = 0; step < 150; step++) await pair.ask(randomAuthRequest(random));
  });
});

/** A fresh fake and a fresh real etcd. `index`: the approximate index of their stores. */
async function sideBySide(
  t: TestContext,
  server: string,
  play: (pair: Pair, random: Random, index: () => number) => Promise<void>,
): Promise<void> {
  t.diagnostic(`ETCD2_FAKE_SEED=${String(seed)}`);
  const version = /^3\.[345]/.exec(versionOf("etcd", server) ?? "")?.[0] as EtcdVersion;
  await using real = await startCluster({ bin: server });
  await using fake = await startFakeEtcd({ version });
  const pair = new Pair(new HttpDriver(real.endpoints), new HttpDriver(fake.endpoints));
  try {
    await play(pair, new Random(seed), () => fake.index);
  } finally {
    pair.close();
  }
}

/** The counters once they no longer change: a server that has just started counts its first requests with some delay. */
async function quietCounters(pair: Pair): Promise<readonly [real: Counters, fake: Counters]> {
  let before = await pair.counters();
  return until("counters that stand still", async () => {
    await sleep(200);
    const now = await pair.counters();
    const still = isDeepStrictEqual(now, before);
    before = now;
    return still && now;
  });
}

function difference(after: Counters, before: Counters): Counters {
  return Object.fromEntries(Object.entries(after).map(([name, count]) => [name, count - (before[name] ?? 0)]));
}
