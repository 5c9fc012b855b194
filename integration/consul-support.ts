import { test } from "node:test";
import { findConsul, startConsul } from "../scripts/servers/consul.mjs";
import type { StartConsulServer } from "../src/consul/test-kit/consul-server.js";
import { namesOf } from "../src/test-kit/register.js";

/**
 * Tests on a real Consul, if there is one to be had. Where there is none nothing fails and nothing is passed over in
 * silence: one test, which passes, names each that is not run. The fake runs them all, in the unit tests.
 */
export function onRealConsul(register: (start: StartConsulServer) => void): void {
  const bin = findConsul();
  if (bin !== undefined) {
    register(() => startConsul({ bin }));
    return;
  }
  const names = namesOf(() => {
    register(() => Promise.reject(new Error("there is no Consul here")));
  });
  void test(`no real Consul here: ${String(names.length)} tests are not run`, (t) => {
    for (const name of names) t.diagnostic(`not run: ${name}`);
  });
}
