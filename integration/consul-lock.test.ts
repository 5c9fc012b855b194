import { consulLocksBackend } from "../src/consul/test-kit/consul-locks-backend.js";
import { heldLockSuite } from "../src/lock/test-kit/held-lock-suite.js";
import { onRealConsul } from "./consul-support.js";

onRealConsul((start) => {
  // Consul may take as long again as the TTL until a session is gone
  heldLockSuite("real Consul", consulLocksBackend({ start, expiryLatenessMs: 10_000 }));
});
