import assert from "node:assert/strict";
import { getEventListeners } from "node:events";
import test from "node:test";
import { EtcdError, isIndexCleared, ResponseError, UsageError } from "../util/errors.js";
import { KeysAPI } from "./keys.js";
import {
  clientOf,
  closeUnanswered,
  event,
  headersOnly,
  reply,
  ScriptedServer,
  silence,
  waitIndexes,
  type Answer,
} from "../test-kit/scripted-server.js";
import { patience } from "../test-kit/waiting.js";

test("watcher: after an event the next request waits for modifiedIndex + 1, whatever the header says (A103)", async () => {
  await using server = await ScriptedServer.start(event(55, { "x-etcd-index": "101" }), event(60));
  await using client = clientOf([server]);
  const watcher = new KeysAPI(client).watcher("/k", { afterIndex: 41, recursive: true });
  const first = await watcher.next(patience());
  assert.equal(first.node.modifiedIndex, 55);
  assert.equal(first.index, 101);
  await watcher.next(patience());
  assert.deepEqual(
    server.requests.map(({ query }) => query),
    [
      ["recursive=true", "wait=true", "waitIndex=42"],
      ["recursive=true", "wait=true", "waitIndex=56"],
    ],
  );
});

test("watcher: a poll that ends empty is sent again from the same index (A104)", async () => {
  await using server = await ScriptedServer.start(reply(200), reply(200), reply(200), event(11));
  await using client = clientOf([server]);
  const { node } = await new KeysAPI(client).watcher("/k", { afterIndex: 10 }).next(patience());
  assert.equal(node.modifiedIndex, 11);
  assert.deepEqual(waitIndexes(server), [11, 11, 11, 11]);
});

test("watcher: after instant empty responses it polls at growing intervals, until aborted (A105)", async () => {
  await using server = await ScriptedServer.start(reply(200));
  await using client = clientOf([server]);
  const abort = new AbortController();
  const pending = new KeysAPI(client).watcher("/k").next(abort.signal);
  await server.received(1);
  const startMs = performance.now();
  await server.received(4);
  // at least half of 100, 200 and 400 ms
  assert.ok(performance.now() - startMs > 340);
  const reason = new Error("enough");
  abort.abort(reason);
  await assert.rejects(pending, (error) => error === reason);
  assert.equal(getEventListeners(abort.signal, "abort").length, 0);
  assert.equal(server.requests.length, 4);
});

test("watcher: a cleared history is an EtcdError with etcd's index, and the watcher keeps its index (A106)", async () => {
  const cleared = {
    errorCode: 401,
    message: "The event in requested index is outdated and cleared",
    cause: "the requested history has been cleared [107/8]",
    index: 1106,
  };
  await using server = await ScriptedServer.start(reply(400, cleared, { "x-etcd-index": "1106" }));
  await using client = clientOf([server]);
  const watcher = new KeysAPI(client).watcher("/k", { afterIndex: 7 });
  for (let i = 0; i < 2; i++) {
    await assert.rejects(watcher.next(patience()), (error) => {
      assert.ok(error instanceof EtcdError);
      assert.ok(isIndexCleared(error));
      assert.equal(error.errorCode, 401);
      assert.equal(error.index, 1106);
      return true;
    });
  }
  assert.deepEqual(waitIndexes(server), [8, 8]);
});

test("watcher: a from-now watcher takes no index from an error response (A106)", async () => {
  await using server = await ScriptedServer.start(
    reply(401, { errorCode: 110, message: "no", index: 0 }, { "x-etcd-index": "90" }),
  );
  await using client = clientOf([server]);
  const watcher = new KeysAPI(client).watcher("/k");
  await assert.rejects(watcher.next(patience()), EtcdError);
  await assert.rejects(watcher.next(patience()), EtcdError);
  assert.deepEqual(waitIndexes(server), [0, 0]);
});

test("watcher: neither headerTimeoutMs nor bodyIdleTimeoutMs ends a long poll (A107)", async () => {
  const late = event(5);
  const headersLate: Answer = (...args) => void setTimeout(late, 400, ...args);
  const bodyLate: Answer = (response) => {
    response.writeHead(200, { "x-etcd-index": "5" });
    response.flushHeaders();
    setTimeout(
      () =>
        response.end(
          JSON.stringify({ action: "set", node: { key: "/k", value: "v", modifiedIndex: 6, createdIndex: 6 } }),
        ),
      400,
    );
  };
  await using server = await ScriptedServer.start(headersLate, bodyLate);
  await using client = clientOf([server], { headerTimeoutMs: 100, bodyIdleTimeoutMs: 100 });
  const watcher = new KeysAPI(client).watcher("/k");
  assert.equal((await watcher.next(patience())).node.modifiedIndex, 5);
  assert.equal((await watcher.next(patience())).node.modifiedIndex, 6);
  assert.equal(server.requests.length, 2);
});

