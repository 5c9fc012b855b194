import assert from "node:assert/strict";
import test, { type TestContext } from "node:test";
import { ClusterError, EtcdError, isIndexCleared, isUnauthorized, ResponseError } from "../util/errors.js";
import type { MirrorUpdate } from "./mirror-changes.js";
import { Mirror } from "./mirror.js";
import type { MirrorOptions } from "./mirror-options.js";
import { clusterOf, settled, type ScriptedCluster } from "../test-kit/scripted-cluster.js";
import {
  closeUnanswered,
  headersOnly,
  raftTimeout,
  reply,
  silence,
  waitIndexes,
  type Answer,
} from "../test-kit/scripted-server.js";
import { patience } from "../test-kit/waiting.js";
import type { FakeKeys } from "../testing/index.js";
import { fakeBy, type FakeWithClient } from "../testing/test-kit/fakes.js";

interface File {
  readonly key: string;
  readonly value: string;
  readonly createdIndex: number;
  readonly modifiedIndex: number;
}

function file(key: string, value: string, modifiedIndex: number, createdIndex = modifiedIndex): File {
  return { key, value, createdIndex, modifiedIndex };
}

function headers(index: number): Readonly<Record<string, string>> {
  return { "x-etcd-index": String(index) };
}

function list(index: number, ...nodes: readonly File[]): Answer {
  return reply(
    200,
    { action: "get", node: { key: "/d", dir: true, nodes, createdIndex: 1, modifiedIndex: 1 } },
    headers(index),
  );
}

function event(action: string, node: object, prevNode?: object): Answer {
  return reply(200, { action, node, prevNode }, headers(1));
}

interface Ground extends ScriptedCluster {
  readonly mirror: Mirror;
  readonly errors: readonly unknown[];
  readonly next: () => Promise<MirrorUpdate>;
}

/** A mirror of /d on one server with the given script, which is silent afterwards. */
async function ground(t: TestContext, script: readonly Answer[], options: MirrorOptions = {}): Promise<Ground> {
  const cluster = await clusterOf(t, [[...script, headersOnly()]]);
  const errors: unknown[] = [];
  const mirror = new Mirror(cluster.keys, "/d", {
    minRetryMs: 1,
    maxRetryMs: 5,
    onError: (error) => errors.push(error),
    ...options,
  });
  return { ...cluster, mirror, errors, next: () => mirror.next(patience()) };
}

interface FakeGround extends Pick<FakeWithClient, "etcd" | "keys"> {
  readonly mirror: Mirror;
  readonly errors: readonly unknown[];
  readonly next: () => Promise<MirrorUpdate>;
  /** The index before the mirror's first read. */
  readonly base: number;
  /** The indexes of its polls, counted from `base`. */
  readonly polled: () => readonly number[];
}

/** A mirror of /d in a fake etcd that holds `files`. */
async function onFake(t: TestContext, files: FakeKeys, key = "/d"): Promise<FakeGround> {
  const fake = await fakeBy("http", { keys: files });
  t.after(() => fake[Symbol.asyncDispose]());
  const { etcd, keys } = fake;
  const errors: unknown[] = [];
  const mirror = new Mirror(keys, key, { minRetryMs: 1, maxRetryMs: 5, onError: (error) => errors.push(error) });
  const base = etcd.index;
  const polled = (): readonly number[] =>
    etcd.requests.filter(({ query }) => query["wait"] === "true").map(({ query }) => Number(query["waitIndex"]) - base);
  return { etcd, keys, mirror, errors, next: () => mirror.next(patience()), base, polled };
}

/** `kind@index: +key=value -key`, with `~` for a key that was already known. The index is counted from `base`. */
function show({ kind, index, changes }: MirrorUpdate, base = 0): string {
  const shown = changes.map(({ type, node, prevNode }) =>
    type === "remove" ? `-${node.key}` : `${prevNode === undefined ? "+" : "~"}${node.key}=${node.value}`,
  );
  return [`${kind}@${String(index - base)}:`, ...shown].join(" ");
}

function held({ nodes }: Mirror): string {
  return [...nodes.values()].map(({ key, value }) => `${key}=${value}`).join(" ");
}

