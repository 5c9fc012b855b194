import { heldLockSuite } from "../lock/test-kit/held-lock-suite.js";
import { fakeServers } from "./test-kit/consul-server.js";
import { consulLocksBackend } from "./test-kit/consul-locks-backend.js";

heldLockSuite("fake Consul", consulLocksBackend({ start: fakeServers({ ttlFactor: 1 }), expiryLatenessMs: 0 }));
