import assert from "node:assert/strict";
import test from "node:test";
import { ClusterError, EndpointError, KeysAPI } from "../core/index.js";
import { useVirtualTime } from "../test-kit/virtual-time.js";
import { patience, sleep } from "../test-kit/waiting.js";
import { OwnedKey, type KeyConflict, type OwnedKeyOptions } from "./owned-key.js";
import { OneKey } from "./test-kit/one-key.js";

useVirtualTime();

/** The error of a request to a member that does not respond. */
const silence = new ClusterError("ERR_CLUSTER_UNAVAILABLE", [
  new EndpointError("ERR_HEADER_TIMEOUT", "no headers in time", { endpoint: "http://a:1", outcome: "unknown" }),
]);
const signal = patience(30_000);

interface Ground {
  readonly server: OneKey;
  readonly own: OwnedKey;
  readonly conflicts: readonly KeyConflict[];
}

function groundOn(server: OneKey, options: Partial<OwnedKeyOptions> = {}): Ground {
  const conflicts: KeyConflict[] = [];
  const own = new OwnedKey(new KeysAPI(server), "/k", {
    ttl: 5,
    mode: "refresh",
    removal: "compare",
    onConflict: (conflict) => conflicts.push(conflict),
    ...options,
  });
  return { server, own, conflicts };
}

test("owned key: every write has a condition, the first is a create", async () => {
  const { server, own } = groundOn(new OneKey());
  assert.equal(await own.keep("v1", true, signal), true);
  assert.equal(await own.keep("v1", false, signal), true);
  assert.equal(await own.keep("v2", true, signal), true);
  await own.remove(signal);
  assert.deepEqual(server.log, ["get", "create v1", "refresh", "set v2", "delete"]);
  assert.equal(server.value, undefined);
});

test("owned key: a create that is stuck in a frozen member cannot bring the key back after its removal (FF11)", async () => {
  const { server, own } = groundOn(new OneKey());
  server.freeze(/^create/, silence);
  await assert.rejects(own.keep("v1", true, signal), ClusterError);
  await own.remove(signal);
  assert.deepEqual(await server.thaw(), [412]);
  assert.deepEqual(server.log, ["get", "create v1", "get", "guard"]);
});

test("owned key: a create that was stuck, and is applied later, is removed (FF11)", async () => {
  const { server, own } = groundOn(new OneKey());
  server.freeze(/^create/, silence);
  await assert.rejects(own.keep("v1", true, signal), ClusterError);
  assert.deepEqual(await server.thaw(), [201]);
  await own.remove(signal);
  assert.equal(server.value, undefined);
  assert.deepEqual(server.log, ["get", "create v1", "get", "delete"]);
});

test("owned key: of two creates, the one that is stuck cannot bring the key back (FF11)", async () => {
  const { server, own } = groundOn(new OneKey());
  server.freeze(/^create/, silence);
  await assert.rejects(own.keep("v1", true, signal), ClusterError);
  server.recover();
  assert.equal(await own.keep("v1", true, signal), true);
  await own.remove(signal);
  assert.deepEqual(await server.thaw(), [412]);
});

test("owned key: values, refreshes and takeovers that are stuck change nothing later (FF11)", async () => {
  const { server, own } = groundOn(new OneKey());
  await own.keep("v1", true, signal);
  server.freeze(/^(?:set v2|refresh)/, silence);
  await assert.rejects(own.keep("v2", true, signal), ClusterError);
  await assert.rejects(own.keep("v1", false, signal), ClusterError);
  server.recover();
  assert.equal(await own.keep("v3", true, signal), true);
  assert.deepEqual(await server.thaw(), [412, 412]);
  assert.equal(server.value, "v3");
  await own.remove(signal);
  assert.equal(server.value, undefined);
});

test("owned key: a write that was applied although it got no response is recognized as ours", async () => {
  const { server, own, conflicts } = groundOn(new OneKey());
  await own.keep("v1", true, signal);
  server.freeze(/^set/, silence);
  await assert.rejects(own.keep("v2", true, signal), ClusterError);
  assert.deepEqual(await server.thaw(), [200]);
  assert.equal(await own.keep("v2", false, signal), true);
  server.freeze(/^refresh/, silence);
  await assert.rejects(own.keep("v2", false, signal), ClusterError);
  assert.deepEqual(await server.thaw(), [200]);
  await own.remove(signal);
  assert.deepEqual([server.value, conflicts], [undefined, []]);
});

