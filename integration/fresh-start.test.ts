import assert from "node:assert/strict";
import { cp, rm } from "node:fs/promises";
import test from "node:test";
import {
  ConfigSourceEtcd,
  EndpointsConfig,
  etcdListerWatcher,
  jsonCodec,
  ServiceConfig,
  SourceAPI,
} from "../src/config/index.js";
import { Client, KeysAPI } from "../src/core/index.js";
import { createDiscovery, createEtcdAgent, createEtcdDiscoveryAgent } from "../src/discovery/index.js";
import type { Agent, ServiceWatcher } from "../src/agent/index.js";
import { noop } from "../src/util/deferred.js";
import { noiseMs, patience, until } from "../src/test-kit/waiting.js";
import { ownMember } from "./support.js";

/** Hosts, instances and services of one generation, without a TTL, so that only the cluster can take them away. */
async function write(keys: KeysAPI, generation: string): Promise<void> {
  await keys.set(
    `/services/web/${generation}`,
    `{"name":"h","service_name":"web","ports":{"http":"80"},"uuid":"${generation}"}`,
  );
  await keys.set(`/disco/web/${generation}`, `{"id":"${generation}","name":"web","host":"h","port":80,"tags":[]}`);
  await keys.set(
    `/registry/services/specs/default/${generation}`,
    `{"id":"${generation}","namespace":"default","port":80}`,
  );
}

/** The ids of the instances that a watcher's events have left registered. */
function follow(watcher: ServiceWatcher): ReadonlySet<string> {
  const known = new Set<string>();
  const reading = async (): Promise<void> => {
    for await (const batch of watcher) {
      for (const { op, instance } of batch) {
        if (op === "delete") known.delete(instance.id);
        else known.add(instance.id);
      }
    }
  };
  // ends with the client, also if the test has failed before
  reading().catch(noop);
  return known;
}

for (const how of ["emptied", "restored from a backup"] as const) {
  test(`fresh start: when a cluster is ${how} at the same address, each layer has the new state within 15 s (FF2)`, async () => {
    await using cluster = await ownMember();
    const member = cluster.members[0] ?? assert.fail();
    await using client = new Client({ endpoints: cluster.endpoints });
    const keys = new KeysAPI(client);
    await write(keys, "backup");
    await member.terminate();
    const backup = `${member.dataDir}-backup`;
    await cp(member.dataDir, backup, { recursive: true });
    await member.start();
    // the old cluster gets far ahead of the new one
    for (let i = 0; i < 50; i++) await keys.set("/noise", String(i));
    await write(keys, "old");

    const discovery = createDiscovery({ client });
    await using fresh = discovery.subscribeNew("web");
    await using down = discovery.subscribeDown("web");
    await Promise.all([fresh.ready, down.ready]);
    const agents: readonly Agent[] = [createEtcdAgent({ client }), createEtcdDiscoveryAgent({ discovery })];
    const known = await Promise.all(agents.map(async (agent) => follow((await agent.service("web")).watch())));
    const configs = [new ServiceConfig(), new ServiceConfig()] as const;
    const nothing = new EndpointsConfig();
    await using source = new ConfigSourceEtcd({
      client,
      services: configs[0].channel("etcd"),
      endpoints: nothing.channel("etcd"),
      resyncMs: 0,
    });
    await using api = new SourceAPI({
      services: etcdListerWatcher({
        client,
        path: "/registry/services/specs",
        decode: ({ key, value, modifiedIndex }) => jsonCodec.decodeService(value, { key, modifiedIndex }),
      }),
      endpoints: etcdListerWatcher({
        client,
        path: "/registry/services/endpoints",
        decode: ({ value }) => jsonCodec.decodeEndpoints(value),
      }),
      periodMs: 1_000,
      serviceSink: configs[1].channel("api"),
      endpointsSink: nothing.channel("api"),
    });
    await Promise.all([source.synced, api.synced]);
    await using host = discovery.register("web", { hostname: "h", ports: { http: "80" } });
    await host.waitRegistration();
    await until("the agents see both", () => known.every((ids) => ids.has("old")));

    await member.terminate();
    await rm(member.dataDir, { recursive: true });
    if (how === "restored from a backup") await cp(backup, member.dataDir, { recursive: true });
    await member.start();
    const startMs = performance.now();
    await write(keys, "new");
    const kept = how === "emptied" ? [] : ["backup"];

    const gone = new Set<string>();
    while (!gone.has("old")) gone.add((await down.next(patience(60_000))).value ?? assert.fail("it ended"));
    const come = new Set<string>();
    while (!come.has("new")) come.add((await fresh.next(patience(60_000))).value?.uuid ?? assert.fail("it ended"));
    const sorted = (ids: Iterable<string>): string => [...ids].sort().join();
    await until("the agents have the new state", () => {
      const [byAgent = new Set(), byBridge = new Set()] = known;
      return sorted(byAgent) === sorted([...kept, "new"]) && sorted(byBridge) === sorted([...kept, "new", host.uuid]);
    });
    await until("the configs have the new state", () =>
      configs.every(
        (config) => sorted(config.config().map(({ metadata }) => metadata.name)) === sorted([...kept, "new"]),
      ),
    );
    const tookMs = performance.now() - startMs;
    assert.ok(tookMs < 15_000 + noiseMs, `took ${String(tookMs)} ms`);
    assert.equal(host.state, "registered");
    await Promise.all(agents.map((agent) => agent.close()));
  });
}
