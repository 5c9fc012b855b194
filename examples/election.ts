// Three candidates contest one leadership on a real etcd, and hand it on; a store refuses what a former leader writes.
import assert from "node:assert/strict";
import { Client } from "etcd2";
import { createEtcdCandidate } from "etcd2/election";

const endpoints = (process.env["ETCD_ENDPOINTS"] ?? "http://127.0.0.1:2379").split(",");
await using client = new Client({ endpoints });
const candidate = createEtcdCandidate({ client });
const key = `/example-election-${String(process.pid)}/leader`;
const config = { key, ttlMs: 30_000, lockDelayMs: 1_000, cooldownMs: 500 };

/** What the leader works on. It remembers the newest token and refuses older ones. */
const store = {
  newest: 0,
  write(token: string, what: string): boolean {
    if (Number(token) < this.newest) return false;
    this.newest = Number(token);
    console.log(`  store: ${what}`);
    return true;
  },
};

// an observer that does not take part
const stop = new AbortController();
const observing = (async () => {
  for await (const leader of candidate.observe(key, stop.signal))
    console.log(`now leads: ${leader?.contactInfo ?? "nobody"}`);
})().catch((error: unknown) => {
  if (!stop.signal.aborted) throw error;
});

const tokens: string[] = [];
const turns = ["a", "b", "c"].map((name) =>
  candidate.run({ ...config, contactInfo: name }, async (signal, { fencingToken }) => {
    tokens.push(fencingToken);
    for (let step = 1; step <= 3 && !signal.aborted; step++) {
      assert.ok(store.write(fencingToken, `${name} writes step ${String(step)} with token ${fencingToken}`));
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }),
);
await Promise.all(turns);
console.log(`three leaders, tokens ${tokens.join(" < ")}`);
assert.equal(store.write(tokens[0] ?? "", "what the first leader writes too late"), false);
console.log("a late write with the first token was refused");

// the long form: contests again after each term, until closed
let terms = 0;
const session = await candidate.participate({ ...config, contactInfo: "d" }, async ({ signal }) => {
  terms++;
  await new Promise((resolve) => {
    signal.addEventListener("abort", resolve);
  });
});
for await (const { type } of session.changes()) {
  console.log(`d: ${type}, isLeader ${String(session.isLeader)}, current ${(await session.current()) ?? "nobody"}`);
  if (type === "elected" && session.isLeader) await session.abdicate();
  if (terms === 2) break;
}
await session.close();
stop.abort();
await observing;
console.log("closed: nobody contests any more");
