import assert from "node:assert/strict";
import { test } from "node:test";
import { NotFoundError } from "../index.js";
import { useVirtualTime } from "../../test-kit/virtual-time.js";
import { sleep } from "../../test-kit/waiting.js";
import { consulFaultsSuite } from "./consul-faults-suite.js";
import { consulFor, memoryServers } from "./consul-server.js";
import { consulTimeSuite } from "./consul-time-suite.js";

const time = useVirtualTime();

consulTimeSuite("fake", memoryServers());
consulFaultsSuite("fake", memoryServers());

test("fake Consul: a session expires at twice its TTL and not before, and its lock-delay begins then", async (t) => {
  const { client } = await consulFor(t, memoryServers());
  const config = { node: "node1", name: "s", lockDelayMs: 3_000, ttlMs: 10_000, behavior: "delete" } as const;
  const acquire = async (id: string): Promise<string> =>
    (await client.send({ method: "PUT", path: "/v1/kv/lock", query: `acquire=${id}`, body: "" })).body;
  const begunMs = time.now();
  const at = (ms: number): Promise<void> => sleep(begunMs + ms - time.now());
  const first = await client.createSession(config);
  assert.equal(await acquire(first), "true");
  await at(19_990);
  assert.equal((await client.readSession(first)).ttlMs, 10_000);
  await at(20_010);
  await assert.rejects(client.readSession(first), NotFoundError);
  const second = await client.createSession(config);
  await at(22_990);
  assert.equal(await acquire(second), "false", "the lock-delay runs");
  await at(23_010);
  assert.equal(await acquire(second), "true");
});
