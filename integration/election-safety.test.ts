// Safety of an election, shown by a checker over what the processes said: nobody's word but theirs, and the machine's clock.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import type { Cluster } from "../scripts/servers/etcd.mjs";
import { lateEventsOf, termsOf, violationsOf, type Fact, type TermRecord } from "./histories/election-history.js";
import { fight, pick, seconds, seed } from "./election-nemesis.js";
import { fastCluster } from "./fast-cluster.js";

const config = {
  key: "safety/leader",
  contactInfo: "",
  ttlMs: 2_000,
  lockDelayMs: 500,
  cooldownMs: 200,
  stepDownTimeoutMs: 500,
  marginMs: 200,
} as const;

test(
  `consul 49: a leader at a time among five processes, for ${String(seconds)} s, seed ${String(seed)}`,
  { timeout: seconds * 1_000 + 120_000 },
  async (t) => {
    await using cluster = await fastCluster();
    await fight(t, {
      backend: "etcd",
      endpoints: cluster.endpoints,
      config,
      successionMs: config.ttlMs + config.lockDelayMs + 2_000,
      harm: (random, count) => harmMember(cluster, random, count),
      minTerms: seconds / 10,
    });
  },
);

describe("the checker", () => {
  const term = (process: string, token: number, beginMs: number, lastLedMs: number, abortMs?: number): TermRecord => ({
    process,
    token,
    beginMs,
    lastLedMs,
    abortMs,
  });

  test("consul 49: finds two leaders at a time, also with others in between", () => {
    assert.deepEqual(violationsOf([term("a", 1, 0, 10, 11), term("b", 2, 12, 20)]), []);
    assert.equal(violationsOf([term("a", 1, 0, 10, 11), term("b", 2, 10, 20)]).length, 1);
    assert.equal(violationsOf([term("a", 1, 0, 100), term("b", 2, 20, 30), term("c", 3, 40, 50)]).length, 2);
  });

  test("consul 49: finds a token that does not grow, and a signal that leads after it has aborted", () => {
    assert.equal(violationsOf([term("a", 2, 0, 10), term("b", 2, 20, 30)]).length, 1);
    assert.equal(violationsOf([term("a", 2, 0, 10, 9)]).length, 1);
  });

  test("consul 49: folds what a process said", () => {
    const facts: Fact[] = [
      { atMs: 1, type: "ready" },
      { atMs: 2, type: "begin", token: 7 },
      { atMs: 3, type: "leads", token: 7 },
      { atMs: 5, type: "abort", token: 7 },
      { atMs: 6, type: "end", token: 7 },
      { atMs: 8, type: "begin", token: 9 },
    ];
    assert.deepEqual(termsOf("a", facts), [term("a", 7, 2, 3, 5), term("a", 9, 8, 8)]);
    assert.deepEqual(lateEventsOf([term("a", 7, 2, 3, 12), term("b", 9, 8, 8)]), [
      { term: term("a", 7, 2, 3, 12), byMs: 4 },
    ]);
  });
});

/** Kills or freezes one member, or kills two, without which there is no majority; returns what mends it. */
async function harmMember(
  { members }: Cluster,
  random: () => number,
  count: (what: string) => void,
): Promise<() => Promise<void>> {
  const first = pick(members, random);
  if (random() < 0.4) {
    count("member frozen");
    first.freeze();
    return () => {
      first.thaw();
      return Promise.resolve();
    };
  }
  await first.kill();
  if (random() < 0.5) {
    count("member killed");
    return () => first.start();
  }
  count("majority killed");
  const second = pick(
    members.filter((member) => member !== first),
    random,
  );
  await second.kill();
  await sleep(random() * 3_000);
  // a member is healthy only where there is a majority
  await second.start();
  return () => first.start();
}
