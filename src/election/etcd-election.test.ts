import { KeysAPI } from "../core/index.js";
import { useVirtualTime } from "../test-kit/virtual-time.js";
import { etcdContender } from "./test-kit/etcd-contender.js";
import { cuttableClient, fakeEtcdOfSuite } from "./test-kit/fake-etcd-of-suite.js";
import { lockSuite } from "./test-kit/lock-suite.js";

useVirtualTime();

const etcd = fakeEtcdOfSuite();

lockSuite("fake etcd", {
  title: (number, text) => `election: ${text} (consul 49, case ${String(number)}, fake etcd)`,
  config: { ttlMs: 8_000, lockDelayMs: 300, cooldownMs: 100, stepDownTimeoutMs: 500, marginMs: 500 },
  concurrency: true,
  manyTermsMs: 60_000,
  // etcd looks for expired keys twice a second
  expiryLatenessMs: 500,
  start: etcd.start,
  stop: etcd.stop,
  contender: (t) => {
    const { client, way } = cuttableClient(t, etcd.server);
    return Promise.resolve(etcdContender(client, way));
  },
  endSession: async (key) => {
    await new KeysAPI(etcd.client).delete(key);
  },
});
