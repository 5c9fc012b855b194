import assert from "node:assert/strict";
import test from "node:test";
import { EtcdError, EtcdErrorCode, isIndexCleared } from "../util/errors.js";
import { clusterOf, rejection } from "../test-kit/scripted-cluster.js";
import { event, headersOnly, ok, raftTimeout, reply, waitIndexes, type Answer } from "../test-kit/scripted-server.js";
import { patience, until } from "../test-kit/waiting.js";

function head(index: number, raftIndex?: number, clusterId?: string): Readonly<Record<string, string>> {
  return {
    "x-etcd-index": String(index),
    ...(raftIndex !== undefined && { "x-raft-index": String(raftIndex) }),
    ...(clusterId !== undefined && { "x-etcd-cluster-id": clusterId }),
  };
}

function cleared(index: number, headers = head(index)): Answer {
  const message = "The event in requested index is outdated and cleared";
  return reply(400, { errorCode: 401, message, cause: "history", index }, headers);
}

/** An event of the given key. */
function eventOf(
  key: string,
  modifiedIndex: number,
  headers: Readonly<Record<string, string>>,
  prevNode?: object,
): Answer {
  return event(modifiedIndex, headers, {
    node: { key, value: "v", modifiedIndex, createdIndex: modifiedIndex },
    ...(prevNode !== undefined && { prevNode }),
  });
}

test("watcher: if a member skipped events, the first of them is delivered if history still has it (FF1)", async (t) => {
  const { keys, server } = await clusterOf(t, [
    [eventOf("/d/z", 7013, head(8)), eventOf("/d/a", 6900, head(7013)), eventOf("/d/z", 7013, head(7013))],
  ]);
  const watcher = keys.watcher("/d", { recursive: true, afterIndex: 8 });
  const seen = [await watcher.next(patience()), await watcher.next(patience())];
  assert.deepEqual(
    seen.map(({ node }) => node.modifiedIndex),
    [6900, 7013],
  );
  assert.deepEqual(waitIndexes(server(0)), [9, 9, 6901]);
});

test("watcher: if a member skipped events that etcd's history no longer has, every next() rejects (FF1)", async (t) => {
  const { keys, server } = await clusterOf(t, [[eventOf("/d/z", 7013, head(8)), cleared(7013), cleared(7013)]]);
  const watcher = keys.watcher("/d", { recursive: true, afterIndex: 8 });
  for (let i = 0; i < 2; i++) assert.ok(isIndexCleared(await rejection(watcher.next(patience()), EtcdError)));
  assert.deepEqual(waitIndexes(server(0)), [9, 9, 9]);
});

test("watcher: an event far above the start of its poll is delivered if history has none before it (FF1)", async (t) => {
  const { keys, server } = await clusterOf(t, [
    [eventOf("/d/z", 7013, head(8)), eventOf("/d/z", 7013, head(7013)), eventOf("/d/y", 7015, head(7013))],
  ]);
  const watcher = keys.watcher("/d", { recursive: true, afterIndex: 8 });
  assert.equal((await watcher.next(patience())).node.modifiedIndex, 7013);
  assert.equal((await watcher.next(patience())).node.modifiedIndex, 7015);
  assert.deepEqual(waitIndexes(server(0)), [9, 9, 7014]);
});

test("watcher: a cleared history with too few raft entries for a snapshot means that nothing was skipped (FF1)", async (t) => {
  const { keys, server } = await clusterOf(t, [
    [eventOf("/d/z", 4500, head(8, 100)), cleared(4500, head(4500, 5099)), eventOf("/d/z", 4501, head(4500, 5099))],
  ]);
  const watcher = keys.watcher("/d", { recursive: true, afterIndex: 8 });
  assert.equal((await watcher.next(patience())).node.modifiedIndex, 4500);
  assert.equal((await watcher.next(patience())).node.modifiedIndex, 4501);
  assert.deepEqual(waitIndexes(server(0)), [9, 9, 4501]);
});

test("watcher: if the only watched file is unchanged since the event, nothing was skipped (FF1)", async (t) => {
  const before = { key: "/d", value: "old", modifiedIndex: 5, createdIndex: 5 };
  const { keys, server } = await clusterOf(t, [[eventOf("/d", 9000, head(8), before)]]);
  const watcher = keys.watcher("/d/", { recursive: true, afterIndex: 8 });
  assert.equal((await watcher.next(patience())).node.modifiedIndex, 9000);
  assert.deepEqual(waitIndexes(server(0)), [9]);
});

