// Five workers share two slots of a semaphore, and take turns at one lock; a store refuses what a former holder writes.
import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import { Client } from "etcd2";
import { createLocks } from "etcd2/lock";

const endpoints = (process.env["ETCD_ENDPOINTS"] ?? "http://127.0.0.1:2379").split(",");
await using client = new Client({ endpoints });
const locks = createLocks({ client });
const prefix = `/example-lock-${String(process.pid)}`;

// a semaphore: at most two at a time
const uploads = locks.semaphore(`${prefix}/uploads`, { limit: 2 });
let [running, most] = [0, 0];
await Promise.all(
  ["a", "b", "c", "d", "e"].map(async (name) => {
    await using _slot = await uploads.acquire({ holder: name });
    most = Math.max(most, ++running);
    console.log(`${name} uploads, ${String(running)} at a time`);
    await sleep(100);
    running--;
  }),
);
assert.equal(most, 2);

/** What the lock protects. It remembers the highest token and refuses lower ones. */
const store = {
  highest: 0,
  write(token: string): boolean {
    if (Number(token) < this.highest) return false;
    this.highest = Number(token);
    return true;
  },
};

// a lock: one at a time, first come, first served
const key = `${prefix}/nightly`;
const tokens: string[] = [];
for (let run = 0; run < 3; run++) {
  await using lock = await locks.acquire(key, { ttlMs: 15_000, signal: AbortSignal.timeout(30_000) });
  assert.equal(await locks.tryAcquire(key), undefined, "another worker has it");
  // ask before each step: the lock may be lost
  if (!lock.signal.aborted) assert.ok(store.write(lock.fencingToken));
  tokens.push(lock.fencingToken);
}
console.log(`three holders, tokens ${tokens.join(" < ")}`);
assert.equal(store.write(tokens[0] ?? ""), false);
console.log("a late write with the first token was refused");
