import assert from "node:assert/strict";
import { getEventListeners } from "node:events";
import test from "node:test";
import { deferred } from "./deferred.js";
import { Backlog, LatestOnly, Queue, type QueueOptions } from "./queue.js";

function queueOf(options: Partial<QueueOptions<number, number>> = {}): Queue<number> {
  return new Queue<number>("this queue", { unread: new Backlog(), ...options });
}

async function rest(queue: AsyncIterable<number>): Promise<number[]> {
  const items: number[] = [];
  for await (const item of queue) items.push(item);
  return items;
}

const done = { done: true, value: undefined };
const failure = new Error("broken");

test("queue: items come in order, before and while the reader waits", async () => {
  const queue = queueOf();
  queue.push(1);
  queue.push(2);
  assert.deepEqual(await queue.next(), { done: false, value: 1 });
  assert.deepEqual(await queue.next(), { done: false, value: 2 });
  const waiting = queue.next();
  queue.push(3);
  assert.deepEqual(await waiting, { done: false, value: 3 });
});

test("queue: end lets the reader finish, then it stays done", async () => {
  const queue = queueOf();
  queue.push(1);
  queue.end();
  queue.push(2);
  assert.equal(await queue.closed, undefined);
  assert.deepEqual(await rest(queue), [1]);
  assert.deepEqual(await queue.next(), done);
});

test("queue: a failure comes after the last item, is thrown once, and is what closed resolves to", async () => {
  const queue = queueOf();
  queue.push(1);
  queue.fail(failure);
  queue.fail(new Error("too late"));
  assert.equal(await queue.closed, failure);
  assert.deepEqual(await queue.next(), { done: false, value: 1 });
  await assert.rejects(queue.next(), (error) => error === failure);
  assert.deepEqual(await queue.next(), done);
});

test("queue: a waiting next gets the failure, and the end", async () => {
  const [failing, ending] = [queueOf(), queueOf()];
  const waits = [failing.next(), ending.next()] as const;
  failing.fail(failure);
  ending.end();
  await assert.rejects(waits[0], (error) => error === failure);
  assert.deepEqual(await waits[1], done);
});

test("queue: close drops what is unread, even a failure, and ends quietly", async () => {
  const queue = queueOf();
  queue.push(1);
  queue.fail(failure);
  await queue.close();
  await queue.close();
  assert.deepEqual(await queue.next(), done);
  const waiting = queueOf();
  const next = waiting.next();
  await waiting.close();
  assert.deepEqual(await next, done);
});

test("queue: leaving a loop closes it", async () => {
  let released = 0;
  const queue = queueOf({ release: () => released++ });
  for (const item of [1, 2, 3]) queue.push(item);
  for await (const item of queue) if (item === 2) break;
  assert.equal(released, 1);
  assert.deepEqual(await queue.next(), done);
});

test("queue: its signal ends it by throwing the reason, once; nothing unread is handed out", async () => {
  const controller = new AbortController();
  const reason = new Error("enough");
  const queue = queueOf({ signal: controller.signal });
  queue.push(1);
  controller.abort(reason);
  assert.equal(await queue.closed, undefined);
  await assert.rejects(rest(queue), (error) => error === reason);
  assert.deepEqual(await queue.next(), done);
});

test("queue: a signal that has aborted already ends it at once, and release is called", async () => {
  const reason = new Error("not now");
  let released: unknown;
  const queue = queueOf({ signal: AbortSignal.abort(reason), release: (given) => (released = given) });
  assert.equal(queue.ended, true);
  assert.equal(await queue.closed, undefined);
  assert.equal(released, queue);
  await assert.rejects(queue.next(), (error) => error === reason);
});

test("queue: the signal of one next ends only that call, and nothing is lost", async () => {
  const controller = new AbortController();
  const reason = new Error("not now");
  const queue = queueOf();
  const waiting = queue.next(controller.signal);
  controller.abort(reason);
  await assert.rejects(waiting, (error) => error === reason);
  queue.push(1);
  await assert.rejects(queue.next(controller.signal), (error) => error === reason);
  assert.deepEqual(await queue.next(new AbortController().signal), { done: false, value: 1 });
});

test("queue: no listener stays on any signal", async () => {
  const [ends, stops] = [new AbortController().signal, new AbortController().signal];
  for (const finish of ["close", "end"] as const) {
    const queue = queueOf({ signal: ends });
    queue.push(1);
    await queue.next(stops);
    const waiting = queue.next(stops);
    queue.push(2);
    await waiting;
    await queue[finish]();
  }
  for (const signal of [ends, stops]) assert.equal(getEventListeners(signal, "abort").length, 0);
});

test("queue: a second next while one is waiting is refused, and the first goes on", async () => {
  const queue = queueOf();
  const first = queue.next();
  await assert.rejects(queue.next(), {
    name: "UsageError",
    code: "ERR_BUSY",
    message: "an earlier next() of this queue is still waiting",
  });
  queue.push(1);
  assert.deepEqual(await first, { done: false, value: 1 });
});

test("queue: a bad signal is refused", async () => {
  await assert.rejects(queueOf().next("now" as never), { code: "ERR_ARGUMENT" });
});

test("queue: close waits for release, and closed reports its failure", async () => {
  const slow = deferred<undefined>();
  const queue = queueOf({ release: () => slow.promise });
  let closed = false;
  const closing = queue.close().then(() => (closed = true));
  await new Promise(setImmediate);
  assert.equal(closed, false);
  slow.reject(failure);
  await closing;
  assert.equal(await queue.closed, failure);
});

test("backlog: with a limit, a slow reader misses the oldest", async () => {
  const queue = queueOf({ unread: new Backlog(3) });
  for (let i = 1; i <= 10; i++) queue.push(i);
  queue.end();
  assert.deepEqual(await rest(queue), [8, 9, 10]);
});

test("backlog: many items are handed out in order while more come", async () => {
  const queue = queueOf();
  const seen: number[] = [];
  for (let i = 0; i < 100_000; i++) {
    queue.push(i);
    if (i % 3 === 0) seen.push((await queue.next()).value ?? -1);
  }
  queue.end();
  seen.push(...(await rest(queue)));
  assert.equal(seen.length, 100_000);
  assert.ok(seen.every((item, i) => item === i));
});

test("latest only: a slow reader gets the last item", async () => {
  const queue = queueOf({ unread: new LatestOnly() });
  for (const item of [1, 2, 3]) queue.push(item);
  assert.deepEqual(await queue.next(), { done: false, value: 3 });
  queue.push(4);
  queue.end();
  assert.deepEqual(await rest(queue), [4]);
});
