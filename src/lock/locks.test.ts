import assert from "node:assert/strict";
import { Client, KeysAPI } from "../core/index.js";
import { TcpProxy } from "../test-kit/tcp-proxy.js";
import { startFakeEtcd, type FakeEtcd } from "../testing/index.js";
import { createLocks } from "./index.js";
import { heldLockSuite } from "./test-kit/held-lock-suite.js";

let etcd: FakeEtcd | undefined;
let client: Client | undefined;
const keys = (): KeysAPI => new KeysAPI(client ?? assert.fail("the client is there only while tests run"));

heldLockSuite("fake etcd", {
  ttlMs: 8_000,
  expiryLatenessMs: 500,
  start: async () => {
    etcd = await startFakeEtcd();
    client = new Client({ endpoints: etcd.endpoints });
  },
  stop: async () => {
    await client?.close();
    await etcd?.close();
  },
  user: async (t) => {
    const proxy = await TcpProxy.start(etcd?.endpoints[0] ?? assert.fail("there is an endpoint"));
    const own = new Client({ endpoints: [proxy.url] });
    t.after(async () => {
      await own.close();
      await proxy.close();
    });
    return {
      locks: createLocks({ client: own }),
      cut: (how) => {
        proxy.cut(how);
      },
      heal: () => {
        proxy.heal();
      },
      slow: (ms) => {
        proxy.slow(ms);
      },
    };
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
