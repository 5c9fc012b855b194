import { consulElectionSuite } from "../src/testing/consul-election-suite.js";
import { consulLockBackend } from "../src/testing/consul-lock-backend.js";
import { lockSuite } from "../src/testing/lock-suite.js";
import { describe } from "../src/testing/register.js";
import { onRealConsul } from "./consul-support.js";

/** Consul may take as long again as the TTL until a session is gone. */
const expiryLatenessMs = 10_000;

onRealConsul((start) => {
  describe("elections on a real Consul", { concurrency: true }, () => {
    consulElectionSuite("real Consul", start);
    lockSuite("consul lock (real Consul)", consulLockBackend({ suffix: "real Consul", start, manyTermsMs: 60_000, expiryLatenessMs }));
  });
});
