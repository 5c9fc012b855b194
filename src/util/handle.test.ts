import assert from "node:assert/strict";
import { getEventListeners } from "node:events";
import test from "node:test";
import { deferred } from "./deferred.js";
import { UsageError } from "./errors.js";
import { Handle, type Running } from "./handle.js";
import { rejectWhenAborted } from "./signals.js";

const failure = new Error("broken");
const isClosed = { name: "UsageError", code: "ERR_CLOSED", message: "the loop is closed" };

/** A loop that does nothing until it is aborted. */
function idle({ signal }: { readonly signal: AbortSignal }): Promise<never> {
  return rejectWhenAborted(signal);
}

test("handle: the loop starts only after the owner has its handle", async () => {
  const seen: string[] = [];
  const handle = new Handle("the loop", {
    run: (running) => {
      seen.push("run");
      return idle(running);
    },
  });
  seen.push("owned");
  await Promise.resolve();
  await Promise.resolve();
  assert.deepEqual(seen, ["owned", "run"]);
  await handle.close();
});

test("handle: ready resolves to what the loop reports, and stays so", async () => {
  const handle = new Handle<number>("the loop", {
    run: (running) => {
      running.ready(1);
      running.ready(2);
      return idle(running);
    },
  });
  assert.equal(await handle.ready, 1);
  assert.equal(handle.signal.aborted, false);
  await handle.close();
  assert.equal(await handle.ready, 1);
  assert.equal(await handle.closed, undefined);
});

test("handle: close ends the loop, waits for it, and is idempotent", async () => {
  const windDown = deferred<undefined>();
  let over = false;
  const handle = new Handle("the loop", {
    run: async (running) => {
      await idle(running).catch(() => windDown.promise);
      over = true;
    },
  });
  await Promise.resolve();
  const closing = Promise.all([handle.close(), handle.close()]);
  await assert.rejects(handle.ready, isClosed);
  assert.equal(over, false);
  windDown.resolve(undefined);
  await closing;
  assert.equal(over, true);
  await handle.close();
  assert.ok(handle.signal.reason instanceof UsageError);
});

test("handle: closed at once, or with a signal that has aborted, it never runs", async () => {
  const reason = new Error("not now");
  let runs = 0;
  const run = (): Promise<void> => {
    runs++;
    return Promise.resolve();
  };
  const closed = new Handle("the loop", { run });
  await closed.close();
  await assert.rejects(closed.ready, isClosed);
  const aborted = new Handle("the loop", { signal: AbortSignal.abort(reason), run });
  assert.equal(await aborted.closed, undefined);
  await assert.rejects(aborted.ready, (error) => error === reason);
  assert.equal(runs, 0);
});

test("handle: the owner's signal ends it; ready rejects with the reason, closed resolves to undefined", async () => {
  const controller = new AbortController();
  const reason = new Error("enough");
  const handle = new Handle("the loop", { signal: controller.signal, run: idle });
  await Promise.resolve();
  assert.equal(getEventListeners(controller.signal, "abort").length, 1);
  controller.abort(reason);
  await assert.rejects(handle.ready, (error) => error === reason);
  assert.equal(await handle.closed, undefined);
  assert.equal(getEventListeners(controller.signal, "abort").length, 0);
});

test("handle: no listener stays on the owner's signal, however it ends", async () => {
  const { signal } = new AbortController();
  const closed = new Handle("the loop", { signal, run: idle });
  await closed.close();
  await new Handle("the loop", { signal, run: () => Promise.reject(failure) }).closed;
  await new Handle("the loop", { signal, run: () => Promise.resolve() }).closed;
  assert.equal(getEventListeners(signal, "abort").length, 0);
});

test("handle: ready and closed report a failure of the loop", async () => {
  const handle = new Handle("the loop", { run: () => Promise.reject(failure) });
  assert.equal(await handle.closed, failure);
  await assert.rejects(handle.ready, (error) => error === failure);
  assert.equal(handle.signal.reason, failure);
  await handle.close();
});

test("handle: a failure from outside ends the loop; after the end it is ignored", async () => {
  const running = deferred<Running<void>>();
  const handle = new Handle("the loop", {
    run: (given) => {
      running.resolve(given);
      return idle(given);
    },
  });
  const { fail } = await running.promise;
  fail(failure);
  fail(new Error("too late"));
  assert.equal(await handle.closed, failure);
  fail(new Error("too late"));
  assert.equal(handle.signal.reason, failure);
});

test("handle: a loop that returns ends its handle; ready rejects if the loop never reported it", async () => {
  const handle = new Handle("the loop", { run: () => Promise.resolve() });
  assert.equal(await handle.closed, undefined);
  await assert.rejects(handle.ready, isClosed);
  assert.equal(handle.signal.aborted, true);
});

test("handle: release runs last, whatever ended it, and its failure is reported unless the loop failed", async () => {
  const bad = new Error("could not clean up");
  const released: boolean[] = [];
  const release = (): Promise<never> => {
    released.push(true);
    return Promise.reject(bad);
  };
  const closed = new Handle("the loop", { run: idle, release });
  await closed.close();
  assert.equal(await closed.closed, bad);
  assert.equal(await new Handle("the loop", { run: () => Promise.reject(failure), release }).closed, failure);
  const neverRan = new Handle("the loop", { signal: AbortSignal.abort(), run: idle, release });
  assert.equal(await neverRan.closed, bad);
  assert.equal(released.length, 3);
});

test("handle: ready rejects as soon as it ends, not only when everything is cleaned up", async () => {
  const cleanUp = deferred<undefined>();
  const handle = new Handle("the loop", { run: idle, release: () => cleanUp.promise });
  const closing = handle.close();
  await assert.rejects(handle.ready, isClosed);
  cleanUp.resolve(undefined);
  await closing;
});

test("handle: await using closes it", async () => {
  let closed: Promise<unknown>;
  {
    await using handle = new Handle("the loop", { run: idle });
    closed = handle.closed;
  }
  assert.equal(await closed, undefined);
});
