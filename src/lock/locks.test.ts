import assert from "node:assert/strict";
import { test } from "../test-kit/register.js";
import { Client, KeysAPI } from "../core/index.js";
import { cuttableClient, fakeEtcdOfSuite } from "../election/test-kit/fake-etcd-of-suite.js";
import type { Exchange } from "../http/exchange.js";
import { MemoryProxy } from "../test-kit/memory-proxy.js";
import { cuttable } from "../test-kit/tcp-proxy.js";
import { useVirtualTime } from "../test-kit/virtual-time.js";
import { createFakeEtcd, globalClock } from "../testing/index.js";
import { createLocks } from "./index.js";
import { heldLockSuite } from "./test-kit/held-lock-suite.js";

useVirtualTime();

const etcd = fakeEtcdOfSuite();
const keys = (): KeysAPI => new KeysAPI(etcd.client);

heldLockSuite("fake etcd", {
  ttlMs: 8_000,
  expiryLatenessMs: 500,
  start: etcd.start,
  stop: etcd.stop,
  user: (t) => {
    const { client, way } = cuttableClient(t, etcd.server);
    return Promise.resolve({ locks: createLocks({ client }), ...cuttable(way) });
  },
  stored: async (key) => {
    try {
      const { node } = await keys().get(key);
      return [node.key, ...node.nodes.map((each) => each.key)];
    } catch {
      return [];
    }
  },
  removeEntries: async (key) => {
    await keys().delete(key, { recursive: true });
  },
});

test("locks: if the store starts over during a wait, the former holder keeps its TTL, even if the new index is ahead (FF2)", async () => {
  await using former = createFakeEtcd({ clock: globalClock() });
  await using restored = createFakeEtcd({ clock: globalClock() });
  let now = former;
  const transport: Exchange = (url, spec, signal) =>
    now.transport(new URL(url.pathname + url.search, now.endpoints[0]), spec, signal);
  await using client = new Client({ endpoints: ["http://etcd.test:2379"], transport });
  await using proxy = new MemoryProxy(former.transport);
  await using cutOff = new Client({ endpoints: former.endpoints, transport: proxy.exchange });
  const lockOptions = { ttlMs: 60_000 };
  const held = await createLocks({ client: cutOff }).acquire("/jobs", lockOptions);
  const waiting = createLocks({ client }).acquire("/jobs", lockOptions);
  await former.untilWatched("/jobs");
  const joinedAt = former.index;
  for (let i = 0; i < 20; i++) former.load({ "/jobs/other": String(i) });
  proxy.cut("hang");
  restored.load(Object.fromEntries(Array.from({ length: 10 }, (_, i) => [`/other/${String(i)}`, "v"])));
  const indexes = [joinedAt, restored.index, former.index];
  assert.deepEqual(
    [...indexes].sort((a, b) => a - b),
    indexes,
  );
  now = restored;
  await former.close();
  const next = await waiting;
  assert.equal(held.signal.aborted, true, "the former holder knows by now");
  assert.ok(await next.release());
});