test("watcher: a failure while the event is held back loses nothing (FF1)", async (t) => {
  const { keys, server } = await clusterOf(t, [
    [eventOf("/d/z", 7013, head(8)), raftTimeout(), eventOf("/d/a", 6900, head(7013))],
  ]);
  const watcher = keys.watcher("/d", { recursive: true, afterIndex: 8 });
  await assert.rejects(watcher.next(patience()), { code: "ERR_CLUSTER_UNAVAILABLE" });
  assert.equal((await watcher.next(patience())).node.modifiedIndex, 6900);
  assert.deepEqual(waitIndexes(server(0)), [9, 9, 9]);
});

test("watcher: a snapshot over few indexes is detected at the next poll, and next() rejects (FF1)", async (t) => {
  const parked = headersOnly(head(19, 6000));
  const { keys, server } = await clusterOf(t, [
    [eventOf("/d/z", 19, head(8, 100)), parked, eventOf("/d/a", 12, head(19, 6000))],
  ]);
  const watcher = keys.watcher("/d", { recursive: true, afterIndex: 8 });
  assert.equal((await watcher.next(patience())).node.modifiedIndex, 19);
  assert.ok(isIndexCleared(await rejection(watcher.next(patience()), EtcdError)));
  assert.ok(isIndexCleared(await rejection(watcher.next(patience()), EtcdError)));
  assert.deepEqual(waitIndexes(server(0)), [9, 20, 9, 9]);
});

test("watcher: many raft entries with nothing skipped: it continues, past hidden keys that only history reports (FF1)", async (t) => {
  const parked = headersOnly(head(19, 6000));
  const { keys, server } = await clusterOf(t, [
    [
      eventOf("/d/z", 19, head(8, 100)),
      parked,
      eventOf("/d/_hidden", 12, head(19, 6000)),
      eventOf("/d/z", 19, head(19, 6000)),
      eventOf("/d/y", 22, head(19, 6000)),
    ],
  ]);
  const watcher = keys.watcher("/d", { recursive: true, afterIndex: 8 });
  assert.equal((await watcher.next(patience())).node.modifiedIndex, 19);
  assert.equal((await watcher.next(patience())).node.modifiedIndex, 22);
  assert.deepEqual(waitIndexes(server(0)), [9, 20, 9, 13, 20]);
});

test("watcher: if nothing was missed, it sends one request per event, whatever happens to other keys (FF1)", async (t) => {
  const answers = Array.from({ length: 20 }, (_, i) => eventOf("/d/a", 300 * i + 200, head(300 * i, 310 * i + 7)));
  const { keys, server } = await clusterOf(t, [answers]);
  const watcher = keys.watcher("/d", { recursive: true });
  for (let i = 0; i < 20; i++) assert.equal((await watcher.next(patience())).node.modifiedIndex, 300 * i + 200);
  assert.equal(server(0).requests.length, 20);
});

test("watcher: an event at or below afterIndex is not delivered, the index never drops, and pauses grow (FF16)", async (t) => {
  const stale = event(569, head(571));
  const { keys, server } = await clusterOf(t, [
    [stale, stale, stale, event(571, head(571)), stale, event(573, head(571))],
  ]);
  const watcher = keys.watcher("/k", { recursive: true, afterIndex: 570 });
  const startMs = performance.now();
  assert.equal((await watcher.next(patience())).node.modifiedIndex, 571);
  // at least half of 100, 200 and 400 ms
  assert.ok(performance.now() - startMs > 340);
  assert.equal((await watcher.next(patience())).node.modifiedIndex, 573);
  assert.deepEqual(waitIndexes(server(0)), [571, 571, 571, 571, 572, 572]);
});

test("watcher: on another cluster id every next() rejects as soon as the headers arrive (FF2)", async (t) => {
  const { keys, server } = await clusterOf(t, [[event(43, head(42, 50, "a")), headersOnly(head(90, 99, "b"))]]);
  const watcher = keys.watcher("/k", { afterIndex: 42 });
  await watcher.next(patience());
  for (let i = 0; i < 2; i++) {
    const error = await rejection(watcher.next(patience()), EtcdError);
    assert.equal(error.errorCode, EtcdErrorCode.watcherCleared);
    assert.ok(isIndexCleared(error));
    assert.match(error.message, /cluster b answers, not a/);
  }
  await server(0).connectionsDownTo(0);
  // the client sends the first of them again once it knows that the whole cluster was replaced
  assert.deepEqual(waitIndexes(server(0)), [43, 44, 44, 44]);
});

test("watcher: the clusterId of the read counts from the first poll on (FF2)", async (t) => {
  const { keys } = await clusterOf(t, [[headersOnly(head(90, 99, "b"))]]);
  const watcher = keys.watcher("/k", { afterIndex: 42, clusterId: "a" });
  assert.ok(isIndexCleared(await rejection(watcher.next(patience()), EtcdError)));
});

test("watcher: of a cluster id that a proxy repeats the first counts, as for reads (FF2)", async (t) => {
  const { keys } = await clusterOf(t, [[event(43, head(42, 50, "a, a"))]]);
  const watcher = keys.watcher("/k", { afterIndex: 42, clusterId: "a" });
  assert.equal((await watcher.next(patience())).node.modifiedIndex, 43);
});

