import assert from "node:assert/strict";
import test, { type TestContext } from "node:test";
import type { RawResponse } from "../http/exchange.js";
import { KeysAPI } from "./keys.js";
import { Mirror } from "./mirror.js";
import { removal, setting, UnreadChanges, type MirrorUpdate } from "./mirror-changes.js";
import type { KeyNode } from "./types.js";
import { settled } from "../test-kit/scripted-cluster.js";
import { useVirtualTime } from "../test-kit/virtual-time.js";
import { patience, until } from "../test-kit/waiting.js";
import { globalClock } from "../testing/index.js";
import { fakeBy, type FakeWithClient } from "../testing/test-kit/fakes.js";

useVirtualTime();

interface Ground extends Pick<FakeWithClient, "etcd" | "keys"> {
  readonly mirror: Mirror;
  /** How many lists, and how many polls, the fake has seen. */
  readonly asked: () => readonly [lists: number, polls: number];
  /** The index counted from that of the first list. */
  readonly at: (index: number) => number;
}

/** A mirror of /d in a fake etcd that holds these files. The value of each is its name. */
async function ground(t: TestContext, ...names: readonly string[]): Promise<Ground> {
  const fake = await fakeBy("transport", { keys: filesOf(...names), clock: globalClock() });
  t.after(() => fake[Symbol.asyncDispose]());
  const { etcd, keys } = fake;
  const base = etcd.index;
  return {
    etcd,
    keys,
    mirror: new Mirror(keys, "/d", { minRetryMs: 1, onError: () => undefined }),
    asked: () => {
      const polls = etcd.requests.filter(({ query }) => query["wait"] === "true").length;
      return [etcd.requests.length - polls, polls];
    },
    at: (index) => base + index,
  };
}

function filesOf(...names: readonly string[]): Record<string, string> {
  return Object.fromEntries(names.map((name) => [`/d/${name}`, name]));
}

function show({ kind, changes }: MirrorUpdate): string {
  const shown = changes.map(({ type, node }) => `${type === "remove" ? "-" : "+"}${node.key}`);
  return [`${kind}:`, ...shown].join(" ");
}

test("mirror: a mirror, like a watcher, can be iterated directly", async (t) => {
  const { etcd, keys, mirror, at } = await ground(t, "a");
  const shown: string[] = [];
  for await (const update of mirror) {
    if (shown.push(show(update)) === 2) break;
    etcd.load(filesOf("b", "c", "d"));
  }
  assert.deepEqual(shown, ["list: +/d/a", "event: +/d/b"]);
  const seen: string[] = [];
  for await (const { node } of keys.watcher("/d", { recursive: true, afterIndex: at(1) }))
    if (seen.push(node.key) === 2) break;
  assert.deepEqual(seen, ["/d/c", "/d/d"]);
});

test("mirror: it is read like a map, without a copy", async (t) => {
  const { mirror } = await ground(t, "b", "a", "sub/y", "sub/x", "subway");
  assert.deepEqual([mirror.size, mirror.has("/d/a"), mirror.get("/d/a")], [0, false, undefined]);
  await mirror.next(patience());
  assert.equal(mirror.size, 5);
  assert.equal(mirror.get("/d/a")?.value, "a");
  assert.deepEqual([mirror.has("/d/a"), mirror.has("/d/sub"), mirror.has("/d/z")], [true, false, false]);
  assert.equal(mirror.get("/d/z"), undefined);
  const keysOf = (nodes: readonly KeyNode[]): readonly string[] => nodes.map(({ key }) => key);
  assert.deepEqual(keysOf(mirror.list("/d/sub")), ["/d/sub/x", "/d/sub/y"]);
  assert.deepEqual(keysOf(mirror.list("/d/sub/")), ["/d/sub/x", "/d/sub/y"]);
  // as in requests, the slash at the front may be left out
  assert.deepEqual([mirror.get("d/a")?.value, mirror.has("d/a"), mirror.list("d/sub").length], ["a", true, 2]);
  for (const above of ["/d", "/", ""]) {
    assert.deepEqual(keysOf(mirror.list(above)), ["/d/a", "/d/b", "/d/sub/x", "/d/sub/y", "/d/subway"]);
  }
  assert.deepEqual(mirror.list("/d/a"), []);
  const all = [...mirror.keys()];
  assert.deepEqual(all.toSorted(), ["/d/a", "/d/b", "/d/sub/x", "/d/sub/y", "/d/subway"]);
  assert.deepEqual(keysOf([...mirror.values()]), all);
  assert.deepEqual(
    [...mirror.entries()].map(([key]) => key),
    all,
  );
  assert.deepEqual(new Map(mirror), mirror.nodes);
});

