import { consulElectionSuite } from "../testing/consul-election-suite.js";
import { consulLockBackend } from "../testing/consul-lock-backend.js";
import { fakeServers } from "../testing/consul-server.js";
import { lockSuite } from "../testing/lock-suite.js";
import { describe } from "../testing/register.js";

// sessions expire as early as Consul may let them
const start = fakeServers({ ttlFactor: 1 });

describe("elections on a fake Consul", { concurrency: true }, () => {
  consulElectionSuite("fake", start);
  lockSuite("consul lock (fake)", consulLockBackend({ suffix: "fake", start, manyTermsMs: 15_000, expiryLatenessMs: 0 }));
});
