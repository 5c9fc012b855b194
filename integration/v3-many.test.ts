// Many events, many watchers and many processes.
import assert from "node:assert/strict";
import test from "node:test";
import { startChild } from "../src/test-kit/child.js";
import { noiseMs, patience, until } from "../src/test-kit/waiting.js";
import { watchesAt } from "./support.js";
import { base64, counting, onBothGateways, type V3Ground } from "./v3-support.js";

/** The streams of all members: a client keeps to one of them. */
async function watchesOf({ cluster }: V3Ground): Promise<number> {
  const each = await Promise.all(cluster.endpoints.map((url) => watchesAt(url, "v3")));
  return each.reduce((sum, count) => sum + count, 0);
}

onBothGateways((ground) => {
  test("v3: 1,000 events from an index come one by one, in order, each once, over at most two streams (V41)", async () => {
    const { transport, streams } = counting();
    const keys = ground.keys({}, { transport });
    const { index } = await keys.set("/o/start", "0");
    for (let i = 0; i < 1_000; i += 20) await Promise.all(Array.from({ length: 20 }, () => keys.set("/o/k", "v")));
    const watcher = keys.watcher("/o", { recursive: true, afterIndex: index });
    const indexes: number[] = [];
    for (let i = 0; i < 1_000; i++) indexes.push((await watcher.next(patience())).node.modifiedIndex);
    assert.deepEqual(
      indexes,
      Array.from({ length: 1_000 }, (_, i) => index + 1 + i),
    );
    assert.ok(streams() <= 2, `${String(streams())} streams`);
  });

  test("v3: 1,000 watchers of one key are one stream, from now and from an index, and each gets the event (V50)", async () => {
    const { transport, streams } = counting();
    const keys = ground.keys({}, { transport });
    const { index } = await keys.set("/s/k", "0");
    const first = keys.watcher("/s/k", { afterIndex: index }).next(patience());
    await until("a stream is set up", async () => (await watchesOf(ground)) > 0);
    const waiting = Array.from({ length: 999 }, (_, i) =>
      keys.watcher("/s/k", { afterIndex: i % 2 === 0 ? 0 : index }).next(patience()),
    );
    // the watchers from now on must be in place before the write: this one was created last
    const last = keys.watcher("/s/other").next(patience());
    await until("the last one is set up", () => streams() === 2);
    await until("another key has a stream", async () => (await watchesOf(ground)) === 2);
    await keys.set("/s/k", "1");
    const events = await Promise.all([first, ...waiting]);
    assert.deepEqual(new Set(events.map(({ node }) => node.value)), new Set(["1"]));
    await keys.set("/s/other", "1");
    await last;
    assert.equal(streams(), 2);
  });

  test("v3: 1,000 watchers below one directory have one stream each, get the events of their own key, and end at once (V51)", async () => {
    const { transport, streams } = counting();
    const keys = ground.keys({ keepStreamsMs: 0 }, { transport });
    const { index } = await keys.set("/d/start", "");
    const end = new AbortController();
    const name = (i: number): string => `/d/${String(i)}`;
    const before = await watchesOf(ground);
    const waiting = Array.from({ length: 1_000 }, (_, i) =>
      keys.watcher(name(i), { afterIndex: index }).next(i < 500 ? patience(120_000) : end.signal),
    );
    await until("all stand", async () => (await watchesOf(ground)) >= before + 1_000);
    assert.equal(streams(), 1_000);
    for (let i = 0; i < 500; i += 50)
      await Promise.all(Array.from({ length: 50 }, (_, n) => keys.set(name(i + n), `v${String(i + n)}`)));
    const values = await Promise.all(waiting.slice(0, 500).map(async (event) => (await event).node.value));
    assert.deepEqual(
      values,
      Array.from({ length: 500 }, (_, i) => `v${String(i)}`),
    );
    const reason = new Error("enough");
    end.abort(reason);
    for (const each of waiting.slice(500)) await assert.rejects(each, (error) => error === reason);
    await until("no stream is left", async () => (await watchesOf(ground)) <= before);
  });

  test("v3: a watcher catches up over lines of megabytes, and the stream gives the memory back (V56)", async () => {
    const keys = ground.keys({ namespace: "/v56" });
    const { index } = await keys.set("/start", "");
    const value = "x".repeat(900_000);
    // 9 MB of history: the server sends it in few lines
    for (let i = 0; i < 10; i++) await keys.set("/big", value);
    await keys.set("/last", "small");
    const watcher = ground.keys({ namespace: "/v56" }).watcher("/", { recursive: true, afterIndex: index });
    for (let i = 0; i < 10; i++) assert.equal((await watcher.next(patience())).node.value.length, value.length);
    assert.equal((await watcher.next(patience())).node.value, "small");
  });

  test("v3: a set on a directory with 10,000 keys is refused without reading the keys (V9)", async () => {
    const keys = ground.keys({ namespace: "/v9" });
    for (let from = 0; from < 10_000; from += 100) {
      await ground.gateway("/v3/kv/txn", {
        success: Array.from({ length: 100 }, (_, i) => ({
          request_put: { key: base64(`/v9/big/${String(from + i)}`), value: base64("v") },
        })),
      });
    }
    const startMs = performance.now();
    await assert.rejects(keys.set("/big", "file"), /^EtcdError: 102/);
    assert.ok(performance.now() - startMs < 100 + noiseMs);
    assert.equal((await keys.get("/big")).node.nodes.length, 10_000);
  });

  test("v3: keys in order from eight processes are unique, and a sorted listing never gains a name below one that was seen (V36)", async (t) => {
    const keys = ground.keys({ namespace: "/v36-many" }, { headerTimeoutMs: 60_000 });
    await keys.set("/q", "", { dir: true });
    const args = [ground.endpoint, "/v36-many", "12"];
    const children = Array.from({ length: 8 }, () => startChild(t, "../../integration/v3-in-order-child.js", args));
    const all = Promise.all(children.map(({ ended }) => ended));
    const over = new AbortController();
    void all.finally(() => {
      over.abort();
    });
    let seen: readonly string[] = [];
    while (!over.signal.aborted) {
      const names = (await keys.get("/q", { sort: true, quorum: true })).node.nodes.map(({ key }) => key);
      assert.deepEqual(names.slice(0, seen.length), seen, "new names are behind those that were seen");
      seen = names;
    }
    const made = (await all).flatMap(({ status, stdout, stderr }) => {
      assert.deepEqual([status, stderr], [0, ""]);
      return stdout.trim().split("\n");
    });
    assert.equal(new Set(made).size, 96);
    assert.deepEqual(
      (await keys.get("/q", { sort: true })).node.nodes.map(({ key }) => key),
      made.toSorted(),
    );
  });
});
