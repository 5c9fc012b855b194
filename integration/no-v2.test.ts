import assert from "node:assert/strict";
import test, { after, before } from "node:test";
import type { Cluster } from "./test-kit/etcd.js";
import { Client, isKeyNotFound, KeysAPI, ResponseError } from "../src/core/index.js";
import { ownMember } from "./support.js";

let cluster: Cluster;
let client: Client;

before(async () => {
  cluster = await ownMember({ enableV2: false });
  client = new Client({ endpoints: cluster.endpoints });
});

after(async () => {
  await client.close();
  await cluster.stop();
});

test("no v2 API: the error of every keys call says how to enable it, and that nothing was applied (A131)", async () => {
  const keys = new KeysAPI(client);
  const calls = [
    () => keys.get("/k"),
    () => keys.get("/"),
    () => keys.set("/k", "v"),
    () => keys.create("/k", "v"),
    () => keys.createInOrder("/k", "v"),
    () => keys.delete("/k"),
    () => keys.watcher("/k").next(),
  ];
  for (const call of calls) {
    await assert.rejects(call(), (error) => {
      assert.ok(error instanceof ResponseError, String(error));
      assert.equal(error.code, "ERR_STATUS");
      assert.equal(error.status, 404);
      assert.equal(error.outcome, "notApplied");
      assert.match(error.message, /--enable-v2/);
      assert.ok(!isKeyNotFound(error));
      return true;
    });
  }
});

test("no v2 API: version works (A131)", async () => {
  const { server, cluster: agreed } = await client.version();
  assert.match(server, /^3\.\d+\.\d+/);
  assert.match(agreed, /^3\.\d+\.\d+/);
});
