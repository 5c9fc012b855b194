import assert from "node:assert/strict";
import test from "node:test";
import { EtcdError, isKeyNotFound } from "../core/index.js";
import type { Json } from "./decode.js";
import { base64 } from "./layout.js";
import { headerAt, scriptedGateway, type Scripted, type SeenCall } from "./test-kit/scripted-gateway.js";

const none: Json = { response_range: {} };

function fileOf(lease: string): Json {
  const kv = { key: base64("/a/k"), value: base64("v"), create_revision: "3", mod_revision: "5", version: "2", lease };
  return { response_range: { kvs: [kv], count: "1" } };
}

/** A gateway with one file under a lease, for which it grants what is asked. */
function withFile({ path, body }: SeenCall): Scripted {
  const header = headerAt(9);
  switch (path) {
    case "/v3/lease/grant":
      return { header, ID: "77", TTL: body["TTL"] };
    case "/v3/lease/keepalive":
      return { result: { header, ID: body["ID"], TTL: "60" } };
    case "/v3/lease/timetolive":
      return { header, ID: body["ID"], TTL: "41", grantedTTL: "60" };
    default:
      if (JSON.stringify(body).includes("request_put"))
        return { header: headerAt(5), succeeded: true, responses: [{ response_put: {} }, {}] };
      return { header, succeeded: true, responses: [fileOf("77"), none, none] };
  }
}

test("refresh: the time left of a lease that this client granted or renewed is not looked up, another's is", async () => {
  const { keys, calls } = scriptedGateway(withFile);
  const pathsOf = async (): Promise<readonly string[]> => {
    const before = calls.length;
    await keys.refresh("/a/k", 60);
    return calls.slice(before).map(({ path }) => path);
  };
  assert.deepEqual(await pathsOf(), ["/v3/kv/txn", "/v3/lease/timetolive", "/v3/lease/keepalive"]);
  assert.deepEqual(await pathsOf(), ["/v3/kv/txn", "/v3/lease/keepalive"], "renewed by the first one");

  const fresh = scriptedGateway(withFile);
  await fresh.keys.set("/a/k", "v", { ttl: 60 });
  const { node, prevNode } = await fresh.keys.refresh("/a/k", 60);
  assert.deepEqual([node.value, node.modifiedIndex, node.ttl, prevNode?.ttl], ["v", 5, 60, 60]);
  assert.ok(fresh.calls.every(({ path }) => path !== "/v3/lease/timetolive"));
});

test("refresh: nothing below the directories on the way is read: the server would count all of it", async () => {
  const { keys, calls } = scriptedGateway(withFile);
  await keys.refresh("/a/k", 60);
  const ranges = JSON.stringify(calls[0]?.body);
  assert.ok(ranges.includes(base64("/a/k/")) && !ranges.includes(`"${base64("/a/")}"`));
});

test("refresh: a key that expires after it was read stays gone (V32)", async () => {
  let reads = 0;
  const { keys, calls } = scriptedGateway((call) => {
    const { path, body } = call;
    // the lease ran out: the server answers a beat without a TTL
    if (path === "/v3/lease/keepalive") return { result: { header: headerAt(9), ID: "77" } };
    if (path !== "/v3/kv/txn") return withFile(call);
    // somebody's index moved: the comparison of the put fails
    if ("compare" in body) return { header: headerAt(10), responses: [] };
    if (reads++ === 0) return { header: headerAt(9), succeeded: true, responses: [fileOf("77"), none, none] };
    const isWhole = (body["success"] as readonly unknown[]).length === 4;
    const directory = { response_range: { kvs: [{ key: base64("/a/") }] } };
    const responses = isWhole ? [none, directory, none, none] : [none, none, none];
    return { header: headerAt(10), succeeded: true, responses };
  });
  const error: unknown = await keys.refresh("/a/k", 60).catch((reason: unknown) => reason);
  assert.ok(isKeyNotFound(error) && error instanceof EtcdError);
  assert.equal(error.serverCause, "/a/k");
  const puts = calls.filter(({ body }) => JSON.stringify(body).includes("request_put"));
  assert.equal(puts.length, 1);
  assert.deepEqual((puts[0]?.body["compare"] as readonly Json[])[0]?.["mod_revision"], "5", "it compares the index");
});

test("refresh: a file on the way, which only other programs can make, is refused as in every write", async () => {
  const { keys } = scriptedGateway(({ body }) => {
    const isWhole = (body["success"] as readonly unknown[]).length === 4;
    const file = { response_range: { kvs: [{ key: base64("/a") }] } };
    const responses = isWhole ? [file, fileOf("77"), fileOf("77"), none] : [fileOf("77"), file, none];
    return { header: headerAt(9), succeeded: true, responses };
  });
  const error: unknown = await keys.refresh("/a/k", 60).catch((reason: unknown) => reason);
  assert.ok(error instanceof EtcdError);
  assert.deepEqual([error.errorCode, error.serverCause], [104, "/a"]);
});