test("owned key: the directory that blocks a stuck create gives way to the next registration (FF11)", async () => {
  const { server, own } = groundOn(new OneKey());
  server.freeze(/^create/, silence);
  await assert.rejects(own.keep("v1", true, signal), ClusterError);
  await own.remove(signal);
  server.recover();
  const next = groundOn(server);
  assert.equal(await next.own.keep("v2", true, signal), true);
  assert.deepEqual(server.log.slice(4), ["get", "delete", "create v2"]);
  assert.deepEqual(await server.thaw(), [412]);
  await own.remove(signal);
  assert.equal(server.value, "v2");
});

test("owned key: an overwritten key is restored once, and then only refreshed (FF40)", async () => {
  const { server, own, conflicts } = groundOn(new OneKey());
  await own.keep("v1", true, signal);
  server.overwrite("edited by hand");
  for (let beats = 0; beats < 3; beats++) assert.equal(await own.keep("v1", false, signal), true);
  assert.deepEqual([server.value, conflicts], ["v1", ["restored"]]);
  assert.deepEqual(server.log.slice(2), ["refresh", "get", "set v1", "refresh", "refresh"]);
});

test("owned key: a writer that keeps overwriting the key is another process, and ours stands by (FF25)", async () => {
  const { server, own, conflicts } = groundOn(new OneKey());
  await own.keep("v1", true, signal);
  server.overwrite("theirs");
  assert.equal(await own.keep("v1", false, signal), true);
  server.overwrite("theirs");
  for (let beats = 0; beats < 3; beats++) assert.equal(await own.keep("v1", false, signal), false);
  assert.deepEqual([server.value, conflicts], ["theirs", ["restored", "takenOver"]]);
});

test("owned key: the process that claims the key last owns it; the other one stands by, and claims a free key (FF25)", async () => {
  const { server, own, conflicts } = groundOn(new OneKey());
  const other = groundOn(server);
  await own.keep("v1", true, signal);
  assert.equal(await other.own.keep("v2", true, signal), true);
  for (let beats = 0; beats < 3; beats++) {
    assert.equal(await own.keep("v1", false, signal), false);
    assert.equal(await other.own.keep("v2", false, signal), true);
  }
  assert.deepEqual([conflicts, other.conflicts, server.value], [["takenOver"], [], "v2"]);
  await other.own.remove(signal);
  assert.equal(await own.keep("v1", false, signal), true);
  assert.equal(server.value, "v1");
});

test("owned key: a takeover with the same value is recognized, and leaves the key's age (FF25)", async () => {
  const { server, own, conflicts } = groundOn(new OneKey());
  const other = groundOn(server);
  await own.keep("v", true, signal);
  assert.equal(await other.own.keep("v", true, signal), true);
  assert.equal(await own.keep("v", false, signal), false);
  assert.deepEqual(conflicts, ["takenOver"]);
  await own.remove(signal);
  assert.equal(server.value, "v");
});

test("owned key: a claim takes the key back", async () => {
  const { server, own } = groundOn(new OneKey());
  const other = groundOn(server);
  await own.keep("v1", true, signal);
  await other.own.keep("v2", true, signal);
  assert.equal(await own.keep("v1", false, signal), false);
  assert.equal(await own.keep("v3", true, signal), true);
  assert.equal(await other.own.keep("v2", false, signal), false);
  assert.equal(server.value, "v3");
});

test("owned key: a key that is no longer renewed is claimed after a TTL (FF25)", async () => {
  const { server, own } = groundOn(new OneKey());
  await own.keep("v1", true, signal);
  await server.replace("theirs");
  assert.equal(await own.keep("v1", false, signal), false);
  await sleep(4_000);
  await server.replace("theirs");
  assert.equal(await own.keep("v1", false, signal), false);
  await sleep(4_999);
  assert.equal(await own.keep("v1", false, signal), false);
  await sleep(1);
  assert.equal(await own.keep("v1", false, signal), true);
  assert.equal(server.value, "v1");
});

for (const removal of ["compare", "read"] as const) {
  test(`owned key: removal by "${removal}" leaves a key that another process has taken (FF26)`, async () => {
    const { server, own } = groundOn(new OneKey(), { removal });
    const other = groundOn(server, { removal });
    await own.keep("v1", true, signal);
    await other.own.keep("v2", true, signal);
    // not noticed yet
    await own.remove(signal);
    assert.equal(server.value, "v2");
    await other.own.remove(signal);
    assert.equal(server.value, undefined);
  });
}

test("owned key: after etcd was restored to an earlier state the key is written again", async () => {
  const { server, own, conflicts } = groundOn(new OneKey());
  await own.keep("v1", true, signal);
  await own.keep("v2", true, signal);
  await own.keep("v2", false, signal);
  server.restore("v1");
  assert.equal(await own.keep("v2", false, signal), true);
  assert.deepEqual([server.value, conflicts], ["v2", []]);
});
