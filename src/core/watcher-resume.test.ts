import assert from "node:assert/strict";
import { getEventListeners } from "node:events";
import test from "node:test";
import type { RawResponse, Sender } from "../http/exchange.js";
import { KeysAPI } from "./keys.js";
import {
  clientOf,
  event,
  halfBody,
  headersOnly,
  ScriptedServer,
  silence,
  waitIndexes,
  type Answer,
} from "../test-kit/scripted-server.js";
import { HeaderWatch, limitMs, patience } from "../test-kit/waiting.js";

for (const [what, answer] of [
  ["sent its headers", headersThenEnd({ "x-etcd-index": "20" })],
  ["sent half an event", halfBody({ "x-etcd-index": "20" })],
] as const) {
  test(`A109: a from-now watcher goes on behind the header's index when a server dies that ${what}`, async () => {
    await using s0 = await ScriptedServer.start(answer);
    await using s1 = await ScriptedServer.start(event(23));
    await using client = clientOf([s0, s1]);
    const watcher = new KeysAPI(client).watcher("/k");
    assert.equal((await watcher.next(patience())).node.modifiedIndex, 23);
    assert.deepEqual(waitIndexes(s0), [0]);
    assert.deepEqual(waitIndexes(s1), [21]);
  });
}

test("A109: with one endpoint, a from-now watcher goes on behind the header's index too", async () => {
  await using server = await ScriptedServer.start(headersThenEnd({ "x-etcd-index": "20" }), event(21));
  await using client = clientOf([server]);
  await new KeysAPI(client).watcher("/k").next(patience());
  assert.deepEqual(waitIndexes(server), [0, 21]);
});

test("a from-now watcher that was aborted after the headers goes on behind their index", async () => {
  await using server = await ScriptedServer.start(headersOnly({ "x-etcd-index": "20" }));
  await using client = clientOf([server]);
  const heard = new HeaderWatch(client);
  const watcher = new KeysAPI(heard).watcher("/k");
  await abortOnHeaders(watcher, heard);
  server.script(event(23));
  await watcher.next(patience());
  assert.deepEqual(waitIndexes(server), [0, 21]);
});

test("a watcher with an index stays at it when aborted after the headers: they may be ahead of an event that it has not got", async () => {
  await using server = await ScriptedServer.start(headersOnly({ "x-etcd-index": "20" }));
  await using client = clientOf([server]);
  const heard = new HeaderWatch(client);
  const watcher = new KeysAPI(heard).watcher("/k", { afterIndex: 10 });
  await abortOnHeaders(watcher, heard);
  server.script(event(12), headersOnly({ "x-etcd-index": "30" }));
  await watcher.next(patience());
  await abortOnHeaders(watcher, heard);
  server.script(event(14));
  await watcher.next(patience());
  assert.deepEqual(waitIndexes(server), [11, 11, 13, 13]);
});

test("the headers of a from-now watcher's second poll do not move it either", async () => {
  await using server = await ScriptedServer.start(
    headersThenEnd({ "x-etcd-index": "20" }),
    headersThenEnd({ "x-etcd-index": "50" }),
    event(23),
  );
  await using client = clientOf([server]);
  await new KeysAPI(client).watcher("/k").next(patience());
  assert.deepEqual(waitIndexes(server), [0, 21, 21]);
});

test("half an event is never delivered, and an index in its header moves no explicit cursor", async () => {
  await using server = await ScriptedServer.start(
    cutEvent(15, { "x-etcd-index": "50" }),
    event(15, { "x-etcd-index": "50" }),
  );
  await using client = clientOf([server]);
  const got = await new KeysAPI(client).watcher("/k", { afterIndex: 10 }).next(patience());
  assert.equal(got.node.value, "v");
  assert.deepEqual(waitIndexes(server), [11, 11]);
});

