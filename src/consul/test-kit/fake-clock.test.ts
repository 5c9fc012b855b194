import assert from "node:assert/strict";
import test from "node:test";
import { createConsulClient, NotFoundError } from "../index.js";
import { ManualClock } from "./fake-clock.js";
import { startFakeConsul } from "./fake-consul.js";

test("fake Consul: on a clock that the test moves, a session expires at twice its TTL and not before", async (t) => {
  const clock = new ManualClock();
  const fake = await startFakeConsul({ clock });
  const client = createConsulClient({ address: fake.url });
  t.after(async () => {
    await client.close();
    await fake.close();
  });
  const config = { node: "node1", name: "s", lockDelayMs: 3_000, ttlMs: 10_000, behavior: "delete" } as const;
  const acquire = async (id: string): Promise<string> =>
    (await client.send({ method: "PUT", path: "/v1/kv/lock", query: `acquire=${id}`, body: "" })).body;
  const first = await client.createSession(config);
  assert.equal(await acquire(first), "true");
  clock.advance(19_999);
  assert.equal((await client.readSession(first)).ttlMs, 10_000);
  clock.advance(1);
  await assert.rejects(client.readSession(first), NotFoundError);
  const second = await client.createSession(config);
  clock.advance(2_999);
  assert.equal(await acquire(second), "false", "the lock-delay runs");
  clock.advance(1);
  assert.equal(await acquire(second), "true");
});
