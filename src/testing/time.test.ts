import assert from "node:assert/strict";
import test from "node:test";
import { Mirror, type KeysResponse } from "../core/index.js";
import { startChild } from "../test-kit/child.js";
import { noiseMs, patience } from "../test-kit/waiting.js";
import { globalClock, manualClock } from "./clock.js";
import { createFakeEtcd } from "./fake-etcd.js";
import { fakeBy, ways } from "./test-kit/fakes.js";

for (const way of ways)
  test(`fake etcd over ${way}: with a manual clock, the expire event has been delivered when tick resolves (X14)`, async () => {
    await using fake = await fakeBy(way, { clock: manualClock() });
    const { etcd, keys } = fake;
    await keys.set("/a", "1", { ttl: 5 });
    const events: KeysResponse[] = [];
    const done = keys
      .watcher("/a")
      .next(patience())
      .then((event) => events.push(event));
    await etcd.untilWatched("/a", { signal: patience() });
    await etcd.tick(4_999);
    assert.equal((await keys.get("/a")).node.ttl, 1);
    await etcd.tick(1_000);
    // a socket takes a little longer than a transport
    if (way === "http") await done;
    assert.deepEqual(
      events.map(({ action, node }) => [action, node.key]),
      [["expire", "/a"]],
    );
    await assert.rejects(keys.get("/a"), { errorCode: 100 });
  });

test("fake etcd: expired keys are removed every 500 ms of the clock, as in etcd", async () => {
  await using fake = await fakeBy("transport", { clock: manualClock() });
  const { etcd, keys } = fake;
  await etcd.tick(200);
  await keys.set("/a", "1", { ttl: 1 });
  await etcd.tick(1_200);
  assert.equal(etcd.dump()["/a"], "1");
  await etcd.tick(100);
  assert.deepEqual(etcd.dump(), {});
});

test("fake etcd: mocked timers of node:test affect neither a fake with real time nor one with its own clock (X15)", async (t) => {
  await using real = await fakeBy("transport");
  await using manual = await fakeBy("transport", { clock: manualClock() });
  t.mock.timers.enable({ apis: ["setTimeout", "setInterval", "setImmediate", "Date"], now: 0 });
  const before = await real.keys.set("/a", "1", { ttl: 100 });
  t.mock.timers.tick(200_000);
  assert.equal((await real.keys.get("/a")).node.modifiedIndex, before.node.modifiedIndex);
  await manual.keys.set("/a", "1", { ttl: 100 });
  t.mock.timers.tick(200_000);
  assert.equal((await manual.keys.get("/a")).node.ttl, 100);
  const watched = manual.etcd.untilWatched("/a");
  const event = manual.keys.watcher("/a").next();
  await watched;
  await manual.etcd.tick(100_500);
  assert.equal((await event).action, "expire");
});

test("fake etcd: with the global clock it follows the mocked timers of node:test (X15)", async (t) => {
  t.mock.timers.enable({ apis: ["setTimeout", "Date"], now: 1_000_000 });
  await using fake = await fakeBy("transport", { clock: globalClock() });
  const { etcd, keys } = fake;
  const { node } = await keys.set("/a", "1", { ttl: 5 });
  assert.equal(node.expiration?.getTime(), 1_005_000);
  const watched = etcd.untilWatched("/a");
  const event = keys.watcher("/a").next();
  await watched;
  t.mock.timers.tick(4_999);
  assert.deepEqual(etcd.dump(), { "/a": "1" });
  t.mock.timers.tick(501);
  assert.equal((await event).action, "expire");
});

for (const way of ways)
  test(`fake etcd over ${way}: in real time a key with a TTL of one second expires after 1 to 1.5 s (X16)`, async () => {
    await using fake = await fakeBy(way);
    const { etcd, keys } = fake;
    const event = keys.watcher("/a").next(patience());
    await etcd.untilWatched("/a");
    const startMs = performance.now();
    const { node } = await keys.set("/b", "1", { ttl: 1 });
    const expiry = keys.watcher("/b").next(patience());
    assert.equal(node.ttl, 1);
    assert.equal((await expiry).action, "expire");
    const tookMs = performance.now() - startMs;
    assert.ok(tookMs > 990 && tookMs < 1_500 + noiseMs, `${String(tookMs)} ms`);
    etcd.load({ "/a": "1" });
    await event;
  });

