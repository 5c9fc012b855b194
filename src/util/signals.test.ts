import assert from "node:assert/strict";
import { getEventListeners } from "node:events";
import test from "node:test";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import {
  abortable,
  limitTime,
  linkSignal,
  maxTimerMs,
  onAbort,
  rejectWhenAborted,
  sleep,
  throwIfAborted,
  untilAborted,
} from "./signals.js";

function listeners(signal: AbortSignal): number {
  return getEventListeners(signal, "abort").length;
}

const reason = new Error("the reason");

test("link: many links share one listener, which is removed with the last of them", () => {
  const { signal } = new AbortController();
  const links = Array.from({ length: 1_000 }, () => linkSignal(signal));
  assert.equal(listeners(signal), 1);
  const [first, middle, last] = [links[0], links[500], links[999]];
  for (const link of [middle, first, last, ...links.slice(2)]) {
    assert.equal(listeners(signal), 1);
    link?.unlink();
    link?.unlink();
  }
  assert.equal(listeners(signal), 1, "one is left");
  links[1]?.unlink();
  assert.equal(listeners(signal), 0);
});

test("link: a link made after the last one was removed follows its parent again", () => {
  const controller = new AbortController();
  linkSignal(controller.signal).unlink();
  const link = linkSignal(controller.signal);
  controller.abort(reason);
  assert.equal(link.signal.reason, reason);
});

test("link: an abort reaches the links that are still linked, and no others, with its reason", () => {
  const controller = new AbortController();
  const links = Array.from({ length: 5 }, () => linkSignal(controller.signal));
  for (const i of [0, 2, 4]) links[i]?.unlink();
  controller.abort(reason);
  assert.deepEqual(
    links.map(({ signal }) => signal.aborted),
    [false, true, false, true, false],
  );
  assert.equal(links[1]?.signal.reason, reason);
  for (const link of links) link.unlink();
  assert.equal(listeners(controller.signal), 0);
});

test("link: aborting one reaches neither its parent nor other links; the first reason stays", () => {
  const controller = new AbortController();
  const [one, other] = [linkSignal(controller.signal), linkSignal(controller.signal)];
  one.abort(reason);
  assert.deepEqual([one.signal.reason, other.signal.aborted, controller.signal.aborted], [reason, false, false]);
  controller.abort("later");
  assert.deepEqual([one.signal.reason, other.signal.reason], [reason, "later"]);
});

test("link: a link to an aborted signal is aborted, a link without parents is not; neither leaves a listener", () => {
  const aborted = AbortSignal.abort(reason);
  const link = linkSignal(aborted);
  assert.deepEqual([link.signal.reason, listeners(aborted)], [reason, 0]);
  link.unlink();
  const alone = linkSignal(undefined);
  alone.abort(reason);
  assert.equal(alone.signal.reason, reason);
  alone.unlink();
});

test("onAbort: calls back at once if aborted already, once on abort, never after its removal, also inside a callback", () => {
  const heard: unknown[] = [];
  onAbort(AbortSignal.abort("before"), (why) => heard.push(why));
  onAbort(undefined, () => heard.push("never"))();
  const controller = new AbortController();
  const offs = ["a", "b", "c"].map((name) =>
    onAbort(controller.signal, (why) => {
      heard.push(`${name} ${String(why)}`);
      for (const off of offs) off();
      onAbort(controller.signal, () => heard.push(`${name} again`));
    }),
  );
  offs[1]?.();
  controller.abort("now");
  assert.deepEqual(heard.slice(0, 1), ["before"]);
  assert.deepEqual(heard.slice(1).sort(), ["a again", "a now", "c again", "c now"]);
  assert.equal(listeners(controller.signal), 0);
});

test("abortable: settles as its promise does and leaves no listener", async () => {
  const { signal } = new AbortController();
  assert.equal(await abortable(Promise.resolve(5), signal), 5);
  await assert.rejects(abortable(Promise.reject(reason), signal), reason);
  assert.equal(listeners(signal), 0);
});

test("abortable: rejects with the reason at once; a later rejection of its promise is handled", async () => {
  const controller = new AbortController();
  let fail: (error: Error) => void = () => undefined;
  const late = new Promise<never>((_resolve, reject) => (fail = reject));
  const call = abortable(late, controller.signal);
  controller.abort(reason);
  await assert.rejects(call, reason);
  fail(new Error("late"));
  await assert.rejects(late, { message: "late" });
  await assert.rejects(abortable(new Promise(() => undefined), AbortSignal.abort(reason)), reason);
  assert.equal(listeners(controller.signal), 0);
});

