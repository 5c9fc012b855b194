import assert from "node:assert/strict";
import test, { type TestContext } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { ConfigSourceEtcd, EndpointsConfig, ServiceConfig } from "../src/config/index.js";
import { Client } from "../src/core/index.js";
import { createDiscovery, createEtcdAgent, createEtcdDiscoveryAgent } from "../src/discovery/index.js";
import { refusedUrl } from "../src/test-kit/scripted-server.js";
import { until } from "../src/test-kit/waiting.js";

/** The first contact of each layer in a program without onWarning. Returns a function that ends it. */
const layers: Readonly<Record<string, (client: Client, onWarning?: () => void) => () => Promise<unknown>>> = {
  registration(client, onWarning) {
    const registration = createDiscovery({ client, onWarning }).register("web", { hostname: "h", public: true });
    return () => registration.close();
  },
  subscription(client, onWarning) {
    const subscription = createDiscovery({ client, onWarning }).subscribeNew("web");
    return () => subscription.close();
  },
  "agent's registration"(client, onWarning) {
    const agent = createEtcdAgent({ client, onWarning });
    agent.register({ name: "web", addr: "h", port: 1 }).catch(() => undefined);
    return () => agent.close();
  },
  "agent over the discovery's layout"(client, onWarning) {
    const agent = createEtcdDiscoveryAgent({ discovery: createDiscovery({ client, onWarning }) });
    agent.register({ name: "web", addr: "h", port: 1 }).catch(() => undefined);
    return () => agent.close();
  },
  "config source"(client, onWarning) {
    const source = new ConfigSourceEtcd({
      client,
      services: new ServiceConfig().channel("etcd"),
      endpoints: new EndpointsConfig().channel("etcd"),
      onWarning,
    });
    return () => source.close();
  },
};

/** The process warnings about stalled loops. */
function stalledWarnings(t: TestContext): readonly string[] {
  const warnings: string[] = [];
  const listener = (warning: Error & { readonly code?: string }): void => {
    if (warning.code === "ETCD2_STALLED") warnings.push(warning.message);
  };
  process.on("warning", listener);
  t.after(() => process.off("warning", listener));
  return warnings;
}

test("silence: without etcd and without onWarning, each layer warns after 5 s, once per client, with endpoint and reason (FF20)", async (t) => {
  const warnings = stalledWarnings(t);
  const url = await refusedUrl();
  const startMs = performance.now();
  await using heardClient = new Client({ endpoints: [url] });
  let heard = 0;
  const listening = Object.values(layers).map((begin) =>
    begin(heardClient, () => {
      heard++;
    }),
  );
  const running = Object.values(layers).map((begin) => {
    const client = new Client({ endpoints: [url] });
    // several layers of one client are one warning
    return { client, ends: [begin(client), begin(client)] };
  });
  t.after(async () => {
    await Promise.all(listening.map((end) => end().catch(() => undefined)));
    await Promise.all(running.flatMap(({ ends }) => ends.map((end) => end().catch(() => undefined))));
    await Promise.all(running.map(({ client }) => client.close()));
  });
  await until("a warning of each client", () => warnings.length >= running.length);
  assert.ok(performance.now() - startMs >= 4_900);
  await sleep(1_500);
  assert.equal(warnings.length, running.length);
  assert.ok(heard >= listening.length, "silence: with onWarning there is no process warning");
  for (const warning of warnings) {
    assert.ok(warning.includes(url) && warning.includes("ECONNREFUSED") && warning.includes("onWarning"), warning);
  }
});
