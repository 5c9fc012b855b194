import assert from "node:assert/strict";
import test, { type TestContext } from "node:test";
import { Mirror } from "./mirror.js";
import { removal, setting, UnreadChanges, type MirrorUpdate } from "./mirror-changes.js";
import type { KeyNode } from "./types.js";
import { clusterOf, settled, type ScriptedCluster } from "../test-kit/scripted-cluster.js";
import { event, headersOnly, reply, waitIndexes, type Answer } from "../test-kit/scripted-server.js";
import { patience, until } from "../test-kit/waiting.js";

function head(index: number): Readonly<Record<string, string>> {
  return { "x-etcd-index": String(index) };
}

function fileOf(name: string, modifiedIndex: number): object {
  return { key: `/d/${name}`, value: `${name}@${String(modifiedIndex)}`, createdIndex: 4, modifiedIndex };
}

function list(index: number, ...names: readonly string[]): Answer {
  const nodes = names.map((name) => fileOf(name, 4));
  return reply(200, { action: "get", node: { key: "/d", dir: true, nodes } }, head(index));
}

function set(name: string, index: number): Answer {
  return event(index, head(index - 1), { node: fileOf(name, index) });
}

const parked = headersOnly(head(9));

async function ground(
  t: TestContext,
  ...script: readonly Answer[]
): Promise<ScriptedCluster & { readonly mirror: Mirror }> {
  const cluster = await clusterOf(t, [script]);
  return { ...cluster, mirror: new Mirror(cluster.keys, "/d", { minRetryMs: 1, onError: () => undefined }) };
}

function show({ kind, index, changes }: MirrorUpdate): string {
  const shown = changes.map(({ type, node }) => `${type === "remove" ? "-" : "+"}${node.key}`);
  return [`${kind}@${String(index)}:`, ...shown].join(" ");
}

test("mirror: a mirror, like a watcher, can be iterated directly", async (t) => {
  const { keys, mirror } = await ground(t, list(9, "a"), set("b", 10), set("c", 11), set("d", 12));
  const shown: string[] = [];
  for await (const update of mirror) if (shown.push(show(update)) === 2) break;
  assert.deepEqual(shown, ["list@9: +/d/a", "event@10: +/d/b"]);
  const seen: string[] = [];
  for await (const { node } of keys.watcher("/d", { recursive: true, afterIndex: 10 })) {
    if (seen.push(node.key) === 2) break;
  }
  assert.deepEqual(seen, ["/d/c", "/d/d"]);
});

test("mirror: it is read like a map, without a copy", async (t) => {
  const { mirror } = await ground(t, list(9, "b", "a", "sub/y", "sub/x", "subway"));
  assert.deepEqual([mirror.size, mirror.has("/d/a"), mirror.get("/d/a")], [0, false, undefined]);
  await mirror.next(patience());
  assert.equal(mirror.size, 5);
  assert.equal(mirror.get("/d/a")?.value, "a@4");
  assert.deepEqual([mirror.has("/d/a"), mirror.has("/d/sub"), mirror.has("/d/z")], [true, false, false]);
  assert.equal(mirror.get("/d/z"), undefined);
  const keysOf = (nodes: readonly KeyNode[]): readonly string[] => nodes.map(({ key }) => key);
  assert.deepEqual(keysOf(mirror.list("/d/sub")), ["/d/sub/x", "/d/sub/y"]);
  assert.deepEqual(keysOf(mirror.list("/d/sub/")), ["/d/sub/x", "/d/sub/y"]);
  // as in requests, the slash at the front may be left out
  assert.deepEqual([mirror.get("d/a")?.value, mirror.has("d/a"), mirror.list("d/sub").length], ["a@4", true, 2]);
  for (const above of ["/d", "/", ""]) {
    assert.deepEqual(keysOf(mirror.list(above)), ["/d/a", "/d/b", "/d/sub/x", "/d/sub/y", "/d/subway"]);
  }
  assert.deepEqual(mirror.list("/d/a"), []);
  const all = ["/d/b", "/d/a", "/d/sub/y", "/d/sub/x", "/d/subway"];
  assert.deepEqual([...mirror.keys()], all);
  assert.deepEqual(keysOf([...mirror.values()]), all);
  assert.deepEqual(
    [...mirror.entries()].map(([key]) => key),
    all,
  );
  assert.deepEqual(new Map(mirror), mirror.nodes);
});