for (const staleFirst of [true, false]) {
  test(`watcher: of two that share a poll, only the one from another cluster rejects, ${staleFirst ? "even if it started the poll" : "also if it joined later"} (FF2)`, async (t) => {
    let finish = (): void => undefined;
    const parked: Answer = (response, request, socket) => {
      headersOnly(head(42, 50, "b"))(response, request, socket);
      const node = { key: "/k", value: "v", modifiedIndex: 43, createdIndex: 43 };
      finish = () => response.end(JSON.stringify({ action: "set", node }));
    };
    const { keys, server } = await clusterOf(t, [[parked]]);
    const stale = keys.watcher("/k", { afterIndex: 42, clusterId: "a" });
    const fresh = keys.watcher("/k", { afterIndex: 42, clusterId: "b" });
    const [first, second] = staleFirst ? [stale, fresh] : [fresh, stale];
    const [one, other] = [first.next(patience()), second.next(patience())];
    const [rejected, pending] = staleFirst ? [one, other] : [other, one];
    assert.ok(isIndexCleared(await rejection(rejected, EtcdError)));
    if (staleFirst) await until("the other one polls by itself", () => server(0).requests.length === 2);
    finish();
    assert.equal((await pending).node.modifiedIndex, 43);
  });
}

test("watcher: an index that went back, confirmed by quorum, makes next() reject (FF2)", async (t) => {
  const { keys, seen } = await clusterOf(t, [
    [
      headersOnly(head(3)),
      headersOnly(head(3)),
      reply(404, { errorCode: 100, message: "", cause: "/k", index: 3 }, head(3)),
    ],
  ]);
  const error = await rejection(keys.watcher("/k", { afterIndex: 100 }).next(patience()), EtcdError);
  assert.ok(isIndexCleared(error));
  assert.equal(error.index, 3);
  assert.deepEqual(
    seen(0).map(({ query }) => query.includes("quorum=true")),
    [false, false, true],
  );
});

test("watcher: it waits for a member that merely lags, with or without a quorum (FF2)", async (t) => {
  const lagging = headersOnly(head(90));
  const { keys, server } = await clusterOf(t, [
    [lagging, lagging, raftTimeout(), lagging, reply(200, { action: "get" }, head(100)), event(101, head(100))],
  ]);
  const got = await keys.watcher("/k", { afterIndex: 100 }).next(patience(30_000));
  assert.equal(got.node.modifiedIndex, 101);
  assert.equal(server(0).requests.length, 6);
});

test("watcher: an event from a member that was a moment behind costs no further request (FF2)", async (t) => {
  const late: Answer = (response, request, socket) => {
    headersOnly(head(99))(response, request, socket);
    setTimeout(() => response.end(JSON.stringify({ action: "set", node: { key: "/k", modifiedIndex: 101 } })), 100);
  };
  const { keys, server } = await clusterOf(t, [[late, ok()]]);
  assert.equal((await keys.watcher("/k", { afterIndex: 100 }).next(patience())).node.modifiedIndex, 101);
  assert.equal(server(0).requests.length, 1);
});

test("watcher: several events of one index, one per line, are delivered one by one, even with an abort in between", async (t) => {
  const line = (key: string, modifiedIndex: number): string =>
    JSON.stringify({ action: "set", node: { key, value: "v", modifiedIndex, createdIndex: modifiedIndex } });
  const { keys, server } = await clusterOf(t, [
    [reply(200, `${line("/d/a", 50)}\n${line("/d/b", 50)}\n${line("/d/c", 50)}\n`, head(49)), event(52, head(50))],
  ]);
  const watcher = keys.watcher("/d", { recursive: true, afterIndex: 40 });
  const seen = [(await watcher.next(patience())).node.key];
  await assert.rejects(watcher.next(AbortSignal.abort()), { name: "AbortError" });
  for (let i = 0; i < 3; i++) seen.push((await watcher.next(patience())).node.key);
  assert.deepEqual(seen, ["/d/a", "/d/b", "/d/c", "/k"]);
  assert.deepEqual(waitIndexes(server(0)), [41, 51]);
});

test("watcher: a broken line is a ResponseError, and nothing is skipped", async (t) => {
  const { keys, server } = await clusterOf(t, [
    [reply(200, '{"action":"set"}\n{"acti', head(49)), event(52, head(50))],
  ]);
  const watcher = keys.watcher("/d", { recursive: true, afterIndex: 40 });
  await assert.rejects(watcher.next(patience()), { code: "ERR_INVALID_JSON" });
  assert.equal((await watcher.next(patience())).node.modifiedIndex, 52);
  assert.deepEqual(waitIndexes(server(0)), [41, 41]);
});
