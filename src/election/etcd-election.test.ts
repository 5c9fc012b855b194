import assert from "node:assert/strict";
import { Client, KeysAPI } from "../core/index.js";
import { MemoryProxy } from "../test-kit/memory-proxy.js";
import { useVirtualTime } from "../test-kit/virtual-time.js";
import { createFakeEtcd, globalClock, type FakeEtcd } from "../testing/index.js";
import { etcdContender } from "./test-kit/etcd-contender.js";
import { lockSuite } from "./test-kit/lock-suite.js";

useVirtualTime();

let etcd: FakeEtcd | undefined;
let client: Client | undefined;

lockSuite("fake etcd", {
  title: (number, text) => `election: ${text} (consul 49, case ${String(number)}, fake etcd)`,
  config: { ttlMs: 8_000, lockDelayMs: 300, cooldownMs: 100, stepDownTimeoutMs: 500, marginMs: 500 },
  concurrency: true,
  manyTermsMs: 60_000,
  // etcd looks for expired keys twice a second
  expiryLatenessMs: 500,
  start: () => {
    etcd = createFakeEtcd({ clock: globalClock() });
    client = new Client({ endpoints: etcd.endpoints, transport: etcd.transport });
    return Promise.resolve();
  },
  stop: async () => {
    await client?.close();
    await etcd?.close();
  },
  contender: (t) => {
    const { endpoints, transport } = etcd ?? assert.fail("the fake is there only while tests run");
    const proxy = new MemoryProxy(transport);
    const own = new Client({ endpoints, transport: proxy.exchange });
    t.after(() => own.close());
    return Promise.resolve(etcdContender(own, proxy));
  },
  endSession: async (key) => {
    await new KeysAPI(client ?? assert.fail("the client is there only while tests run")).delete(key);
  },
});
