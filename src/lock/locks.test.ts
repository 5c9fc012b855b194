import assert from "node:assert/strict";
import { Client, KeysAPI } from "../core/index.js";
import { MemoryProxy } from "../test-kit/memory-proxy.js";
import { cuttable } from "../test-kit/tcp-proxy.js";
import { useVirtualTime } from "../test-kit/virtual-time.js";
import { createFakeEtcd, globalClock, type FakeEtcd } from "../testing/index.js";
import { createLocks } from "./index.js";
import { heldLockSuite } from "./test-kit/held-lock-suite.js";

useVirtualTime();

let etcd: FakeEtcd | undefined;
let client: Client | undefined;
const keys = (): KeysAPI => new KeysAPI(client ?? assert.fail("the client is there only while tests run"));

heldLockSuite("fake etcd", {
  ttlMs: 8_000,
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
  user: (t) => {
    const { endpoints, transport } = etcd ?? assert.fail("the fake is there only while tests run");
    const proxy = new MemoryProxy(transport);
    const own = new Client({ endpoints, transport: proxy.exchange });
    t.after(async () => {
      await own.close();
      await proxy.close();
    });
    return Promise.resolve({
      locks: createLocks({ client: own }),
      ...cuttable(proxy),
    });
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
