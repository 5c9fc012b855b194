import assert from "node:assert/strict";
import { getEventListeners } from "node:events";
import test from "node:test";
import { ClusterError, UsageError } from "../../util/errors.js";
import type { Exchange, Sender } from "../../http/exchange.js";
import { clusterOf, rejection, settled } from "../../test-kit/scripted-cluster.js";
import {
  clientOf,
  closeUnanswered,
  event,
  headersOnly,
  ok,
  okBody,
  raftTimeout,
  reply,
  silence,
  waitIndexes,
  type Answer,
} from "../../test-kit/scripted-server.js";
import { limitMs, patience } from "../../test-kit/waiting.js";
import { KeysAPI } from "../keys.js";

const waiting = headersOnly({ "x-etcd-index": "20" });

test("shared polls: a thousand watchers of one key send one request per event, and each receives it", async (t) => {
  const { keys, server } = await clusterOf(t, [[event(21), event(22), event(23)]]);
  const watchers = Array.from({ length: 1_000 }, () => keys.watcher("/k", { afterIndex: 20 }));
  for (const index of [21, 22, 23]) {
    const seen = await Promise.all(watchers.map((watcher) => watcher.next(patience())));
    assert.deepEqual(new Set(seen.map(({ node }) => node.modifiedIndex)), new Set([index]));
    assert.equal(new Set(seen).size, 1_000, "each has an answer of its own, which it may change");
  }
  assert.deepEqual(waitIndexes(server(0)), [21, 22, 23]);
});

test("shared polls: a different key, index or recursive flag is a different poll", async (t) => {
  const { keys, server, counts } = await clusterOf(t, [[waiting]]);
  const signal = patience();
  const calls = [
    keys.watcher("/k", { afterIndex: 20 }),
    keys.watcher("/k", { afterIndex: 20 }),
    keys.watcher("/k2", { afterIndex: 20 }),
    keys.watcher("/k", { afterIndex: 21 }),
    keys.watcher("/k", { afterIndex: 20, recursive: true }),
  ].map((watcher) => settled(watcher.next(signal)));
  await server(0).received(4);
  server(0).script(ok());
  await keys.get("/other");
  assert.deepEqual(counts(), [5]);
  await server(0).close();
  await Promise.all(calls);
});

test("shared polls: watchers from now on do not share a poll, since each begins at its own moment", async (t) => {
  const { keys, server } = await clusterOf(t, [[event(21)]]);
  await Promise.all([keys.watcher("/k").next(patience()), keys.watcher("/k").next(patience())]);
  assert.deepEqual(waitIndexes(server(0)), [0, 0]);
});

test("shared polls: an abort affects only its own caller; if that caller started the poll, the others start one new poll", async (t) => {
  const { keys, server } = await clusterOf(t, [[waiting]]);
  const [owner, guest] = [new AbortController(), new AbortController()];
  const first = settled(keys.watcher("/k", { afterIndex: 20 }).next(owner.signal));
  const second = settled(keys.watcher("/k", { afterIndex: 20 }).next(guest.signal));
  const others = Array.from({ length: 10 }, () => keys.watcher("/k", { afterIndex: 20 }).next(patience()));
  await server(0).received(1);
  guest.abort(new Error("guest"));
  assert.equal(await second, guest.signal.reason);
  assert.equal(server(0).connections, 1);
  owner.abort(new Error("owner"));
  assert.equal(await first, owner.signal.reason);
  server(0).script(event(21), waiting);
  assert.deepEqual(new Set((await Promise.all(others)).map(({ node }) => node.modifiedIndex)), new Set([21]));
  assert.deepEqual(waitIndexes(server(0)), [21, 21]);
  for (const { signal } of [owner, guest]) assert.equal(getEventListeners(signal, "abort").length, 0);
});

test("shared polls: the poll ends when its last caller aborts", async (t) => {
  const { keys, server } = await clusterOf(t, [[waiting]]);
  const aborts = Array.from({ length: 3 }, () => new AbortController());
  const calls = aborts.map(({ signal }) => settled(keys.watcher("/k", { afterIndex: 20 }).next(signal)));
  await server(0).received(1);
  for (const abort of aborts) abort.abort(new Error("over"));
  assert.deepEqual(
    await Promise.all(calls),
    aborts.map(({ signal }) => signal.reason as unknown),
  );
  await server(0).connectionsDownTo(0);
});

