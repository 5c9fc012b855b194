import assert from "node:assert/strict";
import test from "node:test";
import { forEachInSlices, inSlices } from "./slices.js";

/** Work that takes a few ms. */
function busy(): void {
  const endMs = performance.now() + 6;
  while (performance.now() < endMs);
}

test("slices: timers run while long work goes on", async () => {
  let steps = 0;
  let turns = 0;
  let ended = false;
  const turn = (): void => {
    turns++;
    if (!ended) setImmediate(turn);
  };
  setImmediate(turn);
  await inSlices(() => {
    busy();
    return ++steps < 5;
  });
  ended = true;
  assert.equal(steps, 5);
  assert.ok(turns >= 4, String(turns));
});

test("slices: short work is done at once, without a turn of the event loop", async () => {
  let turns = 0;
  const immediate = setImmediate(() => turns++);
  const items: number[] = [];
  await forEachInSlices([1, 2, 3], (item) => items.push(item));
  clearImmediate(immediate);
  assert.deepEqual(items, [1, 2, 3]);
  assert.equal(turns, 0);
});

test("slices: every item of a long list is handed out once, in order", async () => {
  const items = Array.from({ length: 10_000 }, (_, i) => i);
  const seen: number[] = [];
  await forEachInSlices(items, (item) => seen.push(item));
  assert.deepEqual(seen, items);
});

test("slices: an abort ends the work with the signal's reason; what a step throws rejects", async () => {
  const abort = new AbortController();
  let steps = 0;
  const work = inSlices(() => {
    busy();
    if (++steps === 2) abort.abort("over");
    return true;
  }, abort.signal);
  await assert.rejects(work, (reason) => reason === "over");
  assert.equal(steps, 2);
  const bad = new Error("bad");
  await assert.rejects(
    forEachInSlices([1], () => {
      throw bad;
    }),
    (error) => error === bad,
  );
});
