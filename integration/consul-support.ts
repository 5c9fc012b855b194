import { findConsul, startConsul } from "../scripts/servers/consul.mjs";
import type { StartConsulServer } from "../src/consul/test-kit/consul-server.js";

/** Registers tests on a real Consul. Without one the whole file fails, with the remedy: nothing is left out in silence. */
export function onRealConsul(register: (start: StartConsulServer) => void): void {
  const bin = findConsul();
  register(() => startConsul({ bin }));
}
