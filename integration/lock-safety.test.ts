// The safety of locks and semaphores, by a check of what their processes report with the machine's clock.
import { test } from "node:test";
import { fight, seed } from "./election-nemesis.js";
import { fastCluster } from "./fast-cluster.js";
import { harmMember } from "./member-harm.js";

/** The time for both parts together. */
const seconds = Number(process.env["LOCK_SAFETY_SECONDS"] ?? 24);

const config = { contactInfo: "", ttlMs: 2_000, lockDelayMs: 0, marginMs: 200 } as const;

for (const [what, limit] of [
  ["lock: one holder", 1],
  ["semaphore: three holders", 3],
] as const) {
  test(
    `${what} at a time among five processes, first come, first served, for ${String(seconds / 2)} s, seed ${String(seed)}`,
    { timeout: seconds * 1_000 + 120_000 },
    async (t) => {
      await using cluster = await fastCluster();
      await fight(
        t,
        {
          backend: "etcd",
          endpoints: cluster.endpoints,
          config: { ...config, key: `safety/limit-${String(limit)}` },
          lock: { limit },
          // the next one in the queue may be a contender that was disturbed a moment later
          successionMs: 2 * config.ttlMs + 2_000,
          harm: (random, count) => harmMember(cluster, random, count),
          // on a busy machine, and over v3, a term takes longer
          minTerms: seconds / 2,
        },
        seconds / 2,
      );
    },
  );
}
