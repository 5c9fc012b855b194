import { findConsul, startConsul } from "../scripts/servers/consul.mjs";
import type { StartConsulServer } from "../src/consul/test-kit/consul-server.js";

/** Registers tests on a real Consul. Without one the whole file fails with a hint, so that nothing is skipped silently. */
export function onRealConsul(register: (start: StartConsulServer) => void): void {
  const bin = findConsul();
  register(() => startConsul({ bin }));
}