test("mirror: it reads the subtree, then watches from the index of that read", async (t) => {
  const { etcd, keys, mirror, next, base, polled } = await onFake(t, { "/d/a": "1", "/d/b": "2" });
  assert.equal(mirror.index, 0);
  assert.equal(held(mirror), "");
  const first = await next();
  await keys.create("/d/c", "3");
  await keys.set("/d/a", "4", { prevValue: "1" });
  await keys.delete("/d/b");
  const updates = [first, await next(), await next(), await next()];
  assert.deepEqual(
    updates.map((update) => show(update, base)),
    ["list@0: +/d/a=1 +/d/b=2", "event@1: +/d/c=3", "event@2: ~/d/a=4", "event@3: -/d/b"],
  );
  assert.deepEqual(
    updates.map(({ changes }) => changes.map(({ action }) => action).join()),
    ["list,list", "create", "compareAndSwap", "delete"],
  );
  assert.equal(updates[3]?.changes[0]?.node.value, "2", "what went is told as it was");
  assert.equal(held(mirror), "/d/a=4 /d/c=3");
  assert.equal(mirror.index, base + 3);
  assert.deepEqual(etcd.requests[0]?.query, { quorum: "false", recursive: "true", sorted: "true" });
  assert.deepEqual(polled(), [1, 2, 3]);
});

test("mirror: a key that does not exist is an empty subtree, watched from the index of the error", async (t) => {
  const { etcd, next, base, polled } = await onFake(t, { "/other": "1" });
  assert.equal(show(await next(), base), "list@0:");
  etcd.load({ "/elsewhere": "1", "/d/a": "1" });
  assert.equal(show(await next(), base), "event@2: +/d/a=1");
  assert.deepEqual(polled(), [1]);
});

test("mirror: a key below a file does not exist, and is followed when a directory takes the place of the file", async (t) => {
  const { etcd, next, base } = await onFake(t, { "/d": "1" }, "/d/e");
  assert.equal(show(await next(), base), "list@0:");
  etcd.expire("/d");
  etcd.load({ "/d/e": "1" });
  assert.equal(show(await next(), base), "event@2: +/d/e=1");
});

test("mirror: a file is a subtree with one entry", async (t) => {
  const { etcd, next, base } = await onFake(t, { "/d": "1" });
  assert.equal(show(await next(), base), "list@0: +/d=1");
  etcd.load({ "/d": "2" });
  etcd.expire("/d");
  assert.equal(show(await next(), base), "event@1: ~/d=2");
  assert.equal(show(await next(), base), "event@2: -/d");
});

test("mirror: failures of the read and of the watch are reported and retried from the same index", async (t) => {
  const { next, errors, server } = await ground(t, [
    raftTimeout(),
    list(9),
    reply(503, "no"),
    closeUnanswered(),
    event("set", file("/d/a", "1", 11)),
  ]);
  assert.deepEqual([show(await next()), show(await next())], ["list@9:", "event@11: +/d/a=1"]);
  // a poll that ends empty is not a failure: the watcher polls again by itself
  assert.equal(errors.length, 2);
  assert.ok(errors.every((error) => error instanceof ClusterError));
  assert.deepEqual(
    waitIndexes(server(0)).filter((index) => !Number.isNaN(index)),
    [10, 10, 10],
  );
});

test("mirror: after cleared history it reads again and delivers only the difference", async (t) => {
  const names = ["gone", "same", "changed", "recreated", "refreshed"];
  const files = Object.fromEntries(names.map((name, i) => [`/d/${name}`, String(i + 1)]));
  const { etcd, keys, mirror, next, errors, polled } = await onFake(t, files);
  await next();
  etcd.expire("/d/gone");
  await keys.update("/d/changed", "33");
  etcd.load({ "/d/recreated": "4" });
  const refreshed = await keys.refresh("/d/refreshed", 100);
  etcd.load({ "/d/new": "6" });
  etcd.clearHistory();
  const reached = etcd.index;
  const update = await next();
  assert.equal(show(update, reached), "list@0: -/d/gone ~/d/changed=33 +/d/new=6 ~/d/recreated=4");
  assert.ok(update.changes.every(({ action }) => action === "list"));
  assert.equal(mirror.nodes.get("/d/refreshed")?.modifiedIndex, refreshed.node.modifiedIndex);
  assert.ok(errors.length === 1 && isIndexCleared(errors[0]));
  etcd.load({ "/d/a": "1" });
  assert.equal(show(await next(), reached), "event@1: +/d/a=1");
  assert.deepEqual(polled(), [1, 6]);
});

