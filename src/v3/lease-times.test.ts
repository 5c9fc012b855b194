import assert from "node:assert/strict";
import test from "node:test";
import { LeaseTimes } from "./lease-times.js";

test("lease times: what is left counts from the last renewal that was sent, rounded up to whole seconds", () => {
  let nowMs = 1_000;
  const times = new LeaseTimes(() => nowMs);
  assert.equal(times.left("7"), undefined, "never renewed");
  times.renewed("7", 10, nowMs);
  assert.equal(times.left("7"), 10);
  nowMs += 2_500;
  assert.equal(times.left("7"), 8);
  times.renewed("7", 10, nowMs - 1_000);
  assert.equal(times.left("7"), 9);
});

test("lease times: a lease that would be over is not known: others may have renewed it", () => {
  let nowMs = 0;
  const times = new LeaseTimes(() => nowMs);
  times.renewed("7", 2, 0);
  nowMs = 1_999;
  assert.equal(times.left("7"), 1);
  nowMs = 2_000;
  assert.equal(times.left("7"), undefined);
});

test("lease times: the leases renewed longest ago are forgotten first", () => {
  const times = new LeaseTimes(() => 0);
  for (let i = 0; i < 10_000; i++) times.renewed(String(i), 60, 0);
  times.renewed("0", 60, 0);
  times.renewed("new", 60, 0);
  assert.deepEqual([times.left("0"), times.left("1"), times.left("2"), times.left("new")], [60, undefined, 60, 60]);
});
