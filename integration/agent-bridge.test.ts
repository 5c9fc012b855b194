import assert from "node:assert/strict";
import test from "node:test";
import {
  createDiscovery,
  createEtcdDiscoveryAgent,
  type Discovery,
  type DiscoveryWarning,
} from "../src/discovery/index.js";
import { addresses, agentError, batch, eventsUntil, told } from "../src/agent/test-kit/agent-ground.js";
import { ownMember } from "./support.js";
import { Client, KeysAPI } from "../src/core/index.js";

test("discovery agent: hosts are instances, one per port, and instances of the agent are hosts", async () => {
  await using ground = await start();
  const { discovery, agent } = ground;
  const registration = discovery.register("web", {
    hostname: "10.0.0.1",
    ports: { https: "443", http: "80" },
    user: "u",
    password: "secret",
    shard: "s1",
  });
  await registration.waitRegistration();
  const { uuid } = registration;
  const service = await agent.service("web");
  assert.deepEqual(
    service.instances.map((each) => ({ ...each })),
    [
      { local: false, id: `${uuid}/http`, name: "web", host: "10.0.0.1", port: 80, tags: ["scheme:http", "shard:s1"] },
      {
        local: false,
        id: `${uuid}/https`,
        name: "web",
        host: "10.0.0.1",
        port: 443,
        tags: ["scheme:https", "shard:s1"],
      },
    ],
  );
  assert.deepEqual(
    (await agent.service("web", { tags: ["scheme:https"] })).instances.map(({ port }) => port),
    [443],
  );

  const watcher = service.watch();
  assert.equal((await batch(watcher)).length, 2);
  const id = await agent.register({ name: "web", addr: "10.0.0.2", port: 8080, tags: ["shard:s2"] });
  assert.match(id, /^[0-9a-f-]{36}-10\.0\.0\.2$/);
  const events = await eventsUntil(watcher, id);
  assert.deepEqual(told(events), [`add ${id} 10.0.0.2:8080`]);
  assert.deepEqual(
    events.map(({ instance: { local, tags } }) => ({ local, tags })),
    [{ local: true, tags: ["scheme:http", "shard:s2"] }],
  );
  const hosts = await discovery.getForShard("web", "s2").all();
  assert.deepEqual(
    hosts.map((host) => host.toJSON()),
    [
      {
        name: "10.0.0.2",
        service_name: "web",
        ports: { http: "8080" },
        private_hostname: "10.0.0.2",
        private_ports: { http: "8080" },
        shard: "s2",
        uuid: id,
      },
    ],
  );

  await registration.close();
  assert.deepEqual(told(await batch(watcher)), [
    `delete ${uuid}/http 10.0.0.1:80`,
    `delete ${uuid}/https 10.0.0.1:443`,
  ]);
  await agent.register({ id, name: "web", addr: "10.0.0.2", port: 8081 }, { replace: true });
  await agent.register({ id: "other", name: "jobs", addr: "h", port: 1, tags: ["scheme:tcp"] });
  assert.deepEqual(await addresses(agent, "web"), ["10.0.0.2:8081"]);
  assert.deepEqual([...(await agent.services()).keys()].sort(), ["jobs", "web"]);
  await agent.leave();
  assert.equal((await watcher.next()).done, true);
  assert.equal((await agent.services()).size, 0);
  assert.deepEqual(ground.warnings, []);
});

test("discovery agent: an instance that the layout cannot store is refused, and a value that is not a host is left out", async () => {
  await using ground = await start();
  const { agent, warnings } = ground;
  const good = { name: "web", addr: "h", port: 1 };
  for (const fields of [
    { id: "a/b" },
    { id: "_a" },
    { id: ".." },
    { meta: { a: "1" } },
    { tags: ["blue"] },
    { tags: ["scheme:a", "scheme:b"] },
  ]) {
    await assert.rejects(agent.register({ ...good, ...fields }), agentError("ERR_INVALID_REGISTRATION"));
  }
  for (const name of ["a/b", "_a", ".."]) {
    await assert.rejects(agent.register({ ...good, name }), { code: "ERR_INVALID_NAME" });
    await assert.rejects(agent.service(name), { code: "ERR_INVALID_NAME" });
  }
  assert.equal((await agent.services()).size, 0);
  await ground.keys.set("/services/web/bad", "{");
  await ground.keys.set("/services/web/ports", '{"name":"h","ports":{"http":"80","tcp":"x"}}');
  await ground.keys.set("/services/web/old", '{"name":"h1","ports":{"http":"1"}}');
  assert.deepEqual(
    (await agent.service("web")).instances.map((each) => `${each.id} ${each.addr()}`),
    ["old h1:1", "ports/http h:80"],
  );
  assert.deepEqual(
    warnings.map(({ code, key }) => `${code} ${key}`),
    ["HOST_INVALID /services/web/bad", "HOST_INVALID /services/web/ports"],
  );
  assert.throws(() => createEtcdDiscoveryAgent({ discovery: {} as Discovery }), { code: "ERR_ARGUMENT" });
});

async function start(): Promise<
  AsyncDisposable & {
    discovery: Discovery;
    agent: ReturnType<typeof createEtcdDiscoveryAgent>;
    warnings: DiscoveryWarning[];
    keys: KeysAPI;
  }
> {
  const member = await ownMember();
  const client = new Client({ endpoints: member.endpoints });
  const warnings: DiscoveryWarning[] = [];
  const discovery = createDiscovery({ client, hostname: "box", onWarning: (warning) => warnings.push(warning) });
  const agent = createEtcdDiscoveryAgent({ discovery });
  return {
    discovery,
    agent,
    warnings,
    keys: new KeysAPI(client),
    async [Symbol.asyncDispose]() {
      await agent.close();
      await client.close();
      await member.stop();
    },
  };
}