test("mirror: ready reads once for all waiting callers, and the first update still has everything", async (t) => {
  const { mirror, asked, at } = await ground(t, "a");
  await Promise.all([mirror.ready, mirror.ready, mirror.waitFor(at(0))]);
  assert.equal(mirror.get("/d/a")?.value, "a");
  assert.deepEqual(asked(), [1, 0]);
  await mirror.ready;
  assert.equal(show(await mirror.next(patience())), "list: +/d/a");
  assert.deepEqual(asked(), [1, 0]);
});

test("mirror: ready rejects like next; leaving it unawaited is not an unhandled rejection", async (t) => {
  const unhandled: unknown[] = [];
  const listen = (error: unknown): unknown => unhandled.push(error);
  process.on("unhandledRejection", listen);
  t.after(() => process.off("unhandledRejection", listen));
  const { etcd, mirror } = await ground(t, "a");
  etcd.fail({}, { kind: "v2Off" }, { times: 2 });
  void mirror.ready;
  await assert.rejects(mirror.ready, { name: "ResponseError" });
  await until("a read that works", async () => (await settled(mirror.ready)) === undefined);
  assert.equal(mirror.size, 1);
  assert.deepEqual(unhandled, []);
});

test("mirror: waitFor reads without next, and next then delivers what it read, each key once", async (t) => {
  const { etcd, mirror, asked, at } = await ground(t, "a");
  await mirror.ready;
  for (const name of ["a", "b", "c", "a", "d"]) etcd.load(filesOf(name));
  await mirror.waitFor(at(4));
  assert.equal(mirror.index, at(4));
  assert.equal(mirror.get("/d/a")?.modifiedIndex, at(4));
  assert.equal(show(await mirror.next(patience())), "list: +/d/b +/d/c +/d/a");
  assert.deepEqual(asked(), [1, 4]);
  await mirror.waitFor(at(4));
  assert.deepEqual(asked(), [1, 4]);
  assert.equal(show(await mirror.next(patience())), "event: +/d/d");
});

test("mirror: waitFor during a loop shares the loop's requests, and the loop misses nothing", async (t) => {
  const { etcd, mirror, asked, at } = await ground(t, "a");
  const shown: string[] = [];
  const end = new AbortController();
  const loop = (async () => {
    for await (const update of mirror.updates(end.signal)) shown.push(show(update));
  })().catch((error: unknown) => error);
  const waits = Promise.all([mirror.waitFor(at(2)), mirror.waitFor(at(1)), mirror.ready]);
  await mirror.ready;
  etcd.load(filesOf("b", "c"));
  await waits;
  await until("the loop waits again", () => asked()[1] === 3);
  end.abort();
  assert.equal(await loop, end.signal.reason);
  assert.deepEqual(shown, ["list: +/d/a", "event: +/d/b", "event: +/d/c"]);
  assert.deepEqual(asked(), [1, 3]);
});

test("mirror: an abort of one waiting call does not affect the others", async (t) => {
  const { etcd, mirror, at } = await ground(t, "a");
  await mirror.next(patience());
  const [one, other] = [new AbortController(), new AbortController()];
  const first = settled(mirror.waitFor(at(1), one.signal));
  const second = settled(mirror.waitFor(at(1), other.signal));
  const next = mirror.next(patience());
  await etcd.untilWatched("/d");
  other.abort(new Error("other"));
  assert.equal(await second, other.signal.reason);
  one.abort(new Error("one"));
  assert.equal(await first, one.signal.reason);
  etcd.load(filesOf("b"));
  assert.equal(show(await next), "event: +/d/b");
});