test("fake etcd: expire of a directory is one event, whether or not it has a TTL (X17)", async () => {
  await using fake = await fakeBy("transport", { keys: { "/d/a": "1", "/d/b/c": "2" } });
  const { etcd, keys } = fake;
  const watcher = keys.watcher("/", { recursive: true });
  const first = watcher.next(patience());
  await etcd.untilWatched("/");
  etcd.expire("/d");
  etcd.load({ "/after": "1" });
  const { action, node, prevNode } = await first;
  assert.deepEqual([action, node.key, node.dir, prevNode?.dir], ["expire", "/d", true, true]);
  assert.equal((await watcher.next(patience())).node.key, "/after");
});

for (const way of ways)
  test(`fake etcd over ${way}: after clearHistory earlier events are refused, and a Mirror lists again (X18)`, async () => {
    await using fake = await fakeBy(way, { keys: { "/m/a": "1", "/m/b": "1" } });
    const { etcd, keys } = fake;
    const mirror = new Mirror(keys, "/m");
    const { index } = await mirror.next(patience());
    etcd.load({ "/m/b": "2", "/m/c": "3" });
    etcd.expire("/m/a");
    etcd.clearHistory();
    const { kind, changes } = await mirror.next(patience());
    assert.equal(kind, "list");
    assert.deepEqual(changes.map(({ type, node }) => `${type} ${node.key}=${node.value}`).sort(), [
      "remove /m/a=1",
      "set /m/b=2",
      "set /m/c=3",
    ]);
    await assert.rejects(keys.watcher("/m", { afterIndex: index }).next(patience()), {
      errorCode: 401,
      serverCause: `the requested history has been cleared [${String(etcd.index + 1)}/${String(index + 1)}]`,
    });
  });

test("fake etcd: a history of ten events does not reach back over eleven other writes (X19)", async () => {
  await using fake = await fakeBy("transport", { historySize: 10 });
  const { etcd, keys } = fake;
  const { index } = await keys.set("/a", "1");
  for (let write = 0; write < 9; write++) etcd.load({ "/other": String(write) });
  assert.equal((await keys.watcher("/a", { afterIndex: index - 1 }).next(patience())).node.value, "1");
  etcd.load({ "/other": "10" });
  await assert.rejects(keys.watcher("/a", { afterIndex: index - 1 }).next(patience()), { errorCode: 401 });
});

test("fake etcd: it works in a worker thread", async (t) => {
  const { ended } = startChild(t, "../testing/test-kit/worker-program.js");
  const { status, stdout, stderr } = await ended;
  assert.deepEqual([status, stderr, stdout], [0, "", "expire\n"]);
});

test("fake etcd: a TTL whose nanoseconds overflow makes a new key permanent, and a changed one expire, as in etcd", async () => {
  const etcd = createFakeEtcd({ clock: manualClock() });
  await using fake = { etcd, [Symbol.asyncDispose]: () => etcd.close() };
  const { transport, endpoints } = fake.etcd;
  const put = async (query: string, ttl: number): Promise<string> => {
    const path = `/v2/keys/a`;
    const headers = { "content-type": "application/x-www-form-urlencoded" };
    const url = new URL(`${endpoints[0] ?? ""}${path}${query}`);
    return (await transport(url, { method: "PUT", path, headers, body: `ttl=${String(ttl)}` }, undefined)).body;
  };
  assert.doesNotMatch(await put("", 9_223_372_036), /expiration/);
  assert.match(await put("?prevExist=true", 9_223_372_036), /"expiration":"1[67]\d\d-[^"]*","ttl":-9223372036/);
  await etcd.tick(500);
  assert.deepEqual(etcd.dump(), {});
});
