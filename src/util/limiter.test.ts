import assert from "node:assert/strict";
import { AsyncLocalStorage } from "node:async_hooks";
import { getEventListeners } from "node:events";
import test from "node:test";
import fc from "fast-check";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { gate, settled } from "../test-kit/scripted-cluster.js";
import { until } from "../test-kit/waiting.js";
import { Limiter } from "./limiter.js";

const never = new AbortController().signal;

test("limiter: at most the given number of calls run at once, in the order in which they were made", async () => {
  const limiter = new Limiter(2);
  const gates = Array.from({ length: 5 }, gate);
  const begun: number[] = [];
  const all = gates.map(({ opened }, i) =>
    limiter.run(async () => {
      begun.push(i);
      await opened;
      return i;
    }, never),
  );
  await until("two have begun", () => begun.length === 2);
  for (const [i, { open }] of gates.entries()) {
    open();
    assert.equal(await all[i], i);
    await until("the next one has begun", () => begun.length === Math.min(i + 3, 5));
  }
  assert.deepEqual(begun, [0, 1, 2, 3, 4]);
});

test("limiter: a call that throws or rejects frees its slot", async () => {
  const limiter = new Limiter(1);
  const fails = [
    limiter.run(() => {
      throw new Error("at once");
    }, never),
    limiter.run(() => Promise.reject(new Error("later")), never),
  ];
  const last = limiter.run(() => Promise.resolve("done"), never);
  assert.deepEqual(
    (await Promise.allSettled(fails)).map(({ status }) => status),
    ["rejected", "rejected"],
  );
  assert.equal(await last, "done");
});

test("limiter: a call that finds a free slot begins at once", async () => {
  const limiter = new Limiter(3);
  const { opened, open } = gate();
  let running = 0;
  const begin = (): Promise<void> => {
    running++;
    return opened;
  };
  const all = [limiter.run(begin, never), limiter.run(begin, never)];
  assert.equal(running, 2);
  open();
  await Promise.all(all);
});

test("limiter: whatever calls come and go, no more than the limit run, they begin in order, and all of them end", async () => {
  const turns = fc.array(fc.record({ before: fc.nat(2), during: fc.nat(6), fails: fc.boolean() }), { maxLength: 30 });
  await fc.assert(
    fc.asyncProperty(fc.integer({ min: 1, max: 4 }), turns, async (max, calls) => {
      const limiter = new Limiter(max);
      const begun: number[] = [];
      let running = 0;
      const all: Promise<void>[] = [];
      for (const [i, { before, during, fails }] of calls.entries()) {
        await ticks(before);
        const run = limiter.run(async () => {
          begun.push(i);
          assert.ok(++running <= max);
          await ticks(during);
          running--;
          if (fails) throw new Error("on purpose");
        }, never);
        all.push(
          run.catch((error: unknown) => {
            if (error instanceof assert.AssertionError) throw error;
          }),
        );
      }
      await Promise.all(all);
      assert.deepEqual(begun, [...calls.keys()]);
    }),
  );
});

async function ticks(count: number): Promise<void> {
  for (let i = 0; i < count; i++) await new Promise(setImmediate);
}

test("limiter: a slot that was entered counts like a call, and a waiting call gets it when it is left", async () => {
  const limiter = new Limiter(2);
  assert.ok(limiter.enter());
  const first = gate();
  const running = limiter.run(() => first.opened, never);
  let began = false;
  const waiting = limiter.run(() => Promise.resolve((began = true)), never);
  await ticks(2);
  assert.equal(limiter.enter(), false);
  assert.equal(began, false);
  limiter.leave();
  assert.equal(await waiting, true);
  first.open();
  await running;
  await until("a slot is free", () => limiter.enter());
});

test("limiter: without a limit no call waits", async () => {
  const limiter = new Limiter(Infinity);
  const { opened, open } = gate();
  let running = 0;
  const all = Array.from({ length: 1_000 }, () =>
    limiter.run(() => {
      running++;
      return opened;
    }, never),
  );
  await until("all of them run", () => running === 1_000);
  open();
  await Promise.all(all);
});

test("limiter: a queued call resumes in its own async context", async () => {
  const limiter = new Limiter(1);
  const context = new AsyncLocalStorage<number>();
  const seen = await Promise.all(
    [1, 2, 3].map((i) =>
      context.run(i, () =>
        limiter.run(async () => {
          await new Promise(setImmediate);
          return context.getStore();
        }, never),
      ),
    ),
  );
  assert.deepEqual(seen, [1, 2, 3]);
});

test("limiter: a call that is aborted while it waits rejects at once, never runs, and leaves no listener", async () => {
  const limiter = new Limiter(1);
  const [first, abort, reason] = [gate(), new AbortController(), new Error("enough")];
  const running = limiter.run(() => first.opened, never);
  let ran = false;
  const waiting = limiter.run(() => {
    ran = true;
    return Promise.resolve();
  }, abort.signal);
  const behind = limiter.run(() => Promise.resolve("behind"), never);
  await until("it waits", () => getEventListeners(abort.signal, "abort").length > 0);
  abort.abort(reason);
  assert.equal(await settled(waiting), reason);
  first.open();
  await running;
  assert.equal(await behind, "behind");
  assert.equal(ran, false);
  assert.equal(getEventListeners(abort.signal, "abort").length, 0);
});

test("limiter: what an aborted call would have sent is not kept in the queue", async () => {
  setFlagsFromString("--expose-gc");
  const collect = runInNewContext("gc") as () => void;
  const limiter = new Limiter(1);
  const [first, abort] = [gate(), new AbortController()];
  const running = limiter.run(() => first.opened, never);
  const [ref, waiting] = (() => {
    const body = { text: "x".repeat(1_000) };
    return [new WeakRef(body), limiter.run(() => Promise.resolve(body.text), abort.signal)] as const;
  })();
  abort.abort(new Error("enough"));
  await settled(waiting);
  await until("the body is collected, although the queue does not move", () => {
    collect();
    return ref.deref() === undefined;
  });
  first.open();
  await running;
});
