import assert from "node:assert/strict";
import type { TestContext } from "node:test";
import { newKey, Stalls } from "../../election/test-kit/lock-ground.js";
import { after, before, describe, test } from "../../test-kit/register.js";
import { settled } from "../../test-kit/scripted-cluster.js";
import type { Cuttable } from "../../test-kit/tcp-proxy.js";
import { sleep, toleranceMs, until } from "../../test-kit/waiting.js";
import { UsageError } from "../../util/errors.js";
import { untilAborted } from "../../util/signals.js";
import { ElectionError, type HeldLock, type LockOptions, type Locks } from "../index.js";

/** The locks of one process, with its own connection to the servers. */
export interface LockUser extends Cuttable {
  readonly locks: Locks;
}

/** What {@link heldLockSuite} needs of a backend. */
export interface LocksBackend {
  /** A TTL short enough to wait for, in ms. */
  readonly ttlMs: number;
  /** How late the server may be with an expiry, in ms. */
  readonly expiryLatenessMs: number;
  start(): Promise<void>;
  stop(): Promise<void>;
  /** Ended with the test. */
  user(t: TestContext): Promise<LockUser>;
  /** The keys that are stored for a lock; for etcd also its directory. */
  stored(key: string): Promise<readonly string[]>;
  /** Removes all entries without their owners' knowledge. */
  removeEntries(key: string): Promise<void>;
}

/** No test waits this long for an expiry: a lock that is acquired earlier did not need one. In ms. */
const longMs = 60_000;