test("mirror: cleared history without a difference is a list without changes", async (t) => {
  const { etcd, next } = await onFake(t, { "/d/a": "1" });
  await next();
  etcd.load({ "/other": "1" });
  etcd.clearHistory();
  assert.equal(show(await next(), etcd.index), "list@0:");
});

test("mirror: a read older than the known state is repeated by quorum", async (t) => {
  const { mirror, next, seen } = await ground(t, [
    list(9, file("/d/a", "1", 4)),
    list(7),
    list(10, file("/d/a", "2", 10)),
  ]);
  await next();
  mirror.resync();
  assert.equal(show(await next()), "list@10: ~/d/a=2");
  assert.deepEqual(
    seen(0).map(({ query }) => query.includes("quorum=true")),
    [false, false, true],
  );
});

test("mirror: a store that went back is accepted if a quorum confirms it", async (t) => {
  const { mirror, next } = await ground(t, [
    list(900, file("/d/a", "1", 4)),
    list(5),
    list(5),
    event("set", file("/d/b", "1", 6)),
  ]);
  await next();
  mirror.resync();
  assert.equal(show(await next()), "list@5: -/d/a");
  assert.equal(show(await next()), "event@6: +/d/b=1");
});

test("mirror: the deletion of the directory or of one above it removes all files below", async (t) => {
  const ends: Readonly<Record<string, string>> = {
    "/top/d/a": "-/top/d/a/1 -/top/d/a/2",
    "/top/d": "-/top/d/a/1 -/top/d/a/2 -/top/d/ab",
    "/top": "-/top/d/a/1 -/top/d/a/2 -/top/d/ab",
  };
  for (const [key, expected] of Object.entries(ends)) {
    for (const action of ["delete", "expire"]) {
      const files = { "/top/d/a/1": "1", "/top/d/a/2": "2", "/top/d/ab": "3" };
      const { etcd, keys, next, base } = await onFake(t, files, "/top/d");
      await next();
      if (action === "expire") etcd.expire(key);
      else await keys.delete(key, { recursive: true });
      const update = await next();
      assert.equal(show(update, base), `event@1: ${expected}`);
      assert.equal(update.changes[0]?.action, action);
    }
  }
});

test("mirror: events that change no visible file are not updates: new directories, their TTL, hidden names, unknown keys", async (t) => {
  const { etcd, keys, mirror, next, base } = await onFake(t, { "/d/a/1": "1" });
  await next();
  etcd.load({ "/d/b": { dir: true } });
  for (const key of ["/d/a", "/d"]) await keys.set(key, "", { dir: true, prevExist: true, ttl: 1_000 });
  etcd.load({ "/d/_hidden": "x", "/d/a/_hidden/x": "x", "/d/c": { dir: true } });
  await keys.delete("/d/_hidden");
  await keys.delete("/d/c", { dir: true });
  etcd.load({ "/d/a/1": "2" });
  assert.equal(show(await next(), base), "event@9: ~/d/a/1=2");
  assert.equal(held(mirror), "/d/a/1=2");
});

test("mirror: if the mirrored directory is hidden itself, only hidden names below it are left out", async (t) => {
  const { etcd, next, base } = await onFake(t, {}, "/_d/");
  assert.equal(show(await next(), base), "list@0:");
  etcd.load({ "/_d/a": "1", "/_d/_b": "1", "/_d/c": "1" });
  assert.equal(show(await next(), base), "event@1: +/_d/a=1");
  assert.equal(show(await next(), base), "event@3: +/_d/c=1");
});

test("mirror: a directory in place of a file removes the file", async (t) => {
  const { etcd, next, base } = await onFake(t, { "/d/a": "1" });
  await next();
  etcd.load({ "/d/a": { dir: true } });
  assert.equal(show(await next(), base), "event@1: -/d/a");
});

