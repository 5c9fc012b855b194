import assert from "node:assert/strict";
import test from "node:test";
import { setImmediate as nextTurn } from "node:timers/promises";
import { until } from "../test-kit/waiting.js";
import { whenSilent } from "./silence-timer.js";

test("silence timer: it fires once, after its time, and not once it is stopped", async () => {
  let [fired, stopped] = [0, 0];
  const startMs = performance.now();
  whenSilent(600, () => fired++);
  whenSilent(300, () => stopped++)();
  await until("it fires", () => fired > 0);
  assert.ok(performance.now() - startMs >= 590);
  assert.deepEqual([fired, stopped], [1, 0]);
});

test("silence timer: time in which the process was busy does not count, so that what arrived is read first (V51)", async () => {
  let fired = 0;
  whenSilent(600, () => fired++);
  const busyUntilMs = performance.now() + 1_000;
  while (performance.now() < busyUntilMs);
  await nextTurn();
  await nextTurn();
  assert.equal(fired, 0);
  await until("it fires", () => fired === 1);
});
