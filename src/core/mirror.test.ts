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

function missing(index: number): Answer {
  return reply(404, { errorCode: 100, message: "Key not found", cause: "/d", index }, headers(index));
}

function event(action: string, node: object, prevNode?: object): Answer {
  return reply(200, { action, node, prevNode }, headers(1));
}

function directory(key: string, modifiedIndex: number): object {
  return { key, dir: true, createdIndex: 1, modifiedIndex };
}

function cleared(index: number): Answer {
  return reply(400, {
    errorCode: 401,
    message: "The event in requested index is outdated and cleared",
    cause: "history",
    index,
  });
}

interface Ground extends ScriptedCluster {
  readonly mirror: Mirror;
  readonly errors: readonly unknown[];
  readonly next: () => Promise<MirrorUpdate>;
}

/** A mirror of /d on one server with the given script, which is silent afterwards. */
async function ground(
  t: TestContext,
  script: readonly Answer[],
  { key = "/d", ...options }: MirrorOptions & { readonly key?: string } = {},
): Promise<Ground> {
  const cluster = await clusterOf(t, [[...script, headersOnly()]]);
  const errors: unknown[] = [];
  const mirror = new Mirror(cluster.keys, key, {
    minRetryMs: 1,
    maxRetryMs: 5,
    onError: (error) => errors.push(error),
    ...options,
  });
  return { ...cluster, mirror, errors, next: () => mirror.next(patience()) };
}

/** `kind@index: +key=value -key`, with `~` for a key that was already known. */
function show({ kind, index, changes }: MirrorUpdate): string {
  const shown = changes.map(({ type, node, prevNode }) =>
    type === "remove" ? `-${node.key}` : `${prevNode === undefined ? "+" : "~"}${node.key}=${node.value}`,
  );
  return [`${kind}@${String(index)}:`, ...shown].join(" ");
}

function held({ nodes }: Mirror): string {
  return [...nodes.values()].map(({ key, value }) => `${key}=${value}`).join(" ");
}

test("mirror: it reads the subtree, then watches from the index of that read", async (t) => {
  const { mirror, next, seen, server } = await ground(t, [
    list(9, file("/d/a", "1", 4), file("/d/b", "2", 5)),
    event("create", file("/d/c", "3", 12)),
    event("compareAndSwap", file("/d/a", "4", 13, 4), file("/d/a", "1", 4)),
    event("delete", file("/d/b", "", 14, 5), file("/d/b", "2", 5)),
  ]);
  assert.equal(mirror.index, 0);
  assert.equal(held(mirror), "");
  const updates = [await next(), await next(), await next(), await next()];
  assert.deepEqual(updates.map(show), [
    "list@9: +/d/a=1 +/d/b=2",
    "event@12: +/d/c=3",
    "event@13: ~/d/a=4",
    "event@14: -/d/b",
  ]);
  assert.deepEqual(
    updates.map(({ changes }) => changes.map(({ action }) => action).join()),
    ["list,list", "create", "compareAndSwap", "delete"],
  );
  assert.equal(updates[3]?.changes[0]?.node.value, "2", "what went is told as it was");
  assert.equal(held(mirror), "/d/a=4 /d/c=3");
  assert.equal(mirror.index, 14);
  assert.deepEqual(seen(0)[0]?.query, ["quorum=false", "recursive=true", "sorted=true"]);
  assert.deepEqual(waitIndexes(server(0)).slice(1), [10, 13, 14]);
});

test("mirror: a key that does not exist is an empty subtree, watched from the index of the error", async (t) => {
  const { next, server } = await ground(t, [missing(20), event("set", file("/d/a", "1", 22))]);
  assert.deepEqual([show(await next()), show(await next())], ["list@20:", "event@22: +/d/a=1"]);
  assert.deepEqual(waitIndexes(server(0)).slice(1), [21]);
});

