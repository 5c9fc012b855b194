// The safety of an election, by a check of what its processes report with the machine's clock.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { lateEventsOf, termsOf, violationsOf, type Fact, type TermRecord } from "./histories/election-history.js";
import { harmMember } from "./member-harm.js";
import { fight, seconds, seed } from "./election-nemesis.js";
import { fastCluster } from "./fast-cluster.js";
import { isOverV3 } from "./support.js";

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
  `election: one leader at a time among five processes (consul 49${isOverV3 ? ", V76" : ""}), for ${String(seconds)} s, seed ${String(seed)}`,
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

  test("checker: finds two leaders at a time, also with others in between", () => {
    assert.deepEqual(violationsOf([term("a", 1, 0, 10, 11), term("b", 2, 12, 20)]), []);
    assert.ok(violationsOf([term("a", 1, 0, 10, 11), term("b", 2, 10, 20)]).length > 0);
    assert.ok(violationsOf([term("a", 1, 0, 100), term("b", 2, 20, 30), term("c", 3, 40, 50)]).length > 1);
  });

  test("checker: finds a token that does not grow, and a signal that leads after it has aborted", () => {
    assert.equal(violationsOf([term("a", 2, 0, 10), term("b", 2, 20, 30)]).length, 1);
    assert.equal(violationsOf([term("a", 2, 0, 10), term("b", 1, 20, 30)]).length, 1);
    assert.equal(violationsOf([term("a", 2, 0, 10, 9)]).length, 1);
  });

  test("checker: finds too many holders of a semaphore, and a waiter that was passed over", () => {
    const three = [term("a", 1, 0, 100), term("b", 2, 10, 50), term("c", 3, 20, 30)];
    assert.deepEqual(violationsOf(three, 3), []);
    assert.ok(violationsOf(three, 2).length > 0);
    assert.deepEqual(violationsOf([...three, term("d", 4, 60, 70)], 3), []);
    assert.ok(violationsOf([...three, term("d", 4, 25, 70)], 3).length > 0);
    // the second has its slot, though it begins late
    assert.deepEqual(violationsOf([term("a", 1, 0, 100), term("c", 3, 1, 2), term("b", 2, 5, 50)], 3), []);
    assert.equal(violationsOf([term("a", 1, 0, 100), term("c", 3, 1, 2), term("b", 2, 5, 50)], 2).length, 1);
    assert.equal(violationsOf([term("a", 2, 0, 10), term("b", 2, 20, 50)], 2).length, 1);
  });

  test("checker: makes terms of what a process reported", () => {
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