test("mirror: waitFor an index without an event reads again", async (t) => {
  const { etcd, mirror, asked, at } = await ground(t, "a");
  await mirror.ready;
  etcd.load({ "/elsewhere/1": "", "/elsewhere/2": "" });
  await mirror.waitFor(at(2), patience());
  assert.equal(mirror.index, at(2));
  assert.equal(asked()[0], 2);
});

test("mirror: resync wakes a waiting call", async (t) => {
  const { etcd, mirror } = await ground(t, "a");
  await mirror.next(patience());
  const next = mirror.next(patience());
  await etcd.untilWatched("/d");
  etcd.fail({ watch: true }, { kind: "blackHole" }, { times: Infinity });
  mirror.resync();
  etcd.load(filesOf("b"));
  assert.equal(show(await next), "list: +/d/b");
});

test("mirror: several events of one index are one update", async () => {
  const line = (action: string, name: string): string =>
    JSON.stringify({ action, node: { key: `/d/${name}`, value: name, createdIndex: 4, modifiedIndex: 50 } });
  const body = [line("set", "a"), line("delete", "b"), line("set", "c")].join("\n");
  const mirror = new Mirror(answering(listing(9, "v", "a", "b"), { ...listing(49, ""), body }), "/d");
  await mirror.next(patience());
  assert.equal(show(await mirror.next(patience())), "event: +/d/a -/d/b +/d/c");
  assert.equal(mirror.index, 50);
});

test("mirror: bad arguments of waitFor are refused, and so is a mirror without keys", async (t) => {
  const { mirror, asked } = await ground(t);
  for (const bad of [-1, 1.5, NaN, "9"]) await assert.rejects(mirror.waitFor(bad as number), { code: "ERR_ARGUMENT" });
  await assert.rejects(mirror.waitFor(1, {} as AbortSignal), { code: "ERR_ARGUMENT" });
  for (const bad of [undefined, null, "keys", {}]) {
    assert.throws(() => new Mirror(bad as never, "/d"), { code: "ERR_ARGUMENT", message: /^keys must be a KeysAPI/ });
  }
  assert.deepEqual(asked(), [0, 0]);
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

test("mirror: 50,000 files are read, and the difference to another 50,000 is found", async () => {
  const count = 50_000;
  const names = Array.from({ length: count }, (_, i) => String(i));
  const lists = [listing(5, "a".repeat(30), ...names), listing(9, "b".repeat(30), ...names)];
  const mirror = new Mirror(answering(...lists), "/d");
  await mirror.ready;
  mirror.resync();
  assert.equal((await mirror.next()).changes.length, count);
  const { kind, changes, index } = await mirror.next();
  assert.deepEqual([kind, changes.length, index, mirror.size], ["list", count, 9, count]);
  assert.equal(changes[0]?.prevNode?.value, "a".repeat(30));
  assert.equal(mirror.get("/d/7")?.value, "b".repeat(30));
});

/** Keys of a server that gives these responses in turn. */
function answering(...responses: RawResponse[]): KeysAPI {
  return new KeysAPI({ send: () => Promise.resolve(responses.shift() ?? assert.fail("one request too many")) });
}

/** A list of /d whose files have all been modified at its index. */
function listing(index: number, value: string, ...names: readonly string[]): RawResponse {
  const nodes = names.map((name) => ({ key: `/d/${name}`, value, createdIndex: 1, modifiedIndex: index }));
  const node = { key: "/d", dir: true, createdIndex: 1, modifiedIndex: 1, nodes };
  return { status: 200, headers: { "x-etcd-index": String(index) }, body: JSON.stringify({ action: "get", node }) };
}