test("shared polls: a failure rejects every caller, and each watcher continues from its index", async (t) => {
  const { keys, server } = await clusterOf(t, [[closeUnanswered(), raftTimeout(), event(21)]]);
  const watchers = Array.from({ length: 3 }, () => keys.watcher("/k", { afterIndex: 20 }));
  for (const code of ["ERR_NETWORK", "ERR_SERVER"]) {
    const failures = await Promise.all(watchers.map((watcher) => rejection(watcher.next(patience()), ClusterError)));
    for (const { errors } of failures)
      assert.deepEqual(
        errors.map((error) => error.code),
        [code],
      );
  }
  const seen = await Promise.all(watchers.map((watcher) => watcher.next(patience())));
  assert.deepEqual(
    seen.map(({ node }) => node.modifiedIndex),
    [21, 21, 21],
  );
  assert.deepEqual(waitIndexes(server(0)), [21, 21, 21]);
});

test("shared polls: after a failover new callers do not join a poll that may hang", async (t) => {
  const { keys, server, counts } = await clusterOf(
    t,
    [
      [waiting, silence()],
      [ok(), event(21)],
    ],
    { headerTimeoutMs: limitMs },
  );
  const abort = new AbortController();
  const hanging = settled(keys.watcher("/k", { afterIndex: 20 }).next(abort.signal));
  await server(0).received(1);
  await keys.get("/k");
  assert.equal((await keys.watcher("/k", { afterIndex: 20 }).next(patience())).node.modifiedIndex, 21);
  assert.deepEqual(counts(), [2, 2]);
  abort.abort(new Error("over"));
  assert.equal(await hanging, abort.signal.reason);
});

test("shared polls: after setEndpoints new callers do not join a poll to the old endpoints", async (t) => {
  const { client, keys, server, counts } = await clusterOf(t, [[waiting], [event(21)]]);
  client.setEndpoints([server(0).url]);
  const old = settled(keys.watcher("/k", { afterIndex: 20 }).next(patience()));
  await server(0).received(1);
  client.setEndpoints([server(1).url]);
  await keys.watcher("/k", { afterIndex: 20 }).next(patience());
  assert.deepEqual(counts(), [1, 1]);
  await client.close();
  await old;
});

test("shared polls: closing the client ends them for every caller", async (t) => {
  const { client, keys, server } = await clusterOf(t, [[waiting]]);
  const calls = Array.from({ length: 3 }, () => rejection(keys.watcher("/k", { afterIndex: 20 }).next(), UsageError));
  await server(0).received(1);
  await client.close();
  for (const { code } of await Promise.all(calls)) assert.equal(code, "ERR_CLOSED");
  await server(0).connectionsDownTo(0);
});

test("shared polls: a poll with headers or limits of its own is never shared", async (t) => {
  const { client, server } = await clusterOf(t, [[event(21)]]);
  const spec = {
    method: "GET",
    path: "/v2/keys/k",
    query: "wait=true&waitIndex=21",
    longPoll: true,
    shared: true,
  } as const;
  const limits = { headersMs: Infinity, idleMs: 60_000 };
  const heads: number[] = [];
  const send: Sender["send"] = (...args) => client.send(...args);
  await Promise.all([
    send(spec),
    send(spec),
    send({ ...spec, headers: { "x-mark": "here" } }),
    send({ ...spec, limits }),
    // shared; its onHeaders is still called
    send({ ...spec, onHeaders: ({ status }) => heads.push(status) }),
  ]);
  assert.equal(server(0).requests.length, 3);
  assert.deepEqual(heads, [200]);
});

test("shared polls: a caller whose wait was aborted does not join the same poll again", async (t) => {
  const { keys, server } = await clusterOf(t, [[waiting, event(21)]]);
  const abort = new AbortController();
  const hanging = settled(keys.watcher("/k", { afterIndex: 20 }).next(abort.signal));
  await server(0).received(1);
  const watcher = keys.watcher("/k", { afterIndex: 20 });
  const patient = AbortSignal.timeout(1_200);
  assert.equal(await settled(watcher.next(patient)), patient.reason);
  assert.equal((await watcher.next(patience())).node.modifiedIndex, 21);
  abort.abort(new Error("over"));
  assert.equal(await hanging, abort.signal.reason);
});