/** The tests of locks and semaphores that every backend passes. */
export function heldLockSuite(name: string, backend: LocksBackend): void {
  const title = (text: string): string => `locks: ${text} (${name})`;
  const long: LockOptions = { ttlMs: longMs };

  /** Acquires, and releases at the end of the test. */
  async function held(t: TestContext, waiting: Promise<HeldLock | undefined>): Promise<HeldLock> {
    const lock = (await waiting) ?? assert.fail("the lock is free");
    t.after(() => lock.release());
    return lock;
  }

  /** How many wait for a lock or hold it. */
  async function entries(key: string): Promise<number> {
    return (await backend.stored(key)).filter((each) => each.includes(`${key.slice(1)}/`)).length;
  }

  function tookAtMost(startedMs: number, ms: number, what: string): void {
    const tookMs = performance.now() - startedMs;
    assert.ok(tookMs < ms, `${what} took ${String(tookMs)} ms`);
  }

  describe(`locks (${name})`, { concurrency: true }, () => {
    before(() => backend.start());
    after(() => backend.stop());

    test(title("one holder at a time; tryAcquire gives up where acquire waits"), async (t) => {
      const key = newKey();
      const [a, b] = [await backend.user(t), await backend.user(t)];
      const first = await held(t, a.locks.acquire(key, { ...long, holder: "a" }));
      assert.equal(first.key, key);
      assert.equal(first.signal.aborted, false);
      assert.equal(await b.locks.tryAcquire(key, long), undefined);
      assert.equal(await entries(key), 1);
      const waiting = b.locks.acquire(key, long);
      const startedMs = performance.now();
      assert.equal(await first.release(), true);
      const second = await held(t, waiting);
      tookAtMost(startedMs, longMs / 2, "a release");
      assert.ok(Number(second.fencingToken) > Number(first.fencingToken));
      assert.ok(first.signal.reason instanceof ElectionError);
      assert.equal(first.signal.reason.code, "ERR_RESIGNED");
      assert.equal(await first.release(), true, "once is enough");
      await second[Symbol.asyncDispose]();
      assert.equal(second.signal.aborted, true);
      const third = await held(t, a.locks.tryAcquire(key, long));
      assert.ok(Number(third.fencingToken) > Number(second.fencingToken));
      await third.release();
      assert.deepEqual(await backend.stored(key), [], "nothing is left behind");
    });

    test(title("first come, first served"), async (t) => {
      const key = newKey();
      const users = await Promise.all(Array.from({ length: 3 }, () => backend.user(t)));
      const first = await held(t, users[0]?.locks.acquire(key, long) ?? assert.fail());
      const order: number[] = [];
      const waiting: Promise<void>[] = [];
      for (let i = 0; i < 9; i++) {
        const user = users[i % users.length] ?? assert.fail();
        waiting.push(
          user.locks.acquire(key, long).then(async (lock) => {
            order.push(i);
            await lock.release();
          }),
        );
        await until("it is in the queue", async () => (await entries(key)) >= i + 2);
      }
      await first.release();
      await Promise.all(waiting);
      assert.deepEqual(order, [0, 1, 2, 3, 4, 5, 6, 7, 8]);
    });

    test(title("an abort ends the wait, leaves no entry, and has no effect on a held lock"), async (t) => {
      const key = newKey();
      const user = await backend.user(t);
      const reason = new Error("enough");
      await assert.rejects(
        user.locks.acquire(key, { ...long, signal: AbortSignal.abort(reason) }),
        (error) => error === reason,
      );
      assert.deepEqual(await backend.stored(key), [], "nothing was sent");
      const stop = new AbortController();
      const first = await held(t, user.locks.acquire(key, { ...long, signal: stop.signal }));
      const given = new AbortController();
      const waiting = user.locks.acquire(key, { ...long, signal: given.signal });
      const next = user.locks.acquire(key, long);
      await until("both wait", async () => (await entries(key)) >= 3);
      given.abort(reason);
      await assert.rejects(waiting, (error) => error === reason);
      stop.abort(reason);
      assert.equal(first.signal.aborted, false);
      await first.release();
      await (await held(t, next)).release();
      assert.deepEqual(await backend.stored(key), []);
    });

    test(title("after an abort at any moment of acquiring, a rival gets the lock at once (FF3)"), async (t) => {
      const slowMs = 100;
      await Promise.all(
        Array.from({ length: 10 }, async (_, i) => {
          const key = newKey();
          const [a, b] = [await backend.user(t), await backend.user(t)];
          a.slow(slowMs);
          const stop = new AbortController();
          const outcome = settled(a.locks.acquire(key, { ...long, signal: stop.signal }));
          await sleep(i * 50);
          stop.abort(new Error("enough"));
          const lock = await outcome;
          if (lock !== stop.signal.reason) await (lock as HeldLock).release();
          const startedMs = performance.now();
          const rival = await held(t, b.locks.acquire(key, long));
          tookAtMost(startedMs, longMs / 2, `after an abort at ${String(i * 50)} ms`);
          await sleep(slowMs * 2);
          assert.equal(rival.signal.aborted, false);
          assert.equal(await rival.release(), true);
          assert.deepEqual(await backend.stored(key), []);
        }),
      );
    });

    test(title("a lock that is removed at the server is lost, and is not acquired again"), async (t) => {
      const key = newKey();
      const user = await backend.user(t);
      const lock = await held(t, user.locks.acquire(key, long));
      await backend.removeEntries(key);
      await untilAborted(lock.signal);
      assert.ok(lock.signal.reason instanceof ElectionError);
      assert.equal(lock.signal.reason.code, "ERR_LOST");
      assert.equal(await lock.release(), false);
      await sleep(200);
      assert.deepEqual(await backend.stored(key), []);
    });

    test(title("a waiter whose entry is removed at the server queues up again"), async (t) => {
      const key = newKey();
      const user = await backend.user(t);
      const first = await held(t, user.locks.acquire(key, { ttlMs: backend.ttlMs }));
      const waiting = user.locks.acquire(key, { ttlMs: backend.ttlMs });
      await until("it waits", async () => (await entries(key)) >= 2);
      await backend.removeEntries(key);
      await untilAborted(first.signal);
      const second = await held(t, waiting);
      assert.ok(Number(second.fencingToken) > Number(first.fencingToken));
    });

    test(
      title(
        "if the servers cannot be reached, the lock is lost before its TTL ends, and the next waiter gets it afterwards",
      ),
      async (t) => {
        const key = newKey();
        const [a, b] = [await backend.user(t), await backend.user(t)];
        const { ttlMs } = backend;
        const first = await held(t, a.locks.acquire(key, { ttlMs, marginMs: 500 }));
        const waiting = b.locks.acquire(key, { ttlMs });
        await until("it waits", async () => (await entries(key)) >= 2);
        using stalls = new Stalls();
        const cutMs = performance.now();
        a.cut("hang");
        await untilAborted(first.signal);
        const lostMs = performance.now();
        assert.ok(lostMs - cutMs - stalls.worstMs <= ttlMs, `lost after ${String(lostMs - cutMs)} ms`);
        assert.ok(first.signal.reason instanceof ElectionError);
        assert.equal(first.signal.reason.code, "ERR_EXPIRED");
        const second = await held(t, waiting);
        assert.ok(performance.now() >= lostMs);
        tookAtMost(cutMs, ttlMs + backend.expiryLatenessMs + toleranceMs() + 2_000, "the succession");
        assert.ok(Number(second.fencingToken) > Number(first.fencingToken));
        a.heal();
        assert.equal(await first.release(), false);
        assert.equal(second.signal.aborted, false);
      },
    );

    test(title("during an outage acquire waits, and tryAcquire rejects"), async (t) => {
      const key = newKey();
      const user = await backend.user(t);
      user.cut("refuse");
      await assert.rejects(user.locks.tryAcquire(key, long));
      const waiting = user.locks.acquire(key, long);
      await sleep(300);
      user.heal();
      await (await held(t, waiting)).release();
    });

    test(title("a semaphore has as many holders as its limit, in the order of their arrival"), async (t) => {
      const key = newKey();
      const users = await Promise.all([backend.user(t), backend.user(t)]);
      const pools = users.map(({ locks }) => locks.semaphore(key, { limit: 3 }));
      const [pool, other] = [pools[0] ?? assert.fail(), pools[1] ?? assert.fail()];
      const slots = [
        await held(t, pool.acquire(long)),
        await held(t, other.acquire(long)),
        await held(t, pool.tryAcquire(long)),
      ];
      assert.equal(await other.tryAcquire(long), undefined);
      assert.equal(new Set(slots.map(({ fencingToken }) => fencingToken)).size, 3);
      let got = 0;
      const fourth = other.acquire(long).then((lock) => (got++, lock));
      await until("it waits", async () => (await entries(key)) >= 4);
      await sleep(300);
      assert.equal(got, 0);
      await slots[1]?.release();
      await (await held(t, fourth)).release();
      await held(t, other.tryAcquire(long));
    });

    test(
      title("a process that uses a semaphore with another limit is refused; the others are not affected"),
      async (t) => {
        const key = newKey();
        const user = await backend.user(t);
        const pool = user.locks.semaphore(key, { limit: 2 });
        const slot = await held(t, pool.acquire(long));
        for (const wrong of [
          () => user.locks.semaphore(key, { limit: 3 }).acquire(long),
          () => user.locks.semaphore(key, { limit: 1 }).tryAcquire(long),
          () => user.locks.acquire(key, long),
          () => user.locks.tryAcquire(key, long),
        ]) {
          await assert.rejects(wrong, (error) => error instanceof UsageError && error.message.includes("limit 2, not"));
        }
        const second = await held(t, pool.tryAcquire(long));
        assert.equal(slot.signal.aborted, false);
        await slot.release();
        await second.release();
        assert.deepEqual(await backend.stored(key), []);
        await (await held(t, user.locks.acquire(key, long))).release();
      },
    );

    test(title("bad arguments are refused before any I/O"), async (t) => {
      const user = await backend.user(t);
      user.cut("hang");
      const wrong = (value: unknown): never => value as never;
      for (const call of [
        () => user.locks.acquire(wrong(undefined)),
        () => user.locks.acquire(""),
        () => user.locks.acquire("a/../b"),
        () => user.locks.acquire("k", { ttlMs: 0 }),
        () => user.locks.acquire("k", { ttlMs: 20_000, marginMs: 10_001 }),
        () => user.locks.tryAcquire("k", wrong({ ttl: 5 })),
        () => user.locks.tryAcquire("k", wrong(null)),
        () => user.locks.acquire("k", { holder: wrong(5) }),
        () => user.locks.acquire("k", { signal: wrong({}) }),
      ]) {
        await assert.rejects(call(), UsageError, String(call));
      }
      for (const limit of [0, -1, 1.5, NaN, Infinity, wrong("3"), wrong(undefined)]) {
        assert.throws(() => user.locks.semaphore("k", { limit }), UsageError);
      }
      assert.throws(() => user.locks.semaphore("k", wrong(undefined)), UsageError);
    });
  });
}