for (const [how, firstHeaders] of [
  ["before", undefined],
  ["after", { "x-etcd-index": "90" }],
] as const) {
  test(`watcher: when a server dies ${how} the headers, the next one is polled from the same index (A108)`, async () => {
    await using s0 = await ScriptedServer.start(firstHeaders === undefined ? silence() : headersOnly(firstHeaders));
    await using s1 = await ScriptedServer.start(event(42));
    await using client = clientOf([s0, s1]);
    const pending = new KeysAPI(client).watcher("/k", { afterIndex: 41 }).next(patience());
    await s0.received(1);
    await s0.close();
    assert.equal((await pending).node.modifiedIndex, 42);
    assert.deepEqual(waitIndexes(s0), [42]);
    assert.deepEqual(waitIndexes(s1), [42]);
    assert.equal(client.endpoints[0], s1.url);
  });
}

test("watcher: an event without a node is a ResponseError, and the watcher continues from the same index (A110)", async () => {
  const prevNode = { key: "/k", value: "v", modifiedIndex: 4, createdIndex: 4 };
  await using server = await ScriptedServer.start(reply(200, { action: "delete", prevNode }), event(9));
  await using client = clientOf([server]);
  const watcher = new KeysAPI(client).watcher("/k", { afterIndex: 6 });
  await assert.rejects(
    watcher.next(patience()),
    (error) => error instanceof ResponseError && error.code === "ERR_INVALID_JSON",
  );
  assert.equal((await watcher.next(patience())).node.modifiedIndex, 9);
  assert.deepEqual(waitIndexes(server), [7, 7]);
});

test("watcher: an event without a modifiedIndex is a ResponseError, since its index is unknown (A110)", async () => {
  await using server = await ScriptedServer.start(
    reply(200, { action: "set", node: { key: "/k", value: "v" } }),
    event(9),
  );
  await using client = clientOf([server]);
  const watcher = new KeysAPI(client).watcher("/k", { afterIndex: 6 });
  await assert.rejects(watcher.next(patience()), ResponseError);
  await watcher.next(patience());
  assert.deepEqual(waitIndexes(server), [7, 7]);
});

for (const [how, answer] of [
  ["before the headers", silence()],
  ["after the headers", headersOnly({ "x-etcd-index": "3" })],
] as const) {
  test(`watcher: an abort ${how} rejects with its reason, closes the socket and leaves no listener (A111)`, async () => {
    await using server = await ScriptedServer.start(answer);
    await using client = clientOf([server]);
    const abort = new AbortController();
    const pending = new KeysAPI(client).watcher("/k").next(abort.signal);
    await server.received(1);
    const reason = { any: "thing" };
    abort.abort(reason);
    await assert.rejects(pending, (error) => error === reason);
    await server.connectionsDownTo(0);
    assert.equal(getEventListeners(abort.signal, "abort").length, 0);
  });
}

test("watcher: with an already aborted signal nothing is sent (A111)", async () => {
  await using server = await ScriptedServer.start(event(9));
  await using client = clientOf([server]);
  const watcher = new KeysAPI(client).watcher("/k");
  const reason = new Error("too late");
  await assert.rejects(watcher.next(AbortSignal.abort(reason)), (error) => error === reason);
  assert.equal(server.requests.length, 0);
  assert.equal((await watcher.next(patience())).node.modifiedIndex, 9);
});

test("watcher: after an error it stays usable, and polls from the same index (A112)", async () => {
  await using server = await ScriptedServer.start(closeUnanswered(), reply(503), reply(200, "<html>"), event(12));
  await using client = clientOf([server]);
  const watcher = new KeysAPI(client).watcher("/k", { afterIndex: 10 });
  await assert.rejects(watcher.next(patience()), { code: "ERR_CLUSTER_UNAVAILABLE" });
  await assert.rejects(watcher.next(patience()), { code: "ERR_CLUSTER_UNAVAILABLE" });
  await assert.rejects(watcher.next(patience()), { code: "ERR_INVALID_JSON" });
  assert.equal((await watcher.next(patience())).node.modifiedIndex, 12);
  assert.deepEqual(waitIndexes(server), [11, 11, 11, 11]);
});

test("watcher: a second next() while one waits is refused with ERR_BUSY and sends nothing; the first goes on", async () => {
  await using server = await ScriptedServer.start(headersOnly());
  await using client = clientOf([server]);
  const watcher = new KeysAPI(client).watcher("/k", { afterIndex: 10 });
  const abort = new AbortController();
  const first = watcher.next(abort.signal);
  await server.received(1);
  await assert.rejects(watcher.next(patience()), (error) => error instanceof UsageError && error.code === "ERR_BUSY");
  assert.equal(server.requests.length, 1);
  abort.abort();
  await assert.rejects(first, { name: "AbortError" });
  server.script(event(11));
  assert.equal((await watcher.next(patience())).node.modifiedIndex, 11);
});

test("watcher: a bad signal is refused before any I/O, and does not leave the watcher busy", async () => {
  await using server = await ScriptedServer.start(event(11));
  await using client = clientOf([server]);
  const watcher = new KeysAPI(client).watcher("/k");
  await assert.rejects(watcher.next({} as AbortSignal), UsageError);
  assert.equal(server.requests.length, 0);
  await watcher.next(patience());
});