test("shared polls: if the caller that started a poll aborts after a failover, the others poll the new endpoint", async (t) => {
  const { keys, server, counts } = await clusterOf(
    t,
    [
      [waiting, silence()],
      [ok(), event(21)],
    ],
    { headerTimeoutMs: limitMs },
  );
  const owner = new AbortController();
  const first = settled(keys.watcher("/k", { afterIndex: 20 }).next(owner.signal));
  const second = keys.watcher("/k", { afterIndex: 20 }).next(patience());
  await server(0).received(1);
  await keys.get("/k");
  owner.abort(new Error("over"));
  assert.equal(await first, owner.signal.reason);
  assert.equal((await second).node.modifiedIndex, 21);
  assert.deepEqual(counts(), [2, 2]);
});

test("shared polls: a request that is not a long poll is never shared, even with shared set", async (t) => {
  const { client, seen } = await clusterOf(t, [[ok()]]);
  const spec = { method: "PUT", path: "/v2/keys/k", longPoll: true, shared: true } as const;
  await Promise.all([client.send({ ...spec, body: "value=a" }), client.send({ ...spec, body: "value=b" })]);
  const short = { method: "GET", path: "/v2/keys/k", shared: true } as const;
  await Promise.all([client.send(short), client.send(short)]);
  assert.equal(seen(0).length, 4);
});

test("shared polls: a response that arrives while its first caller aborts reaches the others exactly once", async (t) => {
  const late: Answer = async (response, request, socket) => {
    abort.abort(new Error("over"));
    await event(21)(response, request, socket);
  };
  const abort = new AbortController();
  const { keys } = await clusterOf(t, [[late, event(21), event(22)]]);
  const owned = settled(keys.watcher("/k", { afterIndex: 20 }).next(abort.signal));
  const watcher = keys.watcher("/k", { afterIndex: 20 });
  const seen = [
    (await watcher.next(patience())).node.modifiedIndex,
    (await watcher.next(patience())).node.modifiedIndex,
  ];
  assert.equal(await owned, abort.signal.reason);
  assert.deepEqual(seen, [21, 22]);
});

test("shared polls: when a promise of onHeaders resolves, the poll ends early for all callers, on each transport", async (t) => {
  const { client, server } = await clusterOf(t, [[waiting]]);
  const spec = {
    method: "GET",
    path: "/v2/keys/k",
    query: "wait=true&waitIndex=21",
    longPoll: true,
    shared: true,
  } as const;
  const own = client.send({ ...spec, onHeaders: () => Promise.resolve() });
  const [one, other] = await Promise.all([own, client.send(spec)]);
  for (const { truncated, headers } of [one, other]) {
    assert.equal(truncated, true);
    assert.equal(headers["x-etcd-index"], "20");
  }
  assert.equal(server(0).requests.length, 1);
  await server(0).connectionsDownTo(0);
});

test("shared polls: when a poll goes on from another cluster to ours, every caller hears of our headers (FF12)", async (t) => {
  const stranger = headersOnly({ "x-etcd-cluster-id": "another", "x-etcd-index": "900" });
  const ours = { "x-etcd-cluster-id": "ours", "x-etcd-index": "20" };
  const script =
    (headers: Readonly<Record<string, string>>, poll: Answer): Answer =>
    (...args) =>
      (args[1].path === "/v2/members" ? reply(200, { members: [] }, headers) : poll)(...args);
  const { keys } = await clusterOf(t, [
    [script({ "x-etcd-cluster-id": "another" }, stranger)],
    [script(ours, event(21, ours))],
    [script(ours, event(21, ours))],
  ]);
  const watchers = Array.from({ length: 3 }, () => keys.watcher("/k", { afterIndex: 20 }));
  for (const { clusterId } of await Promise.all(watchers.map((watcher) => watcher.next(patience()))))
    assert.equal(clusterId, "ours");
});

test("shared polls: a transport may call onHeaders before it returns", async (t) => {
  const head = { status: 200, headers: { "x-etcd-index": "20" } };
  const transport: Exchange = (_url, spec) => {
    spec.onHeaders?.(head);
    return Promise.resolve({ ...head, body: JSON.stringify(okBody) });
  };
  const client = clientOf(["http://127.0.0.1:1"], { transport });
  t.after(() => client.close());
  const watchers = Array.from({ length: 3 }, () => new KeysAPI(client).watcher("/k", { afterIndex: 6 }));
  // the first request of a client waits for its log, the second one goes out at once
  for (const watcher of watchers) assert.equal((await watcher.next(patience())).node.modifiedIndex, 7);
});
