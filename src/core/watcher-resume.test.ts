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
  ["after its headers", headersThenEnd({ "x-etcd-index": "20" })],
  ["after half an event", halfBody({ "x-etcd-index": "20" })],
] as const) {
  test(`watcher: when a server dies ${what}, a from-now watcher continues after the header's index (A109)`, async () => {
    await using s0 = await ScriptedServer.start(answer);
    await using s1 = await ScriptedServer.start(event(23));
    await using client = clientOf([s0, s1]);
    const watcher = new KeysAPI(client).watcher("/k");
    assert.equal((await watcher.next(patience())).node.modifiedIndex, 23);
    assert.deepEqual(waitIndexes(s0), [0]);
    assert.deepEqual(waitIndexes(s1), [21]);
  });
}

test("watcher: with a single endpoint, a from-now watcher also continues after the header's index (A109)", async () => {
  await using server = await ScriptedServer.start(headersThenEnd({ "x-etcd-index": "20" }), event(21));
  await using client = clientOf([server]);
  await new KeysAPI(client).watcher("/k").next(patience());
  assert.deepEqual(waitIndexes(server), [0, 21]);
});

test("watcher: a from-now watcher aborted after the headers continues after their index", async () => {
  await using server = await ScriptedServer.start(headersOnly({ "x-etcd-index": "20" }));
  await using client = clientOf([server]);
  const heard = new HeaderWatch(client);
  const watcher = new KeysAPI(heard).watcher("/k");
  await abortOnHeaders(watcher, heard);
  server.script(event(23));
  await watcher.next(patience());
  assert.deepEqual(waitIndexes(server), [0, 21]);
});

test("watcher: with afterIndex, an abort after the headers keeps the index: theirs may be ahead of an undelivered event", async () => {
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

test("watcher: the headers of a from-now watcher's second poll do not move its index", async () => {
  await using server = await ScriptedServer.start(
    headersThenEnd({ "x-etcd-index": "20" }),
    headersThenEnd({ "x-etcd-index": "50" }),
    event(23),
  );
  await using client = clientOf([server]);
  await new KeysAPI(client).watcher("/k").next(patience());
  assert.deepEqual(waitIndexes(server), [0, 21, 21]);
});

test("watcher: half an event is never delivered, and the index in its header does not move an explicit afterIndex", async () => {
  await using server = await ScriptedServer.start(
    cutEvent(15, { "x-etcd-index": "50" }),
    event(15, { "x-etcd-index": "50" }),
  );
  await using client = clientOf([server]);
  const got = await new KeysAPI(client).watcher("/k", { afterIndex: 10 }).next(patience());
  assert.equal(got.node.value, "v");
  assert.deepEqual(waitIndexes(server), [11, 11]);
});

test("watcher: a response that a custom transport marks as truncated is polled again, whatever its body", async () => {
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

test("watcher: headers without a usable index leave a from-now watcher at now", async () => {
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
  test(`watchIdleTimeoutMs: a silent poll (${how}) is sent again to the next endpoint, from the same index`, async () => {
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

test("watchIdleTimeoutMs: a from-now watcher continues after the index of the headers", async () => {
  await using s0 = await ScriptedServer.start(headersOnly({ "x-etcd-index": "20" }));
  await using s1 = await ScriptedServer.start(event(23));
  await using client = clientOf([s0, s1], { watchIdleTimeoutMs: limitMs });
  await new KeysAPI(client).watcher("/k").next(patience());
  assert.deepEqual(waitIndexes(s0), [0]);
  assert.deepEqual(waitIndexes(s1), [21]);
});

test("watchIdleTimeoutMs: without it a silent poll has no limit, and bodyIdleTimeoutMs does not apply", async () => {
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

/** A truncated body that is valid JSON, but shorter than its content-length. */
function cutEvent(modifiedIndex: number, headers: Readonly<Record<string, string>>): Answer {
  return (response, _request, socket) => {
    response.writeHead(200, { "content-length": "200", ...headers });
    const node = { key: "/k", value: "half", modifiedIndex, createdIndex: modifiedIndex };
    response.write(JSON.stringify({ action: "set", node }), () => socket.end());
  };
}
