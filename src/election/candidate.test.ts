import assert from "node:assert/strict";
import { test } from "node:test";
import { lockSuite } from "./test-kit/lock-suite.js";
import { MemoryLockServer } from "./test-kit/memory-lock.js";
import { cuttable } from "../test-kit/tcp-proxy.js";
import { useVirtualTime } from "../test-kit/virtual-time.js";
import { untilAborted } from "../util/signals.js";
import { sleep, until } from "../test-kit/waiting.js";

const time = useVirtualTime();
const server = new MemoryLockServer();

lockSuite("a lock in memory", {
  title: (number, text) => `election: ${text} (consul ${String(number)}, in memory)`,
  config: { ttlMs: 8_000, lockDelayMs: 100, cooldownMs: 50, stepDownTimeoutMs: 150, marginMs: 500 },
  concurrency: true,
  manyTermsMs: 20_000,
  expiryLatenessMs: 0,
  start: () => Promise.resolve(),
  stop: () => Promise.resolve(),
  contender: () => {
    const connection = server.connect();
    return Promise.resolve({
      candidate: connection.candidate,
      ...cuttable(connection),
      releases: () => connection.releases,
      lastGoodBeatMs: () => connection.lastGoodBeatMs,
      pending: () => connection.pending,
    });
  },
  endSession: (_key, id) => {
    server.endSession(id);
    return Promise.resolve();
  },
});

test("election: isLeader and the signal are right at the first look after the process stood still", async (t) => {
  const { candidate } = server.connect();
  const signals: AbortSignal[] = [];
  const session = await candidate.participate(
    { key: "stood-still", contactInfo: "", ttlMs: 300, marginMs: 30 },
    async ({ signal }) => {
      signals.push(signal);
      await new Promise((resolve) => {
        signal.addEventListener("abort", resolve);
      });
    },
  );
  t.after(() => session.close());
  const signal = await until("a term has begun", () => session.isLeader && signals.find(({ aborted }) => !aborted));
  let wasTold = false;
  signal.addEventListener("abort", () => (wasTold = true));
  // no timer fires and no response is read
  time.standStill(300);
  assert.equal(wasTold, false);
  assert.equal(session.isLeader, false);
  assert.equal(signal.aborted, true);
  assert.equal(wasTold, true);
});

test("election: participate waits for a backend that cannot be reached (FF20)", async (t) => {
  const connection = server.connect();
  connection.cut("refuse");
  let settled = false;
  const beginning = connection.candidate
    .participate({ key: "later", contactInfo: "", ttlMs: 20_000 }, ({ signal }) => untilAborted(signal))
    .finally(() => (settled = true));
  await sleep(200);
  assert.equal(settled, false);
  connection.heal();
  const session = await beginning;
  t.after(() => session.close());
  await until("it leads", () => session.isLeader);
});

test("election: a callback that fails at once makes the pause grow, however long the release takes", async (t) => {
  const connection = server.connect();
  connection.releaseMs = 1_200;
  const begunMs: number[] = [];
  const session = await connection.candidate.participate(
    { key: "slow-release", contactInfo: "", ttlMs: 20_000, cooldownMs: 200 },
    () => {
      begunMs.push(performance.now());
      return Promise.reject(new Error("out of luck"));
    },
  );
  t.after(() => session.close());
  await until("it is called a third time", () => begunMs.length === 3);
  const pauseMs = (begunMs[2] ?? 0) - (begunMs[1] ?? 0);
  assert.ok(pauseMs >= connection.releaseMs + 400 - 2, `paused for ${String(pauseMs)} ms`);
});

test("election: changes() gives each reader what happens from the call on, until the session or its signal ends", async () => {
  const { candidate } = server.connect();
  const session = await candidate.participate({ key: "changes", contactInfo: "", ttlMs: 20_000 }, ({ signal }) =>
    untilAborted(signal),
  );
  const stop = new AbortController();
  const all = session.changes();
  const some = session.changes({ signal: stop.signal });
  assert.equal((await some.next()).value?.type, "elected");
  const reason = new Error("enough");
  const waiting = some.next();
  stop.abort(reason);
  await assert.rejects(waiting, (error) => error === reason);
  await session.close();
  const seen: string[] = [];
  for await (const { type } of all) seen.push(type);
  assert.deepEqual(seen, ["elected", "lost"]);
  assert.deepEqual(await session.changes().next(), { done: true, value: undefined });
});
