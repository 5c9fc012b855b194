import { consulElectionSuite } from "../src/consul/test-kit/consul-election-suite.js";
import { consulLockBackend } from "../src/consul/test-kit/consul-lock-backend.js";
import { lockSuite } from "../src/election/test-kit/lock-suite.js";
import { describe } from "../src/test-kit/register.js";
import { onRealConsul } from "./consul-support.js";

/** Consul may take as long again as the TTL until a session is gone. */
const expiryLatenessMs = 10_000;

onRealConsul((start) => {
  describe("elections on a real Consul", { concurrency: true }, () => {
    consulElectionSuite("real Consul", start);
    lockSuite(
      "consul lock (real Consul)",
      consulLockBackend({ suffix: "real Consul", start, manyTermsMs: 60_000, expiryLatenessMs }),
    );
  });
});
