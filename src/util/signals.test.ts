import assert from "node:assert/strict";
import { getEventListeners } from "node:events";
import test from "node:test";
import { abortable, linkSignal, maxTimerMs, onAbort, sleep } from "./signals.js";

function listeners(signal: AbortSignal): number {
  return getEventListeners(signal, "abort").length;
}

const reason = new Error("the reason");

test("many links share one listener, which goes with the last of them", () => {
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

test("a link made after the last one went is followed again", () => {
  const controller = new AbortController();
  linkSignal(controller.signal).unlink();
  const link = linkSignal(controller.signal);
  controller.abort(reason);
  assert.equal(link.signal.reason, reason);
});

test("an abort reaches exactly the links that are still there, with its own reason", () => {
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

test("the abort of a link reaches neither its parent nor the others; the first reason stays", () => {
  const controller = new AbortController();
  const [one, other] = [linkSignal(controller.signal), linkSignal(controller.signal)];
  one.abort(reason);
  assert.deepEqual([one.signal.reason, other.signal.aborted, controller.signal.aborted], [reason, false, false]);
  controller.abort("later");
  assert.deepEqual([one.signal.reason, other.signal.reason], [reason, "later"]);
});

test("a link of an aborted signal is aborted, of none it is a signal of its own; neither listens", () => {
  const aborted = AbortSignal.abort(reason);
  const link = linkSignal(aborted);
  assert.deepEqual([link.signal.reason, listeners(aborted)], [reason, 0]);
  link.unlink();
  const alone = linkSignal(undefined);
  alone.abort(reason);
  assert.equal(alone.signal.reason, reason);
  alone.unlink();
});

test("onAbort: at once when aborted already, once on abort, never after it was undone, also from inside a callback", () => {
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

test("abortable settles as its promise does, and lets go of the signal", async () => {
  const { signal } = new AbortController();
  assert.equal(await abortable(Promise.resolve(5), signal), 5);
  await assert.rejects(abortable(Promise.reject(reason), signal), reason);
  assert.equal(listeners(signal), 0);
});

test("abortable rejects with the reason at once, and swallows what its promise does later", async () => {
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
  test(`sleep(${String(asked)}) is a timer of ${String(given)} ms, and no listener when it rang`, async (t) => {
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

test("sleep rejects with the reason and leaves no timer", async () => {
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
