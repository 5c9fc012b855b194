import assert from "node:assert/strict";
import { startConsul, type Consul } from "./test-kit/consul.js";
import { find } from "../scripts/servers/programs.mjs";
import { batch } from "../src/agent/test-kit/agent-ground.js";
import {
  createConsulAgent,
  createConsulClient,
  RequestError,
  type AsLeader,
  type ConsulClient,
} from "../src/consul/index.js";
import { consulFaultsSuite } from "../src/consul/test-kit/consul-faults-suite.js";
import { test } from "../src/test-kit/register.js";
import { patience, soonOnce, until } from "../src/test-kit/waiting.js";
import { untilAborted } from "../src/util/signals.js";
import { onRealConsul } from "./consul-support.js";

/** Rules that let a token register services, but not see the nodes that they are on. */
const blindRules = 'service_prefix "" { policy = "write" }';
const master = "11111111-2222-3333-4444-555555555555";

onRealConsul((start) => {
  consulFaultsSuite("real Consul", start);

  test("consul: an election in another datacenter leads (FF47) (real Consul)", { timeout: 300_000 }, async (t) => {
    const bin = find("consul");
    await using near = await startConsul({ bin });
    await using far = await startConsul({
      bin,
      node: "node2",
      args: ["-datacenter=dc2", `-retry-join-wan=${near.wanAddress}`],
    });
    await using client = createConsulClient({ address: near.url });
    await using remote = createConsulClient({ address: far.url });
    await until("the datacenters know each other", async () => {
      const answers = await Promise.allSettled([client.nodes({ dc: "dc2" }), remote.nodes({ dc: "dc1" })]);
      return answers.every((answer) => answer.status === "fulfilled" && answer.value.length === 1);
    });
    const terms: string[] = [];
    const work: AsLeader = ({ signal, fencingToken }) => {
      terms.push(fencingToken);
      return untilAborted(signal);
    };
    const session = await client.participate({ key: "l", contactInfo: "me", dc: "dc2" }, work);
    t.after(() => session.close());
    await until("it leads", () => session.isLeader);
    assert.equal(await session.current(), "me");
    assert.equal(await remote.get("l"), '"me"');
    await assert.rejects(client.get("l"), { statusCode: 404 });
    const { node } = await remote.readSession(session.sessionId as Parameters<ConsulClient["readSession"]>[0]);
    assert.equal(node, "node2");
    assert.ok(await session.abdicate());
    await session.close();
    await assert.rejects(
      client.participate({ key: "l", contactInfo: "me", dc: "nowhere" }, work),
      (error) => error instanceof RequestError && error.statusCode === 500,
    );
    assert.equal(terms.length, 1);
  });

  test(
    "consul agent: register does not wait for a service that its token may not see (real Consul)",
    { timeout: 300_000 },
    async () => {
      await using consul = await startConsul({ bin: find("consul"), args: ["-hcl", aclConfig] });
      for (const rules of [
        blindRules,
        'service "s" { policy = "write" }',
        `${blindRules} agent_prefix "" { policy = "read" }`,
      ]) {
        await using client = createConsulClient({ address: consul.url, token: await tokenFor(consul, rules) });
        for (const dc of [undefined, "dc1"]) {
          await using agent = createConsulAgent({ client, dc });
          // it would wait 5 s
          await soonOnce(4_500, () =>
            agent.register({ id: "x", name: "s", addr: "10.0.0.1", port: 1 }, { replace: true }),
          );
          assert.equal((await agent.service("s")).instances.length, 0);
        }
        await using agent = createConsulAgent({ client, dc: "dc2" });
        await assert.rejects(agent.register({ name: "s", addr: "h", port: 1 }), { code: "ERR_ARGUMENT" });
      }
      // with the right to see the service it does wait
      await using client = createConsulClient({ address: consul.url, token: master });
      await using agent = createConsulAgent({ client });
      await agent.register({ id: "x", name: "s", addr: "10.0.0.1", port: 1 });
      assert.equal((await agent.service("s")).instances.length, 1);
    },
  );

  test(
    "consul agent: 230 concurrent watches all begin, and receive changes (real Consul)",
    { timeout: 300_000 },
    async () => {
      const server = await start();
      try {
        await using client = createConsulClient({ address: server.url });
        await using agent = createConsulAgent({ client, check: false });
        const names = Array.from({ length: 230 }, (_, i) => `s${String(i)}`);
        const services = await Promise.all(names.map((name) => agent.service(name)));
        const watchers = services.map((service) => service.watch());
        const firsts = await Promise.all(watchers.map((watcher) => batch(watcher)));
        assert.ok(firsts.every((events) => events.length === 0));
        const told = watchers.map(async (watcher) => (await watcher.next(patience(60_000))).value?.length);
        await Promise.all(names.map((name) => agent.register({ name, addr: "h", port: 1 })));
        assert.ok((await Promise.all(told)).every((count) => count === 1));
        // the last one gets them as soon as the first: they take turns
        const last = watchers.at(-1)?.next(patience(60_000));
        const begunMs = performance.now();
        await agent.register({ name: "s229", addr: "h", port: 2 });
        assert.equal((await last)?.value?.length, 1);
        assert.ok(performance.now() - begunMs < 15_000);
        await client.put("k", "v");
      } finally {
        await server.stop();
      }
    },
  );
});

const aclConfig = `acl { enabled = true default_policy = "deny" tokens { master = "${master}" agent = "${master}" default = "${master}" } }`;

async function tokenFor(consul: Consul, rules: string): Promise<string> {
  await using client = createConsulClient({ address: consul.url, token: master });
  const put = async (path: string, body: object): Promise<Readonly<Record<string, string>>> => {
    const raw = await client.send({ method: "PUT", path, body: JSON.stringify(body) });
    assert.equal(raw.status, 200, raw.body);
    return JSON.parse(raw.body) as Readonly<Record<string, string>>;
  };
  const Name = `p${String(performance.now()).replace(".", "-")}`;
  await put("/v1/acl/policy", { Name, Rules: rules });
  const token = await put("/v1/acl/token", { Policies: [{ Name }] });
  return token["SecretID"] ?? assert.fail("the token has a secret");
}
