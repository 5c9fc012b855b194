import assert from "node:assert/strict";
import { test } from "node:test";
import { until } from "../test-kit/waiting.js";
import { Deadline } from "./deadline.js";

const late = new Error("too late");

test("deadline: aborts at its time, not before", async () => {
  const far = new Deadline(performance.now() + 60_000, () => late);
  assert.equal(far.signal.aborted, false);
  far.signal.throwIfAborted();
  far.abort(late);
  const atMs = performance.now() + 30;
  const { signal } = new Deadline(atMs, () => late);
  await new Promise((resolve) => {
    signal.addEventListener("abort", resolve);
  });
  assert.ok(performance.now() >= atMs);
  assert.equal(signal.reason, late);
});

test("deadline: aborted looks at the clock before the timer can fire, and aborts the signal", () => {
  const atMs = performance.now() + 5;
  const { signal } = new Deadline(atMs, () => late);
  const heard: unknown[] = [];
  signal.addEventListener("abort", () => heard.push(signal.reason));
  while (performance.now() < atMs) void 0;
  assert.deepEqual(heard, []);
  assert.equal(signal.aborted, true);
  assert.deepEqual(heard, [late]);
  assert.throws(() => {
    signal.throwIfAborted();
  }, late);
});

test("deadline: throwIfAborted, AbortSignal.any (up to Node 24) and fetch look at the clock, too", async () => {
  const first = new Deadline(performance.now() + 5, () => late);
  const second = new Deadline(performance.now() + 5, () => late);
  const third = new Deadline(performance.now() + 5, () => late);
  const end = performance.now() + 6;
  while (performance.now() < end) void 0;
  assert.throws(() => {
    first.signal.throwIfAborted();
  }, late);
  await assert.rejects(fetch("http://127.0.0.1:1", { signal: second.signal }), late);
  const combined = AbortSignal.any([third.signal]);
  // later versions read the state behind "aborted", which the timer changes
  if (Number.parseInt(process.versions.node) > 24) await until("the timer has run", () => combined.aborted);
  assert.equal(combined.aborted, true);
  assert.equal(combined.reason, late);
});

test("deadline: can be moved both ways until it has aborted", async () => {
  const deadline = new Deadline(performance.now() + 10_000, () => late);
  const atMs = performance.now() + 20;
  deadline.moveTo(atMs);
  await new Promise((resolve) => {
    deadline.signal.addEventListener("abort", resolve);
  });
  deadline.moveTo(performance.now() + 10_000);
  assert.equal(deadline.signal.aborted, true);
});

test("deadline: abort() gives it another reason and leaves no timer", () => {
  const deadline = new Deadline(performance.now() + 60_000, () => late);
  const reason = new Error("enough");
  deadline.abort(reason);
  deadline.abort(late);
  assert.equal(deadline.signal.aborted, true);
  assert.equal(deadline.signal.reason, reason);
});
