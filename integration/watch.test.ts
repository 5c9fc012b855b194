import assert from "node:assert/strict";
import { getEventListeners } from "node:events";
import test from "node:test";
import { KeysAPI, type KeysResponse } from "../src/core/index.js";
import { HeaderWatch, patience } from "../src/test-kit/waiting.js";
import { watchSpec } from "../src/core/wire/keys.js";
import { decodeKeys } from "../src/core/wire/keys-response.js";
import { clusterForTests } from "./support.js";

const cluster = clusterForTests("watch");

test("watch: the expiry of a key is an event, with its value in prevNode (A124)", async () => {
  const { keys, dir } = cluster;
  const { node } = await keys.set(`${dir}/a124`, "short", { ttl: 1 });
  const event = await keys.watcher(`${dir}/a124`, { afterIndex: node.modifiedIndex }).next(patience());
  assert.equal(event.action, "expire");
  assert.equal(event.node.key, `${dir}/a124`);
  assert.equal(event.node.value, "");
  assert.equal(event.prevNode?.value, "short");
  assert.ok(event.prevNode.expiration !== undefined);
});

test("watch: a from-now watcher delivers later events, one after the other", async () => {
  const { keys, dir, client } = cluster;
  const begun = new HeaderWatch(client);
  const came = begun.headers();
  const watcher = new KeysAPI(begun).watcher(`${dir}/now`);
  const first = watcher.next(patience());
  await came;
  const writes = [
    await keys.set(`${dir}/now`, "1"),
    await keys.set(`${dir}/now`, "2"),
    await keys.delete(`${dir}/now`),
  ];
  const events = [await first, await watcher.next(patience()), await watcher.next(patience())];
  assert.deepEqual(events.map(told), writes.map(told));
});

test("watch: a recursive watcher delivers every change below, the deletion of the tree as one event, and nothing else", async () => {
  const { keys, dir } = cluster;
  const top = `${dir}/tree`;
  const { index } = await keys.set(top, "", { dir: true });
  const writes = [
    await keys.set(`${top}/a`, "1"),
    await keys.set(`${top}/b/c`, "2"),
    await keys.createInOrder(`${top}/q`, "3"),
    await keys.update(`${top}/a`, "4"),
  ];
  await keys.set(`${top}-not`, "elsewhere");
  writes.push(await keys.delete(top, { recursive: true }));
  const watcher = keys.watcher(top, { afterIndex: index, recursive: true });
  const events: KeysResponse[] = [];
  for await (const event of watcher.events(patience())) if (events.push(event) === writes.length) break;
  assert.deepEqual(events.map(told), writes.map(told));
});

test("watch: a watcher that is not recursive ignores changes below its key", async () => {
  const { keys, dir } = cluster;
  const { index } = await keys.set(`${dir}/flat`, "", { dir: true });
  await keys.set(`${dir}/flat/child`, "1");
  const gone = await keys.delete(`${dir}/flat`, { recursive: true });
  const event = await keys.watcher(`${dir}/flat`, { afterIndex: index }).next(patience());
  assert.deepEqual(told(event), told(gone));
});

test("watch: an abort of a waiting watcher loses nothing", async () => {
  const { keys, dir, client } = cluster;
  const begun = new HeaderWatch(client);
  const watcher = new KeysAPI(begun).watcher(`${dir}/resume`, { recursive: true });
  const writes: KeysResponse[] = [];
  const events: KeysResponse[] = [];
  for (let round = 0; round < 3; round++) {
    const abort = new AbortController();
    const came = begun.headers();
    const pending = watcher.next(abort.signal);
    await came;
    abort.abort();
    await assert.rejects(pending, { name: "AbortError" });
    assert.equal(getEventListeners(abort.signal, "abort").length, 0);
    for (const name of ["a", "b"]) writes.push(await keys.set(`${dir}/resume/${name}`, String(round)));
    while (events.length < writes.length) events.push(await watcher.next(patience()));
  }
  assert.deepEqual(events.map(told), writes.map(told));
});

test("watch: the deletion of a directory above its key is an event (T36)", async () => {
  const { keys, dir } = cluster;
  const { index } = await keys.set(`${dir}/pd/a/b`, "1");
  const pending = keys.watcher(`${dir}/pd/a/b`, { afterIndex: index }).next(patience());
  await keys.delete(`${dir}/pd`, { recursive: true });
  const { node } = await pending;
  assert.equal(node.key, `${dir}/pd`);
  assert.equal(node.dir, true);
});

test("watch: a recursive watcher sees hidden keys below it only in history (T38)", async () => {
  const { keys, dir, client } = cluster;
  const { index } = await keys.set(`${dir}/hiding/start`, "");
  const hidden = await keys.set(`${dir}/hiding/_hid/x`, "1");
  const history = await keys.watcher(`${dir}/hiding`, { afterIndex: index, recursive: true }).next(patience());
  assert.deepEqual(told(history), told(hidden));

  const begun = new HeaderWatch(client);
  const came = begun.headers();
  const pending = new KeysAPI(begun).watcher(`${dir}/hiding`, { recursive: true }).next(patience());
  await came;
  await keys.set(`${dir}/hiding/_hid/x`, "2");
  const seen = await keys.set(`${dir}/hiding/seen`, "3");
  assert.deepEqual(told(await pending), told(seen));
});

test("watch: deletions and expiries in history of directories whose name merely begins like the key are skipped (T39)", async () => {
  const { keys, dir, client } = cluster;
  await keys.set(`${dir}/pp/x`, "1");
  const short = await keys.set(`${dir}/ppo`, "", { dir: true, ttl: 1 });
  const expired = await keys.watcher(`${dir}/ppo`, { afterIndex: short.node.modifiedIndex }).next(patience());
  assert.equal(expired.action, "expire");
  const deleted = await keys.delete(`${dir}/pp`, { recursive: true });
  const ours = await keys.set(`${dir}/ppother`, "ours");

  const afterIndex = expired.node.modifiedIndex - 1;
  const event = await keys.watcher(`${dir}/ppother`, { afterIndex }).next(patience());
  assert.deepEqual(told(event), told(ours));

  // this is what etcd sends
  const sent: KeysResponse[] = [];
  for (let waitIndex = afterIndex + 1; sent.length < 3; waitIndex = (sent.at(-1)?.node.modifiedIndex ?? 0) + 1) {
    const spec = watchSpec({ prefix: "/v2/keys", key: `${dir}/ppother` }, false, waitIndex, undefined);
    sent.push(decodeKeys(await client.send(spec, patience()), spec));
  }
  assert.deepEqual(sent.map(told), [expired, deleted, ours].map(told));
});

/** What a write's response and its event have in common. */
function told({ action, node }: KeysResponse): readonly unknown[] {
  return [action, node.key, node.value, node.modifiedIndex];
}
