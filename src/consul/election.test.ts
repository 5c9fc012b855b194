import { consulElectionSuite } from "./test-kit/consul-election-suite.js";
import { consulLockBackend } from "./test-kit/consul-lock-backend.js";
import { memoryServers } from "./test-kit/consul-server.js";
import { lockSuite } from "../election/test-kit/lock-suite.js";
import { describe } from "../test-kit/register.js";
import { useVirtualTime } from "../test-kit/virtual-time.js";

useVirtualTime();

// sessions expire as early as Consul may let them
const start = memoryServers({ ttlFactor: 1 });

describe("elections on a fake Consul", { concurrency: true }, () => {
  consulElectionSuite("fake", start);
  lockSuite(
    "consul lock (fake)",
    consulLockBackend({ suffix: "fake", start, manyTermsMs: 20_000, expiryLatenessMs: 0 }),
  );
});
