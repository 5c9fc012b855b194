import assert from "node:assert/strict";
import { AsyncLocalStorage } from "node:async_hooks";
import test from "node:test";
import { gate } from "../test-kit/scripted-cluster.js";
import { Turns } from "./turns.js";

test("turns: never more than so many at once, in the order in which they came", async () => {
  const turns = new Turns(2);
  const gates = Array.from({ length: 5 }, gate);
  const begun: number[] = [];
  const all = gates.map(({ opened }, i) =>
    turns.run(async () => {
      begun.push(i);
      await opened;
      return i;
    }),
  );
  assert.deepEqual(begun, [0, 1]);
  for (const [i, { open }] of gates.entries()) {
    open();
    assert.equal(await all[i], i);
    await new Promise(setImmediate);
    assert.equal(begun.length, Math.min(i + 3, 5));
  }
  assert.deepEqual(begun, [0, 1, 2, 3, 4]);
});

test("turns: one that fails, at once or later, passes its turn on", async () => {
  const turns = new Turns(1);
  const fails = [
    turns.run(() => {
      throw new Error("at once");
    }),
    turns.run(() => Promise.reject(new Error("later"))),
  ];
  const last = turns.run(() => Promise.resolve("done"));
  assert.deepEqual(
    (await Promise.allSettled(fails)).map(({ status }) => status),
    ["rejected", "rejected"],
  );
  assert.equal(await last, "done");
});

test("turns: after a rush, as many as before run at once", async () => {
  const turns = new Turns(3);
  await Promise.all(Array.from({ length: 1_000 }, () => turns.run(() => Promise.resolve())));
  const { opened, open } = gate();
  let running = 0;
  const all = Array.from({ length: 4 }, () =>
    turns.run(async () => {
      running++;
      await opened;
    }),
  );
  assert.equal(running, 3);
  open();
  await Promise.all(all);
  assert.equal(running, 4);
});

test("turns: without a limit nobody waits", async () => {
  const turns = new Turns(Infinity);
  const { opened, open } = gate();
  let running = 0;
  const all = Array.from({ length: 1_000 }, () =>
    turns.run(() => {
      running++;
      return opened;
    }),
  );
  assert.equal(running, 1_000);
  open();
  await Promise.all(all);
});

test("turns: who has waited goes on in his own context", async () => {
  const turns = new Turns(1);
  const context = new AsyncLocalStorage<number>();
  const seen = await Promise.all(
    [1, 2, 3].map((i) =>
      context.run(i, () =>
        turns.run(async () => {
          await new Promise(setImmediate);
          return context.getStore();
        }),
      ),
    ),
  );
  assert.deepEqual(seen, [1, 2, 3]);
});
