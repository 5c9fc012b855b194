import assert from "node:assert/strict";
import { getEventListeners } from "node:events";
import test from "node:test";
import { Backoff } from "./backoff.js";
import { ClusterError, ResponseError, UsageError } from "./errors.js";
import { retry } from "./retry.js";
import { StalledWarning } from "./stalled-warning.js";

const outage = new ClusterError("ERR_CLUSTER_UNAVAILABLE");

/** Fails the given number of times, then succeeds. */
function attemptsOf(failures: number, error: unknown = outage): { readonly run: () => Promise<string>; count: number } {
  const attempts = {
    count: 0,
    run: (): Promise<string> => (attempts.count++ < failures ? Promise.reject(error) : Promise.resolve("done")),
  };
  return attempts;
}

test("retry: transient failures are retried with growing pauses, and each is reported", async () => {
  const attempts = attemptsOf(4);
  const told: (readonly [unknown, number])[] = [];
  const beganMs = performance.now();
  const result = await retry(attempts.run, {
    signal: undefined,
    backoff: new Backoff(8, 64),
    onFailure: (error, pauseMs) => told.push([error, pauseMs]),
  });
  assert.equal(result, "done");
  assert.equal(attempts.count, 5);
  assert.ok(told.every(([error]) => error === outage));
  for (const [i, [, pauseMs]] of told.entries()) assert.ok(pauseMs > 4 * 2 ** i && pauseMs <= 8 * 2 ** i);
  // timers may fire a millisecond early
  assert.ok(performance.now() - beganMs > told.reduce((sum, [, pauseMs]) => sum + pauseMs - 2, 0));
});

test("retry: a success resets the pauses", async () => {
  const backoff = new Backoff(1, 1_000_000);
  await retry(attemptsOf(3).run, { signal: undefined, backoff });
  assert.ok(backoff.next() <= 1);
});

for (const error of [new TypeError("a bug"), new UsageError("ERR_CLOSED", "closed"), "a string"]) {
  test(`retry: ${String(error)} rejects at once (FF19)`, async () => {
    const attempts = attemptsOf(1, error);
    await assert.rejects(
      retry(attempts.run, { signal: undefined, backoff: new Backoff(1, 1) }),
      (rejected) => rejected === error,
    );
    assert.equal(attempts.count, 1);
  });
}

test("retry: an attempt that throws synchronously counts as failed", async () => {
  const failure = new TypeError("a bug");
  const attempt = (): Promise<never> => {
    throw failure;
  };
  await assert.rejects(retry(attempt, { signal: undefined, backoff: new Backoff(1, 1) }), (error) => error === failure);
});

test("retry: the caller decides what is transient", async () => {
  const attempts = attemptsOf(2, "weird");
  const isTransient = (error: unknown): boolean => error === "weird";
  assert.equal(await retry(attempts.run, { signal: undefined, backoff: new Backoff(1, 1), isTransient }), "done");
});

test("retry: Retry-After lengthens the pause, with jitter (FF7)", async () => {
  const told: number[] = [];
  const limited = new ResponseError("ERR_STATUS", "x", { status: 429, outcome: "notApplied", retryAfterMs: 100 });
  const onFailure = (_error: unknown, pauseMs: number): unknown => told.push(pauseMs);
  await retry(attemptsOf(1, limited).run, { signal: undefined, backoff: new Backoff(1, 1), onFailure });
  const [pauseMs = 0] = told;
  assert.ok(pauseMs >= 100 && pauseMs <= 110);
});

test("retry: an abort ends the pause, and a failing attempt, with the signal's reason", async () => {
  const reason = new Error("enough");
  const duringPause = new AbortController();
  const pause = retry(attemptsOf(1).run, {
    signal: duringPause.signal,
    backoff: new Backoff(600_000, 600_000),
    onFailure: () => {
      setImmediate(() => {
        duringPause.abort(reason);
      });
    },
  });
  await assert.rejects(pause, (error) => error === reason);
  assert.equal(getEventListeners(duringPause.signal, "abort").length, 0);
  const duringAttempt = new AbortController();
  const attempt = (): Promise<never> => {
    duringAttempt.abort(reason);
    return Promise.reject(outage);
  };
  await assert.rejects(
    retry(attempt, { signal: duringAttempt.signal, backoff: new Backoff(1, 1) }),
    (error) => error === reason,
  );
});

test("retry: aborted beforehand, nothing is attempted", async () => {
  const reason = new Error("not now");
  const attempts = attemptsOf(0);
  await assert.rejects(
    retry(attempts.run, { signal: AbortSignal.abort(reason), backoff: new Backoff(1, 1) }),
    (error) => error === reason,
  );
  assert.equal(attempts.count, 0);
});

test("retry: the stalled warning is notified of failures and of the end", async (t) => {
  const stalled = new StalledWarning({ owner: {}, what: "x", hint: "y", isHeard: false });
  const calls: string[] = [];
  t.mock.method(stalled, "failed", () => calls.push("failed"));
  t.mock.method(stalled, "end", () => calls.push("end"));
  await retry(attemptsOf(2).run, { signal: undefined, backoff: new Backoff(1, 1), stalled });
  assert.deepEqual(calls, ["failed", "failed", "end"]);
});
