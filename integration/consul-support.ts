import { startConsul } from "./test-kit/consul.js";
import { find } from "../scripts/servers/programs.mjs";
import type { StartConsulServer } from "../src/consul/test-kit/consul-server.js";

/** Registers tests on a real Consul. Without one the whole file fails with a hint, so that nothing is skipped silently. */
export function onRealConsul(register: (start: StartConsulServer) => void): void {
  const bin = find("consul");
  register(() => startConsul({ bin }));
}
