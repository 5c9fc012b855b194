import assert from "node:assert/strict";
import { getEventListeners } from "node:events";
import test from "node:test";
import { Notifier } from "./notifier.js";

test("notifier: notify resolves everything that waits, and nothing that waits later", async () => {
  const notifier = new Notifier();
  const waits = [notifier.wait(), notifier.wait()];
  assert.equal(notifier.waiting, 2);
  notifier.notify();
  await Promise.all(waits);
  let woken = false;
  const later = notifier.wait().then(() => (woken = true));
  await new Promise(setImmediate);
  assert.equal(woken, false);
  notifier.notify();
  await later;
});

test("notifier: a wait rejects with its signal's reason and leaves no listener", async () => {
  const notifier = new Notifier();
  const controller = new AbortController();
  const reason = new Error("enough");
  const waits = [notifier.wait(controller.signal), notifier.wait(controller.signal)];
  assert.equal(getEventListeners(controller.signal, "abort").length, 1);
  notifier.notify();
  await Promise.all(waits);
  assert.equal(getEventListeners(controller.signal, "abort").length, 0);
  const pending = notifier.wait(controller.signal);
  controller.abort(reason);
  await assert.rejects(pending, (error) => error === reason);
  await assert.rejects(notifier.wait(controller.signal), (error) => error === reason);
  assert.equal(notifier.waiting, 0);
});
