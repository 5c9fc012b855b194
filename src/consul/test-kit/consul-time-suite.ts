import assert from "node:assert/strict";
import type { TestContext } from "node:test";
import { BlockingQuery } from "../blocking-query.js";
import { NotFoundError, type ConsulClient, type SessionId } from "../index.js";
import { consulFor, type ConsulGround, type StartConsulServer } from "./consul-server.js";
import { describe, test } from "../../test-kit/register.js";
import { until } from "../../test-kit/waiting.js";

const unknown = "11111111-2222-3333-4444-555555555555" as SessionId;

/** What a fake or real Consul does as time passes: locks with their delays, and blocking queries. */
export function consulTimeSuite(suffix: string, start: StartConsulServer): void {
  describe(`consul and time (${suffix})`, { concurrency: 4 }, () => {
    const check = (title: string, body: (ground: ConsulGround) => Promise<void>): void => {
      test(`${title} (${suffix})`, { timeout: 300_000 }, async (t: TestContext) => body(await consulFor(t, start)));
    };

    check("consul 2.1: acquire and release", async ({ client }) => {
      // long enough that a machine that stalls still sees it running
      const config = { node: "node1", name: "s", lockDelayMs: 5_000, ttlMs: 60_000, behavior: "delete" } as const;
      const [a, b] = [
        await client.createSession(config),
        await client.createSession({ ...config, behavior: "release" }),
      ];
      assert.deepEqual(await put(client, `acquire=${a}`, "1"), [200, "true"]);
      const first = await entry(client);
      assert.deepEqual([first["LockIndex"], first["Session"], first["Value"]], [1, a, "MQ=="]);
      assert.deepEqual(await put(client, `acquire=${a}`, "2"), [200, "true"]);
      const again = await entry(client);
      assert.deepEqual([again["LockIndex"], again["Value"]], [1, "Mg=="]);
      assert.ok(Number(again["ModifyIndex"]) > Number(first["ModifyIndex"]));
      assert.deepEqual(await put(client, `acquire=${b}`, "3"), [200, "false"]);
      assert.deepEqual(await put(client, `release=${b}`, "4"), [200, "false"]);
      assert.deepEqual(await put(client, `release=${a}`, "5"), [200, "true"]);
      const released = await entry(client);
      assert.deepEqual([released["LockIndex"], released["Session"], released["Value"]], [1, undefined, "NQ=="]);
      // an explicit release leaves no lock-delay behind
      assert.deepEqual(await put(client, `acquire=${b}`, "6"), [200, "true"]);
      assert.equal((await entry(client))["LockIndex"], 2);
      // the end of a session does leave one behind, and a session that releases its key leaves the key
      const endingMs = performance.now();
      await client.deleteSession(b);
      assert.deepEqual(await put(client, `acquire=${a}`, "7"), [200, "false"]);
      const ended = await entry(client);
      assert.deepEqual([ended["LockIndex"], ended["Session"], ended["Value"]], [2, undefined, "Ng=="]);
      await until("the lock is free", async () => (await put(client, `acquire=${a}`, "8"))[1] === "true");
      assert.ok(performance.now() - endingMs > 4_500);
      await client.deleteSession(a);
      // during a lock-delay even an unknown session gets only that as the reason
      assert.deepEqual(await put(client, `acquire=${unknown}`, "9"), [200, "false"]);
      await assert.rejects(client.get("lock"), NotFoundError);
      await until(
        "an unknown session is refused",
        async () => (await put(client, `acquire=${unknown}`, "9"))[0] !== 200,
      );
      assert.deepEqual(await put(client, `acquire=${unknown}`, "9"), [500, `invalid session "${unknown}"`]);
      assert.equal((await put(client, `acquire=${unknown}&release=${unknown}`, ""))[0], 400);
    });

    check("consul 2.1: the LockIndex starts again once the key is gone", async ({ client }) => {
      const seen: [unknown, unknown][] = [];
      for (let i = 0; i < 2; i++) {
        const id = await client.createSession({
          node: "node1",
          name: "s",
          lockDelayMs: 0,
          ttlMs: 10_000,
          behavior: "delete",
        });
        await until("the key is acquired", async () => (await put(client, `acquire=${id}`, ""))[1] === "true");
        const { LockIndex, ModifyIndex } = await entry(client);
        seen.push([LockIndex, ModifyIndex]);
        await client.deleteSession(id);
      }
      assert.deepEqual(
        seen.map(([lockIndex]) => lockIndex),
        [1, 1],
      );
      assert.ok(Number(seen[1]?.[1]) > Number(seen[0]?.[1]), "the index that is the token for that reason grows");
    });

    check(
      "consul: a blocking query waits for a change of its key, there or not, or for the wait to end",
      async ({ client }) => {
        const query = new BlockingQuery(client, {
          path: "/v1/kv/watched",
          query: { consistent: "true" },
          waitMs: 1_000,
        });
        assert.equal((await query.next(undefined)).status, 404);
        const waiting = query.next(undefined);
        await client.put("other", "v");
        await client.put("watched", "v");
        let raw = await waiting;
        // a query of a missing key may return on changes of other keys
        while (raw.status === 404) raw = await query.next(undefined);
        assert.equal(raw.status, 200);
        const begunMs = performance.now();
        assert.equal((await query.next(undefined)).status, 200);
        assert.ok(performance.now() - begunMs >= 990, "nothing changed");
        const patient = new BlockingQuery(client, { path: "/v1/kv/watched", query: {}, waitMs: 60_000 });
        assert.equal((await patient.next(undefined)).status, 200);
        const deletion = patient.next(undefined);
        await client.delete("watched");
        assert.equal((await deletion).status, 404);
        const stop = new AbortController();
        const stopped = query.next(stop.signal);
        stop.abort(new Error("enough"));
        await assert.rejects(stopped, /enough/);
      },
    );
  });
}

async function put(client: ConsulClient, query: string, body: string): Promise<readonly [number, string]> {
  const raw = await client.send({ method: "PUT", path: "/v1/kv/lock", query, body });
  return [raw.status, raw.body.trim()];
}

async function entry(client: ConsulClient): Promise<Readonly<Record<string, unknown>>> {
  const [first] = JSON.parse((await client.send({ method: "GET", path: "/v1/kv/lock" })).body) as Readonly<
    Record<string, unknown>
  >[];
  return first ?? assert.fail("there is an entry");
}