test("mirror: a file is a subtree with one entry", async (t) => {
  const { next } = await ground(t, [
    reply(200, { action: "get", node: file("/d", "1", 4) }, headers(4)),
    event("set", file("/d", "2", 5)),
    event("expire", file("/d", "", 6, 5), file("/d", "2", 5)),
  ]);
  assert.deepEqual(
    [show(await next()), show(await next()), show(await next())],
    ["list@4: +/d=1", "event@5: ~/d=2", "event@6: -/d"],
  );
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
  const { mirror, next, errors, server } = await ground(t, [
    list(
      9,
      file("/d/gone", "1", 4),
      file("/d/same", "2", 5),
      file("/d/changed", "3", 6),
      file("/d/recreated", "4", 7),
      file("/d/refreshed", "5", 8),
    ),
    cleared(2000),
    list(
      2001,
      file("/d/same", "2", 5),
      file("/d/changed", "33", 1900, 6),
      file("/d/recreated", "4", 1901),
      file("/d/refreshed", "5", 1902, 8),
      file("/d/new", "6", 1903),
    ),
    event("set", file("/d/a", "1", 2002)),
  ]);
  await next();
  const update = await next();
  assert.equal(show(update), "list@2001: -/d/gone ~/d/changed=33 ~/d/recreated=4 +/d/new=6");
  assert.ok(update.changes.every(({ action }) => action === "list"));
  assert.equal(mirror.nodes.get("/d/refreshed")?.modifiedIndex, 1902);
  assert.ok(errors.length === 1 && isIndexCleared(errors[0]));
  assert.equal(show(await next()), "event@2002: +/d/a=1");
  assert.deepEqual(
    waitIndexes(server(0)).filter((index) => !Number.isNaN(index)),
    [10, 2002],
  );
});

test("mirror: cleared history without a difference is a list without changes", async (t) => {
  const { next } = await ground(t, [list(9, file("/d/a", "1", 4)), cleared(2000), list(2000, file("/d/a", "1", 4))]);
  await next();
  assert.equal(show(await next()), "list@2000:");
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
  const start = [file("/d/a/1", "1", 4), file("/d/a/2", "2", 5), file("/d/ab", "3", 6)];
  const ends: Readonly<Record<string, string>> = {
    "/d/a": "-/d/a/1 -/d/a/2",
    "/d": "-/d/a/1 -/d/a/2 -/d/ab",
    "/": "-/d/a/1 -/d/a/2 -/d/ab",
  };
  for (const [key, expected] of Object.entries(ends)) {
    for (const action of ["delete", "expire"]) {
      const { next } = await ground(t, [list(9, ...start), event(action, directory(key, 12))]);
      await next();
      assert.equal(show(await next()), `event@12: ${expected}`);
    }
  }
});

test("mirror: events that change no visible file are not updates: new directories, their TTL, hidden names, unknown keys", async (t) => {
  const { mirror, next } = await ground(t, [
    list(9, file("/d/a/1", "1", 4)),
    event("set", directory("/d/b", 10)),
    event("update", directory("/d/a", 11), directory("/d/a", 1)),
    event("update", directory("/d", 12), directory("/d", 1)),
    event("set", file("/d/_hidden", "x", 13)),
    event("set", file("/d/a/_hidden/x", "x", 14)),
    event("delete", file("/d/_hidden", "", 15)),
    event("delete", directory("/d/c", 16)),
    event("set", file("/d/a/1", "2", 17)),
  ]);
  await next();
  assert.equal(show(await next()), "event@17: ~/d/a/1=2");
  assert.equal(held(mirror), "/d/a/1=2");
});

test("mirror: if the mirrored directory is hidden itself, only hidden names below it are left out", async (t) => {
  const { next } = await ground(
    t,
    [
      missing(9),
      event("set", file("/_d/a", "1", 10)),
      event("set", file("/_d/_b", "1", 11)),
      event("set", file("/_d/c", "1", 12)),
    ],
    { key: "/_d/" },
  );
  assert.deepEqual(
    [show(await next()), show(await next()), show(await next())],
    ["list@9:", "event@10: +/_d/a=1", "event@12: +/_d/c=1"],
  );
});

test("mirror: a directory in place of a file removes the file", async (t) => {
  const { next } = await ground(t, [
    list(9, file("/d/a", "1", 4)),
    event("set", directory("/d/a", 10), file("/d/a", "1", 4)),
  ]);
  await next();
  assert.equal(show(await next()), "event@10: -/d/a");
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
  const { mirror, next } = await ground(t, [list(9, file("/d/a", "1", 4)), list(12, file("/d/b", "1", 11))]);
  await next();
  mirror.resync();
  assert.equal(show(await next()), "list@12: -/d/a +/d/b=1");
});

test("mirror: updates() calls next forever, and nodes is a snapshot", async (t) => {
  const { mirror } = await ground(t, [
    list(9, file("/d/a", "1", 4)),
    event("set", file("/d/b", "1", 10)),
    event("set", file("/d/c", "1", 11)),
  ]);
  const shown: string[] = [];
  const snapshots: number[] = [];
  for await (const update of mirror.updates(patience())) {
    shown.push(show(update));
    const { nodes } = mirror;
    (nodes as Map<string, unknown>).delete("/d/a");
    snapshots.push(nodes.size);
    if (shown.length === 3) break;
  }
  assert.deepEqual(shown, ["list@9: +/d/a=1", "event@10: +/d/b=1", "event@11: +/d/c=1"]);
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