for (const [asked, given] of [
  [1_000, 1_000],
  [Infinity, maxTimerMs],
] as const) {
  test(`sleep: ${String(asked)} ms is a timer of ${String(given)} ms; no listener stays when it fires`, async (t) => {
    const timers: { readonly ring: () => void; readonly ms: number | undefined }[] = [];
    t.mock.method(globalThis, "setTimeout", (ring: () => void, ms?: number) => timers.push({ ring, ms }));
    const { signal } = new AbortController();
    const nap = sleep(asked, signal);
    assert.deepEqual([timers.map(({ ms }) => ms), listeners(signal)], [[given], 1]);
    timers[0]?.ring();
    await nap;
    assert.equal(listeners(signal), 0);
  });
}

test("sleep: rejects with the reason and leaves no timer", async () => {
  const timers = (): number => process.getActiveResourcesInfo().filter((kind) => kind === "Timeout").length;
  const before = timers();
  const controller = new AbortController();
  const nap = sleep(1e9, controller.signal);
  assert.equal(timers(), before + 1);
  controller.abort(reason);
  await assert.rejects(nap, reason);
  await assert.rejects(sleep(1e9, AbortSignal.abort(reason)), reason);
  assert.deepEqual([timers(), listeners(controller.signal)], [before, 0]);
  await sleep(0, undefined);
});

test("untilAborted resolves and rejectWhenAborted rejects when the signal aborts, also if it had aborted before", async () => {
  const controller = new AbortController();
  const [until, rejects] = [untilAborted(controller.signal), rejectWhenAborted(controller.signal)];
  controller.abort(reason);
  await until;
  await assert.rejects(rejects, reason);
  await untilAborted(controller.signal);
  await assert.rejects(rejectWhenAborted(controller.signal), reason);
  assert.equal(listeners(controller.signal), 0);
});

test("throwIfAborted: takes signals without a method of that name, as jsdom's are", () => {
  throwIfAborted(undefined);
  throwIfAborted(new AbortController().signal);
  assert.throws(() => {
    throwIfAborted(AbortSignal.abort(reason));
  }, reason);
  assert.throws(() => {
    throwIfAborted({ aborted: true, reason, addEventListener: () => undefined } as never);
  }, reason);
});

test("link: follows a polyfill's signal that has neither a reason nor throwIfAborted", async () => {
  const target = new EventTarget();
  const old = Object.assign(target, { aborted: false }) as never as AbortSignal & { aborted: boolean };
  const link = linkSignal(old);
  const call = abortable(new Promise(() => undefined), old);
  old.aborted = true;
  target.dispatchEvent(new Event("abort"));
  await assert.rejects(call, { name: "AbortError" });
  assert.equal(link.signal.aborted, true);
  assert.throws(
    () => {
      throwIfAborted(old);
    },
    { name: "AbortError" },
  );
  link.unlink();
  assert.equal(getEventListeners(target, "abort").length, 0);
});

test("sleep: a time in the past does not become a negative delay, which Node 24 warns about (FF30)", async (t) => {
  const setTimeoutMock = t.mock.method(globalThis, "setTimeout");
  for (const ms of [-43.8, -0.001, 0]) await sleep(ms, undefined);
  assert.deepEqual(
    setTimeoutMock.mock.calls.map(({ arguments: [, ms] }) => ms),
    [0, 0, 0],
  );
});

test("time limit: it aborts with a TimeoutError, or as its parents do, and leaves neither timer nor listener", async () => {
  const parent = new AbortController();
  const short = limitTime(1, parent.signal);
  await assert.rejects(sleep(60_000, short.signal), { name: "TimeoutError" });
  short.unlink();
  const long = limitTime(maxTimerMs, parent.signal);
  const ended = limitTime(1, parent.signal);
  ended.unlink();
  await sleep(20, undefined);
  assert.equal(ended.signal.aborted, false);
  parent.abort(reason);
  assert.equal(long.signal.reason, reason);
  long.unlink();
  assert.equal(listeners(parent.signal), 0);
});

test("time limit: it holds although nothing refers to it but what waits for its signal", async () => {
  setFlagsFromString("--expose-gc");
  const collect = runInNewContext("gc") as () => void;
  // expected from now on: the limit may end while this process stands still
  const rejection = assert.rejects(sleep(60_000, limitTime(200, new AbortController().signal).signal), {
    name: "TimeoutError",
  });
  for (let i = 0; i < 5; i++) {
    await sleep(10, undefined);
    collect();
  }
  await rejection;
});
