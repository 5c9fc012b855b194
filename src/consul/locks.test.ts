import { heldLockSuite } from "../lock/test-kit/held-lock-suite.js";
import { memoryServers } from "./test-kit/consul-server.js";
import { consulLocksBackend } from "./test-kit/consul-locks-backend.js";
import { useVirtualTime } from "../test-kit/virtual-time.js";

useVirtualTime();
heldLockSuite("fake Consul", consulLocksBackend({ start: memoryServers({ ttlFactor: 1 }), expiryLatenessMs: 0 }));
