import assert from "node:assert/strict";
import test from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { isIndexCleared, KeysAPI, Mirror, type KeysResponse } from "../src/core/index.js";
import { patience, until } from "../src/test-kit/waiting.js";
import { v3Protocol } from "../src/v3/index.js";
import { Client, ClusterError, type Exchange } from "../src/core/index.js";
import { gotExchange } from "../src/http/got/got-exchange.js";
import { fastCluster } from "./fast-cluster.js";
import { base64, counting, onBothGateways } from "./v3-support.js";

onBothGateways((ground) => {
  test("v3: a from-now watcher gets the events between its polls, and not an earlier write (V40, V120)", async () => {
    const keys = ground.keys();
    for (let i = 0; i < 20; i++) {
      await keys.set("/w/before", String(i));
      const watcher = keys.watcher("/w", { recursive: true });
      const watched = watcher.next(patience());
      // nothing reports when the watch is set up: the first of these writes that it sees shows it
      let written = 0;
      const event = await until("the watch is set up", async () => {
        await keys.set("/w/k", String(++written));
        return Promise.race([watched, sleep(10, undefined)]);
      });
      const first = Number(event.node.value);
      await keys.set("/w/k", String(++written));
      const rest: number[] = [];
      for (let next = first + 1; next <= written; next++) {
        rest.push(Number((await watcher.next(patience())).node.value));
      }
      assert.ok(first >= 1 && rest.length > 0);
      assert.deepEqual(
        rest,
        rest.map((_, at) => first + 1 + at),
      );
    }
  });

  test("v3: a compacted history is isIndexCleared, and a mirror hands out the difference (V45)", async () => {
    const keys = ground.keys({ namespace: "/v45" });
    const { index } = await keys.set("/m/a", "1");
    const mirror = new Mirror(keys, "/m");
    await mirror.next(patience());
    await keys.set("/m/b", "2");
    await mirror.next(patience());
    const last = await keys.set("/m/a", "3");
    await ground.gateway("/v3/kv/compaction", { revision: String(last.index) });
    // a client without an earlier stream
    const error: unknown = await ground
      .keys({ namespace: "/v45" })
      .watcher("/m", { recursive: true, afterIndex: index })
      .next(patience())
      .catch((each: unknown) => each);
    assert.ok(isIndexCleared(error));
    await until("the mirror has it", async () => {
      if (mirror.nodes.get("/m/a")?.value === "3") return true;
      await mirror.next(patience());
      return mirror.nodes.get("/m/a")?.value === "3";
    });
  });

  test("v3: a transaction of three keys by another program is three events of one index, in key order (V48)", async () => {
    const keys = ground.keys({ namespace: "/v48" });
    const { index } = await keys.set("/x", "0");
    const watcher = keys.watcher("/", { recursive: true, afterIndex: index });
    await ground.gateway("/v3/kv/txn", {
      success: ["c", "a", "b"].map((name) => ({ request_put: { key: base64(`/v48/${name}`), value: base64(name) } })),
    });
    await keys.set("/after", "1");
    const events: KeysResponse[] = [];
    for (let i = 0; i < 4; i++) events.push(await watcher.next(patience()));
    assert.deepEqual(
      events.map(({ node }) => node.key),
      ["/a", "/b", "/c", "/after"],
    );
    assert.equal(new Set(events.slice(0, 3).map(({ node }) => node.modifiedIndex)).size, 1);
  });

  test("v3: only watchers whose key names a hidden name get its events (V1)", async () => {
    const keys = ground.keys();
    const { index } = await keys.set("/h/seen", "0");
    const above = keys.watcher("/h", { recursive: true, afterIndex: index }).next(patience());
    const named = keys.watcher("/h/_x", { recursive: true, afterIndex: index }).next(patience());
    await keys.set("/h/_x/k", "hidden");
    await keys.set("/h/seen", "1");
    assert.deepEqual([(await above).node.key, (await named).node.key], ["/h/seen", "/h/_x/k"]);
  });

  test("v3: a directory that is made on the way to a key is no event for watchers of the directory alone (V1)", async () => {
    const keys = ground.keys();
    const { index } = await keys.set("/before", "1");
    const makers: Readonly<Record<string, (directory: string) => Promise<KeysResponse>>> = {
      "/file": (directory) => keys.set(`${directory}/k`, "1"),
      "/deep/er": (directory) => keys.set(`${directory}/er/k`, "1"),
      "/order": (directory) => keys.createInOrder(directory, "1"),
      "/parent": (directory) => keys.set(`${directory}/child`, "", { dir: true }),
      "/explicit": (directory) => keys.set(directory, "", { dir: true }),
    };
    const first: string[] = [];
    for (const [directory, make] of Object.entries(makers)) {
      const watcher = keys.watcher(directory, { afterIndex: index });
      await make(directory);
      await keys.delete(directory, { recursive: true });
      first.push(`${directory} ${(await watcher.next(patience())).action}`);
    }
    assert.deepEqual(first, ["/file delete", "/deep/er delete", "/order delete", "/parent delete", "/explicit set"]);
  });

  test("v3: a watch that the server confirms late succeeds in the end: the limit grows with each attempt", async () => {
    const inner = gotExchange({});
    const late: Exchange = async (url, spec, signal) => {
      if (spec.path === "/v3/watch") await sleep(1_000, undefined, { signal });
      return inner(url, spec, signal);
    };
    const transport = Object.assign(late, { close: () => inner.close?.() });
    const keys = ground.keys({ watchStartTimeoutMs: 300 }, { transport });
    const { index } = await keys.set("/late", "1");
    await keys.set("/late", "2");
    const watcher = keys.watcher("/late", { afterIndex: index });
    let failures = 0;
    const value = await until("the watch is set up", () =>
      watcher.next(patience()).then(
        ({ node }) => node.value,
        (error: unknown) => {
          if (!(error instanceof ClusterError)) throw error;
          failures++;
          return undefined;
        },
      ),
    );
    assert.equal(value, "2");
    assert.ok(failures > 0);
  });

  test("v3: an aborted watcher leaves no stream behind; a kept one does not keep the process alive (V52)", async () => {
    const { transport, streams } = counting();
    const client = ground.client({ keepStreamsMs: 50 }, { transport });
    const keys = new KeysAPI(client);
    const controller = new AbortController();
    const waiting = keys.watcher("/a").next(controller.signal);
    await until("a stream is open", () => streams() === 1);
    controller.abort(new Error("enough"));
    await assert.rejects(waiting, /enough/);
    const { index } = await keys.set("/a", "1");
    const event = await keys.watcher("/a", { afterIndex: index - 1 }).next(patience());
    assert.equal(event.node.value, "1");
    await client.close();
  });
});

