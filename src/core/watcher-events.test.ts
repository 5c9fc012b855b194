import assert from "node:assert/strict";
import { getEventListeners } from "node:events";
import test from "node:test";
import { KeysAPI } from "./keys.js";
import {
  clientOf,
  event,
  headersOnly,
  reply,
  ScriptedServer,
  waitIndexes,
  type Answer,
} from "../test-kit/scripted-server.js";
import { patience } from "../test-kit/waiting.js";

test("watcher: events() yields one event after the other, and continues from the same index after a break", async () => {
  await using server = await ScriptedServer.start(event(5), event(7), event(11), event(13), event(17));
  await using client = clientOf([server]);
  const watcher = new KeysAPI(client).watcher("/k", { afterIndex: 3 });
  const seen: number[] = [];
  for await (const { node } of watcher.events(patience())) if (seen.push(node.modifiedIndex) === 3) break;
  seen.push((await watcher.next(patience())).node.modifiedIndex);
  for await (const { node } of watcher.events(patience())) if (seen.push(node.modifiedIndex) === 5) break;
  assert.deepEqual(seen, [5, 7, 11, 13, 17]);
  assert.deepEqual(waitIndexes(server), [4, 6, 8, 12, 14]);
});

test("watcher: events() sends no request before its first next()", async () => {
  await using server = await ScriptedServer.start(event(5), event(7));
  await using client = clientOf([server]);
  const events = new KeysAPI(client).watcher("/k").events();
  assert.equal(server.requests.length, 0);
  await events.next();
  await events.return();
  assert.equal(server.requests.length, 1);
});

test("watcher: an abort ends events() with its reason, leaves no listener, and loses nothing", async () => {
  await using server = await ScriptedServer.start(event(5), headersOnly({ "x-etcd-index": "6" }));
  await using client = clientOf([server]);
  const watcher = new KeysAPI(client).watcher("/k", { afterIndex: 3 });
  const abort = new AbortController();
  const reason = new Error("enough");
  const seen: number[] = [];
  const loop = (async () => {
    for await (const { node } of watcher.events(abort.signal)) seen.push(node.modifiedIndex);
  })();
  await server.received(2);
  abort.abort(reason);
  await assert.rejects(loop, (error) => error === reason);
  assert.deepEqual(seen, [5]);
  assert.equal(getEventListeners(abort.signal, "abort").length, 0);
  server.script(event(6));
  await watcher.next(patience());
  assert.deepEqual(waitIndexes(server), [4, 6, 6]);
});

test("watcher: an error ends events(), and a new call continues from the same index", async () => {
  await using server = await ScriptedServer.start(event(5), reply(503), event(8));
  await using client = clientOf([server]);
  const watcher = new KeysAPI(client).watcher("/k", { afterIndex: 3 });
  const events = watcher.events(patience());
  await events.next();
  await assert.rejects(events.next(), { code: "ERR_CLUSTER_UNAVAILABLE" });
  assert.deepEqual(await events.next(), { done: true, value: undefined });
  const again = await watcher.events(patience()).next();
  assert.equal(again.value?.node.modifiedIndex, 8);
  assert.deepEqual(waitIndexes(server), [4, 6, 6]);
});

test("watcher: closing the client ends a waiting next() with ERR_CLOSED", async () => {
  await using server = await ScriptedServer.start(headersOnly());
  await using client = clientOf([server]);
  const watcher = new KeysAPI(client).watcher("/k");
  const pending = watcher.next(patience());
  await server.received(1);
  const ended = assert.rejects(pending, { name: "UsageError", code: "ERR_CLOSED" });
  await client.close();
  await ended;
  await assert.rejects(watcher.next(patience()), { code: "ERR_CLOSED" });
  await server.connectionsDownTo(0);
});

test("watcher: the deletion of a directory that is not an ancestor is skipped, and its index passed over (T39)", async () => {
  await using server = await ScriptedServer.start(endOf("/pp", 7), event(9, {}, { node: nodeOf("/ppother/a", 9) }));
  await using client = clientOf([server]);
  const got = await new KeysAPI(client).watcher("/ppother/", { afterIndex: 5, recursive: true }).next(patience());
  assert.equal(got.node.key, "/ppother/a");
  assert.deepEqual(waitIndexes(server), [6, 8]);
});

test("watcher: a history full of such deletions is skipped without delay (T39)", async () => {
  const strangers = Array.from({ length: 30 }, (_, i) => endOf("/pp", 10 + i));
  await using server = await ScriptedServer.start(...strangers, event(50));
  await using client = clientOf([server]);
  await new KeysAPI(client).watcher("/ppother", { afterIndex: 5 }).next(patience());
  assert.equal(server.requests.length, 31);
});

for (const [watched, gone] of [
  ["/pp/other", "/pp"],
  ["/pp", "/pp"],
  ["//pp//other/", "/pp"],
  ["/pp/other/deep", "/pp/other"],
  ["/", "/pp"],
  ["/pp", "/pp/below"],
] as const) {
  test(`watcher: a watcher of ${watched} reports the deletion of ${gone} (T36)`, async () => {
    await using server = await ScriptedServer.start(endOf(gone, 7), event(9));
    await using client = clientOf([server]);
    const got = await new KeysAPI(client).watcher(watched, { afterIndex: 5, recursive: true }).next(patience());
    assert.equal(got.node.key, gone);
    assert.equal(got.node.dir, true);
    assert.deepEqual(waitIndexes(server), [6]);
  });
}

test("watcher: under a custom prefix no event is skipped, since its keys cannot be compared (T39)", async () => {
  await using server = await ScriptedServer.start(endOf("/pp", 7));
  await using client = clientOf([server]);
  const got = await new KeysAPI(client, { prefix: "/tenant/keys" })
    .watcher("/ppother", { afterIndex: 5 })
    .next(patience());
  assert.equal(got.node.key, "/pp");
});

test("watcher: an event of a file is never skipped, even if the watched key begins with its key", async () => {
  await using server = await ScriptedServer.start(event(7, {}, { action: "delete", node: nodeOf("/pp", 7) }));
  await using client = clientOf([server]);
  const got = await new KeysAPI(client).watcher("/ppother", { afterIndex: 5 }).next(patience());
  assert.equal(got.node.key, "/pp");
});

function nodeOf(key: string, modifiedIndex: number, dir = false): object {
  return { key, modifiedIndex, createdIndex: 4, ...(dir && { dir }) };
}

/** What etcd sends for a deleted directory. */
function endOf(key: string, modifiedIndex: number): Answer {
  return event(
    modifiedIndex,
    {},
    { action: "delete", node: nodeOf(key, modifiedIndex, true), prevNode: nodeOf(key, 4, true) },
  );
}

test("watcher: below a prefix that is a namespace, the keys of events are relative to it (FF54)", async () => {
  await using server = await ScriptedServer.start(
    endOf("/tenant/pp", 6),
    event(7, {}, { node: nodeOf("/tenant/ppother/a", 7), prevNode: nodeOf("/tenant/ppother/a", 5) }),
    endOf("/tenant", 8),
  );
  await using client = clientOf([server]);
  const watcher = new KeysAPI(client, { prefix: "/v2/keys/tenant" }).watcher("/ppother", {
    afterIndex: 5,
    recursive: true,
  });
  const { node, prevNode } = await watcher.next(patience());
  assert.deepEqual([node.key, prevNode?.key], ["/ppother/a", "/ppother/a"]);
  assert.equal((await watcher.next(patience())).node.key, "/");
});
