// The safety of an election on one real Consul, which is frozen at times. It cannot be killed: it keeps its state in memory.
import { setTimeout as sleep } from "node:timers/promises";
import { startConsul, type Consul } from "./test-kit/consul.js";
import { find } from "../scripts/servers/programs.mjs";
import type { Random } from "../src/test-kit/random.js";
import { test } from "../src/test-kit/register.js";
import { onRealConsul } from "./consul-support.js";
import { fight, seconds, seed } from "./election-nemesis.js";

/** Consul's shortest TTL; it may take twice as long to end a session. */
const config = {
  key: "safety/leader",
  contactInfo: "",
  ttlMs: 10_000,
  lockDelayMs: 500,
  cooldownMs: 200,
  stepDownTimeoutMs: 500,
  marginMs: 500,
} as const;

onRealConsul(() => {
  test(
    `election: one leader at a time among five processes, for ${String(seconds)} s, seed ${String(seed)} (real Consul)`,
    { timeout: seconds * 1_000 + 180_000 },
    async (t) => {
      const bin = find("consul");
      await using consul = await startConsul({ bin });
      await fight(t, {
        backend: "consul",
        endpoints: [consul.url],
        config,
        successionMs: 2 * config.ttlMs + config.lockDelayMs + 2_000,
        harm: (random, count) => freeze(consul, random, count),
        minTerms: seconds / 30,
      });
    },
  );
});

/** Freezes the server for less than the TTL, or for so long that every session may have expired. */
async function freeze(consul: Consul, random: Random, count: (what: string) => void): Promise<() => Promise<void>> {
  const isLong = random.chance(0.3);
  count(isLong ? "server frozen for longer than the TTL" : "server frozen");
  consul.freeze();
  await sleep(isLong ? config.ttlMs + 1_000 : random.next() * 4_000);
  consul.thaw();
  return () => Promise.resolve();
}