test("v3: a watch goes on at another member when its own is killed; each event once (V43)", async () => {
  await using cluster = await fastCluster({ enableV2: false });
  await using client = new Client({ endpoints: cluster.endpoints, protocol: v3Protocol() });
  const keys = new KeysAPI(client);
  const { index } = await keys.set("/k", "start");
  const watcher = keys.watcher("/k", { afterIndex: index });
  const values: string[] = [];
  const written: string[] = [];
  const reading = (async () => {
    while (values.at(-1) !== "last") values.push((await watcher.next(patience(60_000))).node.value);
  })();
  for (const [at, member] of cluster.members.entries()) {
    if (at === 2) break;
    await until("a write before", () => write(`before ${member.name}`));
    await member.kill();
    await until("a write meanwhile", () => write(`meanwhile ${member.name}`));
    await member.start();
  }
  await until("the last write", () => write("last"));
  await reading;
  assert.deepEqual(values, written);

  /** Writes a value. If the outcome is unknown, reads it back, so that only values in the store count. */
  async function write(value: string): Promise<boolean> {
    await keys.set("/k", value).catch(() => undefined);
    const now = await keys.get("/k", { quorum: true }).catch(() => undefined);
    if (now?.node.value !== value) return false;
    written.push(value);
    return true;
  }
});
