import assert from "node:assert/strict";
import { getEventListeners } from "node:events";
import test from "node:test";
import { Fanout } from "./fanout.js";
import { Latest } from "./latest.js";
import { Backlog } from "./queue.js";

function fanoutOf(): Fanout<number> {
  return new Fanout({ what: "these numbers", unread: () => new Backlog() });
}

async function rest<T>(items: AsyncIterable<T>): Promise<T[]> {
  const found: T[] = [];
  for await (const item of items) found.push(item);
  return found;
}

test("fanout: each reader gets everything from its call on", async () => {
  const fanout = fanoutOf();
  fanout.push(1);
  const first = fanout.read();
  fanout.push(2);
  const second = fanout.read(undefined, [0]);
  fanout.push(3);
  fanout.end();
  assert.deepEqual(await rest(first), [2, 3]);
  assert.deepEqual(await rest(second), [0, 3]);
});

test("fanout: a reader that begins after the end is done, or gets the failure", async () => {
  const [ended, failed] = [fanoutOf(), fanoutOf()];
  const failure = new Error("broken");
  ended.end();
  failed.fail(failure);
  assert.deepEqual(await rest(ended.read(undefined, [1])), [1]);
  await assert.rejects(rest(failed.read()), (error) => error === failure);
});

test("fanout: one reader's abort or close leaves the others", async () => {
  const fanout = fanoutOf();
  const controller = new AbortController();
  const [aborted, closed, other] = [fanout.read(controller.signal), fanout.read(), fanout.read()];
  fanout.push(1);
  await closed.close();
  controller.abort();
  fanout.push(2);
  fanout.end();
  await assert.rejects(rest(aborted), { name: "AbortError" });
  assert.deepEqual(await rest(closed), []);
  assert.deepEqual(await rest(other), [1, 2]);
});

test("fanout: an already aborted signal throws its reason, and no listener stays", async () => {
  const fanout = fanoutOf();
  const reason = new Error("not now");
  await assert.rejects(rest(fanout.read(AbortSignal.abort(reason))), (error) => error === reason);
  const { signal } = new AbortController();
  fanout.read(signal);
  fanout.end();
  assert.equal(getEventListeners(signal, "abort").length, 0);
});

test("latest: a slow reader gets the last value, then the end", async () => {
  const latest = new Latest<string>("this state", "a");
  const [changes, values] = [latest.changes(), latest.values()];
  assert.deepEqual(await values.next(), { done: false, value: "a" });
  latest.set("b");
  latest.set("c");
  assert.equal(latest.value, "c");
  assert.deepEqual(await changes.next(), { done: false, value: "c" });
  latest.set("d");
  latest.end();
  assert.deepEqual(await rest(changes), ["d"]);
  assert.deepEqual(await rest(values), ["d"]);
});

test("latest: undefined is a value like any other", async () => {
  const latest = new Latest<string | undefined>("this state", undefined);
  const changes = latest.changes();
  latest.set(undefined);
  assert.deepEqual(await changes.next(), { done: false, value: undefined });
});