test("what a transport of the user's own calls truncated is asked again, whatever its body says", async () => {
  const node = { key: "/k", value: "half", modifiedIndex: 15, createdIndex: 15 };
  const cut: RawResponse = { status: 200, headers: {}, body: JSON.stringify({ action: "set", node }), truncated: true };
  const answers = [cut, { ...cut, body: "", truncated: false }, { ...cut, truncated: false }];
  const asked: (string | undefined)[] = [];
  const sender: Sender = { send: ({ query }) => Promise.resolve(answers[asked.push(query) - 1] ?? cut) };
  await new KeysAPI(sender).watcher("/k", { afterIndex: 10 }).next(patience());
  assert.deepEqual(
    asked,
    Array.from({ length: 3 }, () => "recursive=false&wait=true&waitIndex=11"),
  );
});

test("a header that holds no usable index leaves a from-now watcher at now", async () => {
  await using server = await ScriptedServer.start(
    headersThenEnd({ "x-etcd-index": "poo" }),
    headersThenEnd({ "x-etcd-index": "0" }),
    headersThenEnd({}),
    event(9),
  );
  await using client = clientOf([server]);
  await new KeysAPI(client).watcher("/k").next(patience());
  assert.deepEqual(waitIndexes(server), [0, 0, 0, 0]);
});

for (const [how, answer] of [
  ["without headers", silence()],
  ["with headers", headersOnly({ "x-etcd-index": "50" })],
] as const) {
  test(`watchIdleTimeoutMs asks a silent poll again on the next endpoint, from the same index, ${how}`, async () => {
    await using s0 = await ScriptedServer.start(answer);
    await using s1 = await ScriptedServer.start(event(11));
    await using client = clientOf([s0, s1], { watchIdleTimeoutMs: limitMs });
    const signal = patience();
    const got = await new KeysAPI(client).watcher("/k", { afterIndex: 10 }).next(signal);
    assert.equal(got.node.modifiedIndex, 11);
    assert.deepEqual(waitIndexes(s0), [11]);
    assert.deepEqual(waitIndexes(s1), [11]);
    await s0.connectionsDownTo(0);
    assert.equal(getEventListeners(signal, "abort").length, 0);
  });
}

test("watchIdleTimeoutMs: a from-now watcher goes on behind the index of the headers", async () => {
  await using s0 = await ScriptedServer.start(headersOnly({ "x-etcd-index": "20" }));
  await using s1 = await ScriptedServer.start(event(23));
  await using client = clientOf([s0, s1], { watchIdleTimeoutMs: limitMs });
  await new KeysAPI(client).watcher("/k").next(patience());
  assert.deepEqual(waitIndexes(s0), [0]);
  assert.deepEqual(waitIndexes(s1), [21]);
});

test("without watchIdleTimeoutMs a silent poll is waited for, and bodyIdleTimeoutMs does not end it", async () => {
  await using server = await ScriptedServer.start(headersOnly());
  await using client = clientOf([server], { bodyIdleTimeoutMs: 50, headerTimeoutMs: 50 });
  const reason = new Error("enough");
  const abort = new AbortController();
  const ended = assert.rejects(
    new KeysAPI(client).watcher("/k", { afterIndex: 10 }).next(abort.signal),
    (error) => error === reason,
  );
  await server.received(1);
  setTimeout(() => {
    abort.abort(reason);
  }, 300);
  await ended;
  assert.equal(server.requests.length, 1);
});

async function abortOnHeaders(watcher: ReturnType<KeysAPI["watcher"]>, heard: HeaderWatch): Promise<void> {
  const abort = new AbortController();
  const came = heard.headers();
  const pending = watcher.next(abort.signal);
  await came;
  abort.abort();
  await assert.rejects(pending, { name: "AbortError" });
  assert.equal(getEventListeners(abort.signal, "abort").length, 0);
}

function headersThenEnd(headers: Readonly<Record<string, string>>): Answer {
  return (response, request, socket) => {
    headersOnly(headers)(response, request, socket);
    socket.end();
  };
}

/** A body that is whole JSON when it is cut, but not the length that was announced. */
function cutEvent(modifiedIndex: number, headers: Readonly<Record<string, string>>): Answer {
  return (response, _request, socket) => {
    response.writeHead(200, { "content-length": "200", ...headers });
    const node = { key: "/k", value: "half", modifiedIndex, createdIndex: modifiedIndex };
    response.write(JSON.stringify({ action: "set", node }), () => socket.end());
  };
}