test("mirror: a final error of the read or the watch rejects, and the next call continues", async (t) => {
  const refused = reply(401, {
    errorCode: 110,
    message: "The request requires user authentication",
    cause: "Insufficient credentials",
    index: 0,
  });
  const { mirror, next, errors, server } = await ground(t, [
    refused,
    reply(404, "404 page not found"),
    list(9),
    refused,
    event("set", file("/d/a", "1", 10)),
  ]);
  await assert.rejects(next(), (error) => error instanceof EtcdError && isUnauthorized(error));
  await assert.rejects(next(), ResponseError);
  assert.equal(show(await next()), "list@9:");
  await assert.rejects(next(), isUnauthorized);
  assert.equal(show(await next()), "event@10: +/d/a=1");
  assert.equal(mirror.index, 10);
  assert.deepEqual(errors, []);
  assert.deepEqual(waitIndexes(server(0)).slice(3), [10, 10]);
});

test("mirror: a closed client ends it", async (t) => {
  const { client, next } = await ground(t, [list(9)]);
  await next();
  const pending = settled(next());
  await client.close();
  assert.equal(((await pending) as { code?: unknown }).code, "ERR_CLOSED");
  await assert.rejects(next(), { code: "ERR_CLOSED" });
});

test("mirror: an aborted call rejects with the reason, and the next one continues without loss", async (t) => {
  const { mirror, server } = await ground(t, [silence(), list(9), headersOnly(), event("set", file("/d/a", "1", 10))]);
  for (const requests of [1, 3]) {
    const abort = new AbortController();
    const pending = settled(mirror.next(abort.signal));
    await server(0).received(requests);
    const reason = new Error(`at ${String(requests)}`);
    abort.abort(reason);
    assert.equal(await pending, reason);
    if (requests === 1) assert.equal(show(await mirror.next(patience())), "list@9:");
  }
  assert.equal(show(await mirror.next(patience())), "event@10: +/d/a=1");
});

test("mirror: an abort ends the pause after a failure", async (t) => {
  const abort = new AbortController();
  const reason = new Error("enough");
  const { mirror } = await ground(t, [raftTimeout()], {
    minRetryMs: 60_000,
    onError: () => {
      setImmediate(() => {
        abort.abort(reason);
      });
    },
  });
  assert.equal(await settled(mirror.next(abort.signal)), reason);
});

test("mirror: only one call at a time is allowed", async (t) => {
  const { mirror } = await ground(t, [silence()]);
  const abort = new AbortController();
  const first = settled(mirror.next(abort.signal));
  await assert.rejects(mirror.next(), { code: "ERR_BUSY" });
  abort.abort();
  await first;
});

test("mirror: resync() makes the next call read", async (t) => {
  const { etcd, keys, mirror, next, base } = await onFake(t, { "/d/a": "1" });
  await next();
  await keys.delete("/d/a");
  etcd.load({ "/d/b": "1" });
  mirror.resync();
  assert.equal(show(await next(), base), "list@2: -/d/a +/d/b=1");
});

test("mirror: updates() calls next forever, and nodes is a snapshot", async (t) => {
  const { etcd, mirror, base } = await onFake(t, { "/d/a": "1" });
  const shown: string[] = [];
  const snapshots: number[] = [];
  for await (const update of mirror.updates(patience())) {
    shown.push(show(update, base));
    const { nodes } = mirror;
    (nodes as Map<string, unknown>).delete("/d/a");
    snapshots.push(nodes.size);
    if (shown.length === 1) etcd.load({ "/d/b": "1", "/d/c": "1" });
    if (shown.length === 3) break;
  }
  assert.deepEqual(shown, ["list@0: +/d/a=1", "event@1: +/d/b=1", "event@2: +/d/c=1"]);
  assert.deepEqual(snapshots, [0, 1, 2]);
});

test("mirror: bad arguments are refused without I/O", async (t) => {
  const { keys, seen, mirror } = await ground(t, []);
  assert.throws(() => new Mirror(keys, "/a/../b"), { code: "ERR_ARGUMENT" });
  for (const bad of [{ minRetryMs: 0 }, { maxRetryMs: -1 }, { onError: 1 }, { nonsense: 1 }]) {
    assert.throws(() => new Mirror(keys, "/d", bad as unknown as MirrorOptions), { code: "ERR_ARGUMENT" });
  }
  await assert.rejects(mirror.next(1 as unknown as AbortSignal), { code: "ERR_ARGUMENT" });
  assert.deepEqual(seen(0), []);
});