test("mirror: ready reads once for all waiting callers, and the first update still has everything", async (t) => {
  const { mirror, seen } = await ground(t, list(9, "a"), parked);
  await Promise.all([mirror.ready, mirror.ready, mirror.waitFor(9)]);
  assert.equal(mirror.get("/d/a")?.value, "a@4");
  assert.equal(seen(0).length, 1);
  await mirror.ready;
  assert.equal(show(await mirror.next(patience())), "list@9: +/d/a");
  assert.equal(seen(0).length, 1);
});

test("mirror: ready rejects like next; leaving it unawaited is not an unhandled rejection", async (t) => {
  const unhandled: unknown[] = [];
  const listen = (error: unknown): unknown => unhandled.push(error);
  process.on("unhandledRejection", listen);
  t.after(() => process.off("unhandledRejection", listen));
  const { mirror } = await ground(
    t,
    reply(404, "404 page not found\n"),
    reply(404, "404 page not found\n"),
    list(9, "a"),
  );
  void mirror.ready;
  await assert.rejects(mirror.ready, { name: "ResponseError" });
  await until("a read that works", async () => (await settled(mirror.ready)) === undefined);
  assert.equal(mirror.size, 1);
  assert.deepEqual(unhandled, []);
});

test("mirror: waitFor reads by itself, and next then delivers what it read, each key once", async (t) => {
  const { mirror, seen } = await ground(
    t,
    list(9, "a"),
    set("a", 10),
    set("b", 11),
    set("c", 12),
    set("a", 13),
    set("d", 14),
  );
  await mirror.waitFor(13);
  assert.equal(mirror.index, 13);
  assert.equal(mirror.get("/d/a")?.value, "a@13");
  assert.equal(show(await mirror.next(patience())), "list@13: +/d/b +/d/c +/d/a");
  assert.equal(seen(0).length, 5);
  await mirror.waitFor(13);
  assert.equal(seen(0).length, 5);
  assert.equal(show(await mirror.next(patience())), "event@14: +/d/d");
});

test("mirror: waitFor during a loop shares the loop's requests, and the loop misses nothing", async (t) => {
  const { mirror, seen, server } = await ground(t, list(9, "a"), set("b", 10), set("c", 11), parked);
  const shown: string[] = [];
  const end = new AbortController();
  const loop = (async () => {
    for await (const update of mirror.updates(end.signal)) shown.push(show(update));
  })().catch((error: unknown) => error);
  await Promise.all([mirror.waitFor(11), mirror.waitFor(10), mirror.ready]);
  await until("the loop waits again", () => seen(0).length === 4);
  end.abort();
  assert.equal(await loop, end.signal.reason);
  assert.deepEqual(shown, ["list@9: +/d/a", "event@10: +/d/b", "event@11: +/d/c"]);
  assert.deepEqual(waitIndexes(server(0)), [NaN, 10, 11, 12]);
});

test("mirror: an abort of one waiting call does not affect the others", async (t) => {
  const ours = await ground(t, list(9, "a"), parked);
  const { mirror } = ours;
  await mirror.ready;
  await mirror.next(patience());
  const [one, other] = [new AbortController(), new AbortController()];
  const first = settled(mirror.waitFor(10, one.signal));
  const second = settled(mirror.waitFor(10, other.signal));
  const next = mirror.next(patience());
  await ours.server(0).received(2);
  other.abort(new Error("other"));
  assert.equal(await second, other.signal.reason);
  ours.server(0).script(set("b", 10));
  one.abort(new Error("one"));
  assert.equal(await first, one.signal.reason);
  assert.equal(show(await next), "event@10: +/d/b");
});

test("mirror: waitFor an index without an event reads again", async (t) => {
  const { mirror, seen } = await ground(t, list(9, "a"), parked, list(12, "a"), parked);
  await mirror.waitFor(12, patience());
  assert.equal(mirror.index, 12);
  assert.equal(seen(0).length, 3);
});

