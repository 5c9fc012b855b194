import assert from "node:assert/strict";
import test, { type TestContext } from "node:test";
import { runInNewContext } from "node:vm";
import { safeCallback } from "./callback.js";

/** Collects the process warnings of our type while the test runs. */
function warnings(t: TestContext): Error[] {
  const found: Error[] = [];
  const listener = (warning: Error): void => {
    if (warning.name === "Etcd2Warning") found.push(warning);
  };
  process.on("warning", listener);
  t.after(() => process.off("warning", listener));
  return found;
}

test("callback: arguments are passed on, without a warning", (t) => {
  const found = warnings(t);
  const calls: unknown[] = [];
  const call = safeCallback("options.onError", (...args: [string, number]) => calls.push(args));
  call("a", 1);
  assert.deepEqual(calls, [["a", 1]]);
  assert.deepEqual(found, []);
});

test("callback: what it throws becomes a process warning that names it", async (t) => {
  const found = warnings(t);
  const call = safeCallback("options.onError", () => {
    throw new Error("broken handler");
  });
  call();
  await new Promise(setImmediate);
  assert.equal(found.length, 1);
  assert.match(found[0]?.message ?? "", /^options\.onError threw: broken handler$/);
  assert.equal(found[0] && Reflect.get(found[0], "code"), "ETCD2_CALLBACK");
  assert.match(String(found[0] && Reflect.get(found[0], "detail")), /callback\.test/);
});

test("callback: a rejection becomes a process warning too, even from another realm's promise", async (t) => {
  const found = warnings(t);
  safeCallback("onChange", () => Promise.reject(new Error("later")))();
  safeCallback("onOther", () => runInNewContext('Promise.reject(new Error("elsewhere"))') as unknown)();
  safeCallback("onFine", () => Promise.resolve(1))();
  await new Promise(setImmediate);
  await new Promise(setImmediate);
  assert.deepEqual(found.map(({ message }) => message).sort(), ["onChange threw: later", "onOther threw: elsewhere"]);
});

test("callback: a secret that was thrown instead of an error is not printed", async (t) => {
  const found = warnings(t);
  safeCallback("onError", () => {
    throw "s3cret";
  })();
  await new Promise(setImmediate);
  assert.equal(found[0]?.message, "onError threw: something that is not an error was thrown");
});

test("callback: without one, the wrapper does nothing", () => {
  assert.doesNotThrow(() => {
    safeCallback<[number]>("onError", undefined)(1);
  });
});
