import assert from "node:assert/strict";
import type { TestContext } from "node:test";
import { NotFoundError, RequestError, type SessionConfig, type SessionId } from "../index.js";
import { EndpointError } from "../../util/errors.js";
import { consulFor, type ConsulGround, type StartConsulServer } from "./consul-server.js";
import { describe, test } from "../../test-kit/register.js";
import { until } from "../../test-kit/waiting.js";

const unknown = "11111111-2222-3333-4444-555555555555" as SessionId;

/** The tests of the client on a fake or real Consul: both must behave alike in everything it relies on. */
export function consulClientSuite(suffix: string, start: StartConsulServer): void {
  describe(`consul client (${suffix})`, { concurrency: 4 }, () => {
    const check = (title: string, body: (ground: ConsulGround) => Promise<void>): void => {
      test(`${title} (${suffix})`, { timeout: 300_000 }, async (t: TestContext) => body(await consulFor(t, start)));
    };

    check("consul 4, 6, 7: the agent", async ({ client }) => {
      assert.equal((await client.self()).name, "node1");
      const [member] = await client.members();
      assert.deepEqual([member?.name, member?.address, member?.tags["dc"]], ["node1", "127.0.0.1", "dc1"]);
      await client.reload();
      await client.maintenanceMode(true, "my reason & more");
      await client.maintenanceMode(false);
    });

    check("consul 8 to 11: the catalog", async ({ client }) => {
      const body = JSON.stringify({ ID: "i/1", Name: "my app", Tags: ["b", "a"], Port: 80, Address: "" });
      await client.send({ method: "PUT", path: "/v1/agent/service/register", body });
      await until("the service is there", async () => (await client.service("my app")).length === 1);
      assert.deepEqual(await client.datacenters(), ["dc1"]);
      assert.deepEqual(
        (await client.nodes()).map(({ name, address, taggedAddresses }) => [name, address, taggedAddresses["wan"]]),
        [["node1", "127.0.0.1", "127.0.0.1"]],
      );
      assert.deepEqual((await client.services({ dc: "dc1" }))["my app"], ["a", "b"]);
      assert.deepEqual((await client.node("node1")).services["i/1"], {
        id: "i/1",
        service: "my app",
        tags: ["b", "a"],
        port: 80,
      });
      await assert.rejects(client.node("nobody"), NotFoundError);
      const [instance] = await client.service("my app", { tags: ["a", "b"] });
      assert.deepEqual(
        [instance?.serviceId, instance?.serviceAddress, instance?.effectiveAddress()],
        ["i/1", "", "127.0.0.1"],
      );
      assert.deepEqual(await client.service("my app", { tags: ["a", "c"] }), []);
      assert.deepEqual(await client.service("nope"), []);
      await assert.rejects(
        client.nodes({ dc: "elsewhere" }),
        (error) => error instanceof RequestError && error.statusCode === 500,
      );
    });

    check("consul 12 to 18: keys and values", async ({ client }) => {
      const pairs: [string, string][] = [
        ["a b/c?d#e%", "v"],
        ["a/b", "one"],
        ["a/bc", ""],
        ["a/b/é😀", "ü😀"],
        ["a/b/Z", "x\0y"],
        ["dir/", "folder"],
      ];
      for (const [key, value] of pairs) await client.put(key, value);
      for (const [key, value] of pairs) assert.equal(await client.get(`/${key}`), value);
      assert.deepEqual(await client.keys("a/b"), ["a/b", "a/b/Z", "a/b/é😀", "a/bc"]);
      assert.deepEqual(await client.recurse("a/b/"), [
        ["a/b/Z", "x\0y"],
        ["a/b/é😀", "ü😀"],
      ]);
      assert.equal((await client.keys("")).length, pairs.length);
      const bytes = Uint8Array.from({ length: 256 }, (_, i) => i);
      await client.put("bytes", bytes);
      assert.deepEqual([...(await client.getBytes("bytes"))], [...bytes]);
      await client.delete("a/b");
      await client.delete("a/b");
      for (const call of [
        () => client.get("a/b"),
        () => client.getBytes("a/b"),
        () => client.keys("nope"),
        () => client.recurse("nope"),
      ])
        await assert.rejects(call(), NotFoundError);
      // Consul closes the connection during the request: on a busy machine its response may be lost
      await until("the refusal gets through", async () => {
        const refusal: unknown = await client
          .put("large", "x".repeat(512 * 1_024 + 1))
          .catch((error: unknown) => error);
        if (refusal instanceof EndpointError) return false;
        assert.ok(refusal instanceof RequestError && refusal.statusCode === 413);
        return true;
      });
    });

    check("consul 19 to 25: sessions", async ({ client }) => {
      const config = { node: "node1", name: "s", lockDelayMs: 1_500, ttlMs: 10_000, behavior: "delete" } as const;
      const id = await client.createSession(config);
      const { ttlMs: _, ...withoutTtl } = config;
      const second = await client.createSession({ ...withoutTtl, behavior: "release" });
      assert.deepEqual(await client.readSession(id), config);
      assert.deepEqual(
        await client.listSessions("node1"),
        new Map<SessionId, SessionConfig>([
          [id, config],
          [second, { ...withoutTtl, behavior: "release" }],
        ]),
      );
      assert.equal(await client.renewSession(id), 10_000);
      assert.equal(await client.renewSession(second), Infinity);
      await client.deleteSession(id);
      await client.deleteSession(id);
      await assert.rejects(client.readSession(id), NotFoundError);
      await assert.rejects(
        client.renewSession(unknown),
        (error) => error instanceof NotFoundError && error.body.includes("not found"),
      );
      assert.equal((await client.listSessions("nobody")).size, 0);
      await assert.rejects(
        client.createSession({ ...config, node: "nobody" }),
        (error) => error instanceof RequestError && error.statusCode === 500,
      );
    });

    check("consul: 300 calls at once stay within Consul's limit of connections", async ({ client }) => {
      await Promise.all(Array.from({ length: 300 }, (_, i) => client.put(`many/${String(i)}`, String(i))));
      assert.equal((await client.keys("many/")).length, 300);
    });
  });
}
