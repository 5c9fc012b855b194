import assert from "node:assert/strict";
import test from "node:test";
import {
  EtcdError,
  isCompareFailed,
  isKeyNotFound,
  isNodeExist,
  KeysAPI,
  UsageError,
  type KeyNode,
} from "../src/core/index.js";
import { patience, until } from "../src/test-kit/waiting.js";
import { base64, onBothGateways, storeBelow } from "./v3-support.js";

const codeOf = async (call: Promise<unknown>): Promise<number | undefined> =>
  call.then(
    () => undefined,
    (error: unknown) => (error instanceof EtcdError ? error.errorCode : Promise.reject(error as Error)),
  );

onBothGateways((ground) => {
  test("v3: keys and values lie in the v3 store as written; markers end in a slash and are empty (V4)", async () => {
    const keys = ground.keys({ namespace: "/v4" });
    await keys.set("/a/b", "1");
    await keys.set("/d", "", { dir: true });
    await keys.set("/ä/😀 +%2F", "\0 ü😀");
    assert.deepEqual(await storeBelow(ground, "/v4"), {
      "/a/": "",
      "/a/b": "1",
      "/d/": "",
      "/ä/": "",
      "/ä/😀 +%2F": "\0 ü😀",
    });
  });

  test("v3: keys of other programs are listed, read, watched and deleted; what no v2 key can be is not seen (V5, V123)", async () => {
    const keys = ground.keys({ namespace: "/v5" });
    const put = (key: string, value = "x"): Promise<unknown> =>
      ground.gateway("/v3/kv/put", { key: base64(`/v5${key}`), value: base64(value) });
    for (const key of ["/t/a", "/t/e/f", "/t//b", "/t/./c", "/both", "/both/x", "/m/"]) await put(key);
    await ground.gateway("/v3/kv/put", { key: base64("/v5/t/bytes"), value: "//4=" });
    const { node } = await keys.get("/", { recursive: true });
    const names = (each: KeyNode): unknown => (each.dir ? [each.key, ...each.nodes.map(names)] : each.key);
    assert.deepEqual(names(node), ["/", ["/both", "/both/x"], ["/m"], ["/t", "/t/a", "/t/bytes", ["/t/e", "/t/e/f"]]]);
    // a directory that holds nothing but hidden keys is there all the same
    await put("/h/only/_hidden/k");
    const { node: hidden } = await keys.get("/h", { recursive: true });
    assert.deepEqual(
      [names(hidden), names((await keys.get("/h")).node)],
      [
        ["/h", ["/h/only"]],
        ["/h", ["/h/only"]],
      ],
    );
    assert.equal((await keys.get("/t/bytes")).node.value, "\ufffd\ufffd");
    // the file is in the way of what is written below it, at any depth
    assert.deepEqual(await Promise.all(["/both/y", "/both/y/z"].map((key) => codeOf(keys.set(key, "1")))), [104, 104]);
    assert.deepEqual(
      await Promise.all(["/both/y", "/both/y/z"].map((key) => codeOf(keys.create(key, "1")))),
      [104, 104],
    );
    const { node: implied } = await keys.get("/t/e");
    assert.deepEqual([implied.dir, implied.createdIndex, implied.modifiedIndex], [true, 0, 0]);
    const { node: seen, index } = await keys.get("/t/a");
    const event = keys.watcher("/t", { recursive: true, afterIndex: index }).next(patience());
    await put("/t/a", "new");
    assert.deepEqual([(await event).node.value, (await event).prevNode?.value, seen.value], ["new", "x", "x"]);
    assert.equal((await keys.delete("/t/a")).prevNode?.value, "new");
  });

  test("v3: conditions hold, and fail with v2's codes and causes; values are withheld as in v2 (V1, V11)", async () => {
    const keys = ground.keys();
    const { node } = await keys.create("/a/k", "1");
    assert.ok(isNodeExist(await keys.create("/a/k", "2").catch((error: unknown) => error)));
    assert.equal((await keys.set("/a/k", "2", { prevValue: "1" })).action, "compareAndSwap");
    const failed: unknown = await keys
      .set("/a/k", "3", { prevIndex: node.modifiedIndex })
      .catch((error: unknown) => error);
    assert.ok(isCompareFailed(failed) && failed instanceof EtcdError);
    assert.equal(failed.serverCause, `[${String(node.modifiedIndex)} != ${String(node.modifiedIndex + 1)}]`);
    const secret: unknown = await keys.set("/a/k", "3", { prevValue: "s3cret" }).catch((error: unknown) => error);
    assert.ok(isCompareFailed(secret) && !String(secret).includes("s3cret"));
    assert.equal(await codeOf(keys.set("/a/k/x", "1")), 104);
    assert.equal(await codeOf(keys.set("/a", "1")), 102);
    assert.equal(await codeOf(keys.update("/a/none", "1")), 100);
    assert.equal(await codeOf(keys.delete("/a")), 102);
    assert.equal(await codeOf(keys.delete("/a", { dir: true })), 108);
    assert.equal(await codeOf(keys.set("/", "1")), 107);
    assert.equal(await codeOf(keys.delete("/a/k", { prevIndex: 1 })), 101);
    assert.equal((await keys.delete("/a/k", { prevValue: "2" })).action, "compareAndDelete");
    assert.ok(isKeyNotFound(await keys.get("/a/k").catch((error: unknown) => error)));
  });

  test("v3: big directories: a listing of many pages is consistent, a listing of one level skips the rest, a deletion is one event (V9, V14, V121)", async () => {
    // a watch whose first event removes 5,000 keys: etcd 3.4 on a busy machine confirms it only after more than 5 s
    const keys = ground.keys({ namespace: "/v9", watchStartTimeoutMs: 120_000 });
    const txn = (from: number): Promise<unknown> =>
      ground.gateway("/v3/kv/txn", {
        success: Array.from({ length: 100 }, (_, i) => {
          const name = String(from + i).padStart(5, "0");
          return { request_put: { key: base64(`/v9/big/${name.slice(0, 3)}/${name}`), value: base64("v") } };
        }),
      });
    for (let from = 0; from < 5_000; from += 100) await txn(from);
    const { node } = await keys.get("/big", { recursive: true, quorum: true });
    assert.equal(node.nodes.flatMap(({ nodes }) => nodes).length, 5_000);
    assert.deepEqual((await keys.get("/big")).node.nodes.map(({ key, dir }) => `${key}${dir ? "/" : ""}`).slice(0, 3), [
      "/big/000/",
      "/big/001/",
      "/big/002/",
    ]);
    assert.equal((await keys.get("/big")).node.nodes.length, 50);
    assert.equal(await codeOf(keys.set("/big", "file")), 102);
    const { index } = await keys.get("/");
    const watcher = keys.watcher("/big", { recursive: true, afterIndex: index });
    await keys.delete("/big", { recursive: true });
    const event = await watcher.next(patience(120_000));
    assert.deepEqual([event.action, event.node.key, event.node.dir], ["delete", "/big", true]);
    const next = watcher.next(patience(120_000));
    await keys.set("/big/after", "1");
    assert.equal((await next).node.key, "/big/after");
  });

  test("v3: the directory of the last deleted key stays if kept, and goes if implied (V16)", async () => {
    for (const directories of ["kept", "implied"] as const) {
      const keys = ground.keys({ directories });
      await keys.set("/a/b/c", "1");
      await keys.delete("/a/b/c");
      const left = await codeOf(keys.get("/a/b"));
      assert.equal(left, directories === "kept" ? undefined : 100, directories);
    }
  });

  test("v3: values of 1 MiB and with odd characters are read back unchanged; the error for one above the limit names it (V20)", async () => {
    const keys = ground.keys();
    for (const value of ["x".repeat(2 ** 20), "\u{10FFFF}\0\u2028é", ""]) {
      await keys.set("/v", value);
      assert.equal((await keys.get("/v", { quorum: true })).node.value, value);
    }
    await assert.rejects(keys.set("/v", "x".repeat(1_700_000)), (error) => {
      assert.ok(error instanceof EtcdError);
      assert.deepEqual([error.errorCode, error.outcome], [210, "notApplied"]);
      assert.match(error.serverCause, /--max-request-bytes/);
      return true;
    });
    assert.equal(await codeOf(keys.set(`/${"s/".repeat(61)}k`, "v")), 209);
  });

  test("v3: a TTL is at least 2 s, a key without one is permanent, an expiry reports the value (V23, V24, V25, V27)", async () => {
    const keys = ground.keys();
    const { node } = await keys.set("/t/short", "1", { ttl: 1 });
    assert.equal(node.ttl, 2);
    assert.ok(node.expiration !== undefined && node.expiration.getTime() > Date.now());
    await keys.set("/t/kept", "1", { ttl: 2 });
    const permanent = await keys.set("/t/kept", "2");
    assert.equal(permanent.node.ttl, undefined);
    const watcher = keys.watcher("/t", { recursive: true, afterIndex: permanent.index });
    const expired = await watcher.next(patience());
    assert.deepEqual([expired.action, expired.node.key, expired.prevNode?.value], ["expire", "/t/short", "1"]);
    await keys.set("/t/deleted", "1", { ttl: 60 });
    await keys.delete("/t/deleted");
    assert.equal((await watcher.next(patience())).action, "set");
    assert.equal((await watcher.next(patience())).action, "delete");
    assert.equal((await keys.get("/t/kept")).node.value, "2", "its former lease expired without effect");
  });

  test("v3: refresh with the same ttl changes no index and makes no event; with another one it is a set (V28, V29, V30, V32, V35)", async () => {
    const keys = ground.keys();
    const { node, index } = await keys.set("/r/k", "v", { ttl: 10 });
    const watcher = keys.watcher("/r", { recursive: true, afterIndex: index });
    const same = await keys.refresh("/r/k", 10);
    assert.deepEqual([same.node.modifiedIndex, same.node.value, same.action], [node.modifiedIndex, "v", "update"]);
    assert.equal(await codeOf(keys.refresh("/r/k", 10, { prevValue: "w" })), 101);
    assert.equal(await codeOf(keys.refresh("/r/k", 10, { prevIndex: 1 })), 101);
    const other = await keys.refresh("/r/k", 20);
    assert.ok(other.node.modifiedIndex > node.modifiedIndex);
    const event = await watcher.next(patience());
    assert.deepEqual([event.action, event.index, event.node.value], ["set", event.index, "v"]);
    assert.equal(event.node.modifiedIndex, other.node.modifiedIndex, "the first refresh was no event");
    await keys.set("/r/permanent", "p");
    assert.equal((await keys.refresh("/r/permanent", 30)).node.ttl, 30);
    assert.equal(await codeOf(keys.refresh("/r/none", 10)), 100);
    for (const call of [
      keys.set("/r/d", "", { dir: true, ttl: 5 }),
      keys.create("/r/d", "", { dir: true, ttl: 5 }),
      keys.update("/r", "", { dir: true, ttl: 5 }),
    ]) {
      assert.equal(await codeOf(call), 209);
    }
  });

  test("v3: keys in order are unique and ascend, also made by many at once and after deletions (V36, V38, V118)", async () => {
    const clients = Array.from({ length: 4 }, () => ground.keys({ namespace: "/v36" }));
    const seen: string[] = [];
    await Promise.all(
      clients.map(async (keys) => {
        for (let i = 0; i < 10; i++) {
          const { node } = await keys.createInOrder("/q/new", String(i));
          seen.push(node.key);
          if (i % 3 === 0) await keys.delete(node.key);
        }
      }),
    );
    assert.equal(new Set(seen).size, 40);
    const [keys = assert.fail()] = clients;
    const listed = (await keys.get("/q/new", { sort: true })).node.nodes.map(({ key }) => key);
    const last = (await keys.createInOrder("/q/new", "last")).node.key;
    assert.ok(listed.every((key) => key < last));
    const taken = `/q/new/${String(Number(last.slice(-20)) + 1).padStart(20, "0")}`;
    await keys.set(taken, "by somebody else");
    const passed = await keys.createInOrder("/q/new", "", { dir: true });
    assert.ok(passed.node.dir && passed.node.key > taken);
    await keys.set("/q/file", "1");
    assert.equal(await codeOf(keys.createInOrder("/q/file", "x")), 104);
    assert.match((await keys.createInOrder("/", "x")).node.key, /^\/\d{20}$/);
  });

  test("v3: version and health work; a request with another path is a UsageError and is not sent (V86)", async () => {
    const client = ground.client();
    assert.match((await client.version()).server, /^3\.[45]\./);
    assert.equal((await client.send({ method: "GET", path: "/health" })).status, 200);
    await assert.rejects(client.send({ method: "PUT", path: "/v2/keys/x", body: "value=1" }), (error) => {
      assert.ok(error instanceof UsageError);
      assert.match(error.message, /namespace/);
      return true;
    });
    await assert.rejects(new KeysAPI(client, { prefix: "/other/keys" }).get("/a"), UsageError);
  });

  test("v3: the error for a v2 client at a server without v2 names etcd2/v3 (V88)", async () => {
    const client = ground.client({}, { protocol: undefined });
    await assert.rejects(new KeysAPI(client).get("/a"), /--enable-v2.*etcd2\/v3/);
  });

  test("v3: a lease expires with its key even if the key is never read", async () => {
    const keys = ground.keys({ namespace: "/gone" });
    await keys.set("/k", "1", { ttl: 1 });
    await until("the key is gone from the store", async () => !("/k" in (await storeBelow(ground, "/gone"))));
  });
});
