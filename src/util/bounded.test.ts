import assert from "node:assert/strict";
import { getEventListeners } from "node:events";
import test from "node:test";
import { bounded, settledWithin } from "./bounded.js";

const tooLate = new Error("too late");

function never(): Promise<never> {
  return new Promise(() => undefined);
}

/** How many timers keep the process alive. */
function timers(): number {
  return process.getActiveResourcesInfo().filter((kind) => kind === "Timeout").length;
}

test("bounded: settles as the call does, and leaves neither a timer nor a listener", async () => {
  const { signal } = new AbortController();
  const before = timers();
  const result = await bounded(
    1e6,
    signal,
    () => tooLate,
    (own) => Promise.resolve(own.aborted ? 1 : 2),
  );
  assert.equal(result, 2);
  const failure = new Error("broken");
  await assert.rejects(
    bounded(
      1e6,
      signal,
      () => tooLate,
      () => Promise.reject(failure),
    ),
    failure,
  );
  assert.equal(timers(), before);
  assert.equal(getEventListeners(signal, "abort").length, 0);
});

test("bounded: after its time it aborts the call and rejects, even if the call ignores its signal", async () => {
  let own: AbortSignal | undefined;
  const call = bounded(
    5,
    undefined,
    () => tooLate,
    (signal) => {
      own = signal;
      return never();
    },
  );
  await assert.rejects(call, tooLate);
  assert.equal(own?.reason, tooLate);
});

test("bounded: an abort of the parent ends it with that reason; aborted beforehand, nothing is called", async () => {
  const controller = new AbortController();
  const reason = new Error("enough");
  const call = bounded(1e6, controller.signal, () => tooLate, never);
  controller.abort(reason);
  await assert.rejects(call, reason);
  await assert.rejects(
    bounded(
      1e6,
      controller.signal,
      () => tooLate,
      () => assert.fail("called"),
    ),
    reason,
  );
});

test("bounded: Infinity means no limit", async () => {
  const before = timers();
  const controller = new AbortController();
  const call = bounded(Infinity, controller.signal, () => tooLate, never);
  assert.equal(timers(), before);
  await new Promise((resolve) => setTimeout(resolve, 20));
  controller.abort();
  await assert.rejects(call, { name: "AbortError" });
});

test("settledWithin: resolves with the promise, or when the time is over, and leaves no timer", async () => {
  const before = timers();
  await settledWithin(1e6, Promise.resolve());
  await settledWithin(5, never());
  assert.equal(timers(), before);
});
