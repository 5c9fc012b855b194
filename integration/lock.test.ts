// Locks and semaphores on a real etcd, over both transports.
import assert from "node:assert/strict";
import { describe, test, type TestContext } from "node:test";
import { Client, EtcdError, KeysAPI, UsageError, type Exchange, type KeyNode } from "../src/core/index.js";
import { newKey } from "../src/election/test-kit/lock-ground.js";
import { undiciExchange } from "../src/http/undici/index.js";
import { createLocks, type Locks } from "../src/lock/index.js";
import { heldLockSuite } from "../src/lock/test-kit/held-lock-suite.js";
import { cuttable, TcpProxy } from "../src/test-kit/tcp-proxy.js";
import { clusterForTests, etcdOfSuite } from "./support.js";

for (const [name, transport] of [
  ["etcd, got", undefined],
  ["etcd, undici", undiciExchange],
] as const) {
  const etcd = etcdOfSuite();
  const keys = (): KeysAPI => new KeysAPI(etcd.client);
  const nodes = async (key: string): Promise<readonly KeyNode[]> => {
    try {
      const { node } = await keys().get(key, { quorum: true });
      return [node, ...node.nodes];
    } catch {
      return [];
    }
  };
  heldLockSuite(name, {
    ttlMs: 8_000,
    // etcd looks for expired keys twice a second
    expiryLatenessMs: 500,
    start: etcd.start,
    stop: etcd.stop,
    user: async (t) => {
      const proxy = await TcpProxy.start(etcd.server.endpoints[0] ?? assert.fail("there is an endpoint"));
      t.after(() => proxy.close());
      return {
        locks: locksFor(t, proxy.url, transport?.()),
        ...cuttable(proxy),
      };
    },
    stored: async (key) => (await nodes(key)).map((node) => node.key),
    removeEntries: async (key) => {
      await keys().delete(key, { recursive: true });
    },
  });
}

describe("locks on etcd alone", { concurrency: true }, () => {
  const cluster = clusterForTests("lock");

  test("locks: a key that is a file, or is below a file, is refused (FF24)", async (t) => {
    const locks = locksFor(t, cluster.endpoints[0] ?? "");
    const key = newKey();
    await cluster.keys.set(key, "a leader, say");
    for (const each of [key, `${key}/below`]) {
      await assert.rejects(locks.acquire(each), (error) => error instanceof EtcdError && error.errorCode === 104);
      await assert.rejects(locks.tryAcquire(each), EtcdError);
    }
    assert.equal((await cluster.keys.get(key)).node.value, "a leader, say");
  });

  test("locks: other keys in a lock's directory are ignored and kept", async (t) => {
    const locks = locksFor(t, cluster.endpoints[0] ?? "");
    const key = newKey();
    await cluster.keys.set(`${key}/note`, "not ours");
    await cluster.keys.set(`${key}/dir/below`, "not ours");
    const lock = await locks.acquire(key);
    assert.equal(await locks.tryAcquire(key), undefined);
    assert.equal(await lock.release(), true);
    assert.equal((await cluster.keys.get(key)).node.nodes.length, 2);
  });

  test("locks: the entry names the holder of the lock, and has the TTL", async (t) => {
    const locks = locksFor(t, cluster.endpoints[0] ?? "");
    const key = newKey();
    const lock = await locks.acquire(key, { ttlMs: 29_200, holder: "10.0.0.1:80" });
    const [entry] = (await cluster.keys.get(key)).node.nodes;
    assert.equal(lock.fencingToken, String(entry?.createdIndex));
    assert.ok((entry?.ttl ?? 0) > 15 && (entry?.ttl ?? 0) <= 30);
    const value = JSON.parse(entry?.value ?? "") as Record<string, unknown>;
    assert.deepEqual(Object.keys(value), ["session", "contact", "limit"]);
    assert.deepEqual([value["contact"], value["limit"]], ["10.0.0.1:80", 1]);
    await lock.release();
  });

  test("locks: keys of a namespace lock below it", async (t) => {
    const client = new Client({ endpoints: cluster.endpoints });
    t.after(() => client.close());
    const key = newKey();
    const locks = createLocks({ client: new KeysAPI(client).namespace("/tenant") });
    const lock = await locks.acquire(key);
    assert.equal((await cluster.keys.get(`/tenant${key}`)).node.nodes.length, 1);
    const waiting = locks.acquire(key);
    assert.equal(await lock.release(), true);
    assert.equal(await (await waiting).release(), true);
    await assert.rejects(cluster.keys.get(`/tenant${key}`), /^EtcdError: 100/);
  });

  test("locks: closing the client ends a lock and pending acquires", async () => {
    const client = new Client({ endpoints: cluster.endpoints });
    const locks = createLocks({ client });
    const key = newKey();
    const lock = await locks.acquire(key, { ttlMs: 30_000 });
    const waiting = assert.rejects(
      locks.acquire(key, { ttlMs: 30_000 }),
      (error) => error instanceof UsageError && error.code === "ERR_CLOSED",
    );
    await client.close();
    await waiting;
    assert.equal(await lock.release(), false);
  });

  test("createLocks: bad options are refused", () => {
    for (const options of [undefined, null, {}, { client: {} }, { client: undefined }]) {
      assert.throws(() => createLocks(options as never), UsageError);
    }
  });
});

function locksFor(t: TestContext, url: string, transport?: Exchange): Locks {
  const client = new Client({ endpoints: [url], ...(transport !== undefined && { transport }) });
  t.after(() => client.close());
  return createLocks({ client });
}
