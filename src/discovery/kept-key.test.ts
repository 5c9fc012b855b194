import assert from "node:assert/strict";
import test from "node:test";
import { useVirtualTime } from "../test-kit/virtual-time.js";
import { sleep } from "../test-kit/waiting.js";
import { ClusterError, KeysAPI, UsageError } from "../core/index.js";
import { KeptKey } from "./kept-key.js";
import type { KeptKeyOptions } from "./kept-key-options.js";
import { OneKey } from "./test-kit/one-key.js";

useVirtualTime();

function keep(server: OneKey, options: Partial<KeptKeyOptions> = {}): KeptKey {
  return new KeptKey(new KeysAPI(server), "/k", "v1", { ttlMs: 5_000, beatMs: 1_000, retryMs: 1_000, ...options });
}

test("kept key: it creates the key, refreshes it, and deletes it at the end", async () => {
  const server = new OneKey();
  const kept = keep(server);
  await kept.written;
  await server.came(4);
  await Promise.all([kept.close(), kept.close()]);
  assert.equal(await kept.closed, undefined);
  const { length } = server.log;
  const distinct = server.log.filter((each, i) => each !== server.log[i - 1]);
  // the refresh that close() interrupts leaves the outcome open, so the key is read before it is deleted
  assert.deepEqual(distinct.slice(0, 3), ["get", "create v1", "refresh"]);
  assert.equal(distinct.at(-1), "delete");
  assert.equal(server.value, undefined);
  await kept.close();
  assert.equal(server.log.length, length);
  await assert.rejects(kept.setValue("v2"), UsageError);
});

test("kept key: a key that is gone is created again at the next beat", async () => {
  const server = new OneKey();
  await using kept = keep(server);
  await kept.written;
  server.expire();
  await server.came(server.log.length + 5);
  assert.equal(server.log.filter((each) => each === "create v1").length, 2);
  assert.equal(server.value, "v1");
});

test("kept key: if a server blanks the value on a refresh, each later beat sends the value", async () => {
  const server = new OneKey();
  await using kept = keep(server);
  await kept.written;
  server.blanksRefreshed = true;
  await server.came(server.log.length + 4);
  assert.deepEqual(server.log.slice(-2), ["set v1", "set v1"]);
});

test(
  "kept key: a new value is written at once, after the write in progress, and never concurrently with another",
  { timeout: 30_000 },
  async () => {
    const server = new OneKey();
    await using kept = keep(server, { beatMs: 60_000 });
    await kept.written;
    await kept.setValue("v2");
    const open = server.hold();
    const third = kept.setValue("v3");
    await server.came(4);
    const both = Promise.all([third, kept.setValue("v4"), kept.setValue("v5")]);
    open();
    await both;
    assert.deepEqual(server.log, ["get", "create v1", "set v2", "set v3", "set v5"]);
    assert.equal(server.mostAtOnce, 1);
  },
);

test(
  "kept key: a new value is written at once, at whatever moment after the write before it arrives",
  { timeout: 30_000 },
  async () => {
    for (let moments = 0; moments < 20; moments++) {
      const server = new OneKey();
      await using kept = keep(server, { beatMs: 60_000 });
      await kept.written;
      for (let i = 0; i < moments; i++) await Promise.resolve();
      await kept.setValue("v2");
      assert.deepEqual(server.log, ["get", "create v1", "set v2"]);
    }
  },
);

test("kept key: failures are reported and tried again, and handlers that throw change nothing", async () => {
  const server = new OneKey();
  const told: string[] = [];
  const options: Partial<KeptKeyOptions> = {
    onState(state) {
      told.push(state);
      throw new Error("handler");
    },
    onError() {
      told.push("error");
      throw new Error("handler");
    },
  };
  server.failing = new ClusterError("ERR_CLUSTER_UNAVAILABLE");
  await using kept = keep(server, options);
  await server.came(2);
  server.failing = undefined;
  await kept.written;
  server.failing = new ClusterError("ERR_CLUSTER_UNAVAILABLE");
  await server.came(server.log.length + 3);
  server.failing = undefined;
  await server.came(server.log.length + 3);
  assert.deepEqual(
    told.filter((each, i) => each !== told[i - 1]),
    ["error", "registered", "error", "degraded", "error", "registered"],
  );
});

test("kept key: a create that is under way is waited for before the delete is sent", async () => {
  const server = new OneKey();
  const kept = keep(server, { beatMs: 60_000 });
  await server.came(1);
  const open = server.hold();
  await server.came(2);
  const closing = kept.close();
  await sleep(1_000);
  assert.deepEqual(server.log, ["get", "create v1"]);
  open();
  await closing;
  assert.deepEqual(server.log, ["get", "create v1", "delete"]);
});

test("kept key: an abort before the start sends nothing; one before the first write rejects with its reason", async () => {
  const reason = new Error("enough");
  const server = new OneKey();
  const never = keep(server, { signal: AbortSignal.abort(reason) });
  await assert.rejects(never.written, reason);
  assert.equal(await never.closed, undefined);
  assert.equal(server.log.join(), "");
  const abort = new AbortController();
  server.failing = new ClusterError("ERR_CLUSTER_UNAVAILABLE");
  const kept = keep(server, { signal: abort.signal });
  await server.came(1);
  abort.abort(reason);
  await assert.rejects(kept.written, reason);
  assert.equal(await kept.closed, undefined);
  assert.ok(!server.log.includes("delete"), "nothing was written");
});

test("kept key: close() rejects if the delete fails, and may be called again", async () => {
  const server = new OneKey();
  const kept = keep(server, { beatMs: 60_000 });
  await kept.written;
  server.failing = new ClusterError("ERR_CLUSTER_UNAVAILABLE");
  await assert.rejects(kept.close(), ClusterError);
  server.failing = undefined;
  await kept.close();
  assert.equal(server.value, undefined);
});

test("kept key: a closed client ends it with the error of the client", async () => {
  const server = new OneKey();
  const kept = keep(server);
  await kept.written;
  const closed = new UsageError("ERR_CLOSED", "the client is closed");
  server.failing = closed;
  assert.equal(await kept.closed, closed);
});

test("kept key: bad arguments are refused", () => {
  const server = new OneKey();
  const bad: readonly unknown[] = [
    { ttlMs: 999 },
    { ttlMs: 0 },
    { beatMs: 0 },
    { retryMs: -1 },
    { mode: "both" },
    { onState: 1 },
    { onError: 1 },
    { signal: 1 },
    { beat: 1 },
  ];
  for (const options of bad) assert.throws(() => keep(server, options as Partial<KeptKeyOptions>), UsageError);
  assert.throws(() => new KeptKey(new KeysAPI(server), "/a/../b", "v", { ttlMs: 5_000 }), UsageError);
  assert.deepEqual(server.log, []);
});
