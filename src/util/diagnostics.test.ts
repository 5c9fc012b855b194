import assert from "node:assert/strict";
import { AsyncLocalStorage } from "node:async_hooks";
import { tracingChannel } from "node:diagnostics_channel";
import test, { type TestContext } from "node:test";
import { diagnostics, isTraced, trace, traceOpen, type HeartbeatMessage } from "./diagnostics.js";

const channel = diagnostics().heartbeat;
const newMessage = (): HeartbeatMessage => ({ room: "election", key: "/a" });

function subscribed(t: TestContext): string[] {
  const events: string[] = [];
  const subscribers = Object.fromEntries(
    (["start", "end", "asyncStart", "asyncEnd", "error"] as const).map((name) => [name, () => events.push(name)]),
  ) as never;
  const same = tracingChannel("etcd2:heartbeat");
  same.subscribe(subscribers);
  t.after(() => {
    same.unsubscribe(subscribers);
  });
  return events;
}

test("diagnostics: without subscribers nothing is published", async () => {
  assert.equal(isTraced(channel), false);
  const message = newMessage();
  const result = await trace(
    channel,
    message,
    () => Promise.resolve(5),
    () => assert.fail(),
  );
  assert.equal(result, 5);
  assert.deepEqual(message, newMessage());
});

test("diagnostics: an operation that succeeds publishes its result with its end", async (t) => {
  const events = subscribed(t);
  assert.equal(isTraced(channel), true);
  const message = newMessage();
  await trace(channel, message, () => Promise.resolve(5));
  assert.deepEqual(events, ["start", "end", "asyncStart", "asyncEnd"]);
});

test("diagnostics: an operation that fails publishes its error", async (t) => {
  const events = subscribed(t);
  const [message, error] = [newMessage(), new Error("failed")];
  await assert.rejects(
    trace(channel, message, () => Promise.reject(error)),
    (each) => each === error,
  );
  assert.deepEqual(events, ["start", "end", "error", "asyncStart", "asyncEnd"]);
  assert.equal(message.error, error);
});

test("diagnostics: an open operation ends on its own, with an error or without", (t) => {
  const events = subscribed(t);
  traceOpen(channel, newMessage())();
  assert.deepEqual(events.splice(0), ["start", "end", "asyncStart", "asyncEnd"]);
  traceOpen(channel, newMessage())(new Error("failed"));
  assert.deepEqual(events, ["start", "end", "error", "asyncStart", "asyncEnd"]);
});

test("diagnostics: a store bound to the start channel is available inside the operation", async (t) => {
  const storage = new AsyncLocalStorage<string>();
  channel.start.bindStore(storage, ({ key }) => key);
  t.after(() => channel.start.unbindStore(storage));
  assert.equal(await trace(channel, newMessage(), () => Promise.resolve(storage.getStore())), "/a");
});