test("mirror: resync wakes a waiting call", async (t) => {
  const { mirror, server } = await ground(t, list(9, "a"), parked, list(12, "a", "b"), parked);
  await mirror.next(patience());
  const next = mirror.next(patience());
  await server(0).received(2);
  mirror.resync();
  assert.equal(show(await next), "list@12: +/d/b");
});

test("mirror: several events of one index are one update", async (t) => {
  const line = (action: string, name: string): string =>
    JSON.stringify({ action, node: { key: `/d/${name}`, value: name, createdIndex: 4, modifiedIndex: 50 } });
  const { mirror } = await ground(
    t,
    list(9, "a", "b"),
    reply(200, [line("set", "a"), line("delete", "b"), line("set", "c")].join("\n"), head(49)),
  );
  await mirror.next(patience());
  assert.equal(show(await mirror.next(patience())), "event@50: +/d/a -/d/b +/d/c");
  assert.equal(mirror.index, 50);
});

test("mirror: bad arguments of waitFor are refused, and so is a mirror without keys", async (t) => {
  const { mirror, seen } = await ground(t, list(9));
  for (const bad of [-1, 1.5, NaN, "9"]) await assert.rejects(mirror.waitFor(bad as number), { code: "ERR_ARGUMENT" });
  await assert.rejects(mirror.waitFor(1, {} as AbortSignal), { code: "ERR_ARGUMENT" });
  for (const bad of [undefined, null, "keys", {}]) {
    assert.throws(() => new Mirror(bad as never, "/d"), { code: "ERR_ARGUMENT", message: /^keys must be a KeysAPI/ });
  }
  assert.equal(seen(0).length, 0);
});

test("mirror: merged updates have the same result as the updates one by one", () => {
  const node = (key: string, value: number): KeyNode => ({
    key,
    value: String(value),
    dir: false,
    nodes: [],
    createdIndex: 1,
    modifiedIndex: value,
  });
  let seed = 7;
  const random = (below: number): number => (seed = (seed * 1_103_515_245 + 12_345) % 2_147_483_648) % below;
  for (let round = 0; round < 200; round++) {
    const start = new Map<string, KeyNode>([["a", node("a", 0)]]);
    const now = new Map(start);
    const unread = new UnreadChanges<KeyNode>();
    for (let index = 1; index < 12; index++) {
      const key = "abcd".charAt(random(4));
      const known = now.get(key);
      const removes = random(2) === 0;
      if (removes && known === undefined) continue;
      const next = node(key, index);
      const change = removes && known !== undefined ? removal(known, "delete") : setting(next, known, "set");
      if (removes) now.delete(key);
      else now.set(key, next);
      unread.add({ kind: "event", changes: [change], index });
    }
    const folded = new Map(start);
    for (const { type, node: file, prevNode } of unread.take()?.changes ?? []) {
      if (type === "remove") assert.equal(folded.get(file.key), file);
      else assert.equal(folded.get(file.key), prevNode);
      if (type === "remove") folded.delete(file.key);
      else folded.set(file.key, file);
    }
    assert.deepEqual([...folded].sort(), [...now].sort());
  }
});

test("mirror: 50,000 files are read, and the difference to another 50,000 is found", async (t) => {
  const count = 50_000;
  const listing = (value: string, index: number): Answer => {
    const nodes = Array.from({ length: count }, (_, i) => ({
      key: `/d/${String(i)}`,
      value: value.repeat(30),
      modifiedIndex: index,
      createdIndex: 1,
    }));
    const node = { key: "/d", dir: true, modifiedIndex: 1, createdIndex: 1, nodes };
    return reply(200, { action: "get", node }, { "x-etcd-index": String(index) });
  };
  const { keys } = await clusterOf(t, [[listing("a", 5), listing("b", 9)]]);
  const mirror = new Mirror(keys, "/d");
  await mirror.ready;
  mirror.resync();
  assert.equal((await mirror.next()).changes.length, count);
  const { kind, changes, index } = await mirror.next();
  assert.deepEqual([kind, changes.length, index, mirror.size], ["list", count, 9, count]);
  assert.equal(changes[0]?.prevNode?.value, "a".repeat(30));
  assert.equal(mirror.get("/d/7")?.value, "b".repeat(30));
});
