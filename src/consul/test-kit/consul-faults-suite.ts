import assert from "node:assert/strict";
import type { TestContext } from "node:test";
import { resolveAddresses, type Agent, type AgentWarning } from "../../agent/index.js";
import { addresses, batch, eventsUntil, told } from "../../agent/test-kit/agent-ground.js";
import { describe, test } from "../../test-kit/register.js";
import { sleep, soonOnce, toleranceMs, until } from "../../test-kit/waiting.js";
import { EndpointError, UsageError } from "../../util/errors.js";
import { createConsulAgent, type ConsulAgentOptions, type ConsulClient, type SessionId } from "../index.js";
import { consulFor, type ConsulGround, type StartConsulServer } from "./consul-server.js";

const isUsage = (error: unknown): boolean => error instanceof UsageError && error.code === "ERR_ARGUMENT";
/** Names that Consul redirects to another path, or cannot address. */
const oddIds = ["a//b", "/a", "a/./b", "a/../b", "a/.", "a/..", ".", "..", "a//"];
const register = /^PUT \/v1\/agent\/service\/register/;

/** Tests of faults found in the field, on a fake or real Consul. */
export function consulFaultsSuite(suffix: string, start: StartConsulServer): void {
  describe(`consul: field faults (${suffix})`, { concurrency: 4 }, () => {
    const check = (title: string, body: (ground: AgentsGround) => Promise<void>): void => {
      test(`${title} (${suffix})`, { timeout: 300_000 }, async (t: TestContext) => body(await agentsOn(t, start)));
    };

    check("consul agent: ids and names that Consul would redirect are refused before any I/O (FF4)", async (ground) => {
      const { front } = ground;
      const agent = ground.agent();
      for (const id of [...oddIds, "a\nb", "a\u00a0b"]) {
        await assert.rejects(agent.register({ id, name: "s", addr: "h", port: 1 }), isUsage, JSON.stringify(id));
        await assert.rejects(agent.register({ name: id, addr: "h", port: 1 }), isUsage, JSON.stringify(id));
      }
      for (const name of oddIds) await assert.rejects(agent.service(name), isUsage, name);
      assert.deepEqual(front.requests(), []);
    });

    check(
      "consul client: ids and names that Consul would redirect are refused before any I/O (FF4)",
      async (ground) => {
        const { client, front } = ground;
        for (const id of oddIds) {
          for (const call of [
            () => client.node(id),
            () => client.service(id),
            () => client.readSession(id as SessionId),
            () => client.renewSession(id as SessionId),
            () => client.deleteSession(id as SessionId),
            () => client.listSessions(id),
          ])
            await assert.rejects(call, isUsage, `${id}: ${call.toString()}`);
        }
        assert.deepEqual(front.requests(), []);
      },
    );

    check("consul agent: deregister removes its own instance, whatever its id is (FF4)", async (ground) => {
      const agent = ground.agent({ check: { ttlMs: 60_000, deregisterAfterMs: 60_000 } });
      await put(ground.client, "/v1/agent/service/register", { ID: "a/c", Name: "other", Port: 1 });
      const ids = ["a/b", "x/", "a%2Fb", "a b", "?#;+\\:", "...", "a/.b", "é😀"];
      for (const id of ids) await agent.register({ id, name: `${id}s`, addr: "h", port: 1 });
      for (const id of ids) {
        assert.deepEqual(await addresses(agent, `${id}s`), ["h:1"], id);
        await agent.deregister(id);
        assert.deepEqual(await addresses(agent, `${id}s`), [], id);
      }
      assert.deepEqual([...(await agent.services()).keys()], ["other"]);
    });

    check("consul: a write follows no redirect to another path; the error names its target (FF4)", async (ground) => {
      const { client, front } = ground;
      await client.put("b", "theirs");
      for (const status of [301, 302, 307, 308]) {
        const undo = front.intercept(/kv\/a/, () =>
          Promise.resolve({ status, headers: { location: "/v1/kv/b?x=secret" }, body: "" }),
        );
        for (const call of [() => client.put("a", "ours"), () => client.delete("a")]) {
          await assert.rejects(call, (error) => {
            assert.ok(error instanceof EndpointError);
            assert.deepEqual([error.code, error.outcome, error.status], ["ERR_BAD_REDIRECT", "notApplied", status]);
            assert.match(error.message, /\/v1\/kv\/b/);
            assert.doesNotMatch(error.message, /secret|ours/);
            return true;
          });
        }
        undo();
      }
      assert.equal(await client.get("b"), "theirs");
    });

    check("consul agent: instances with one id on two nodes are two (FF5)", async (ground) => {
      const { client } = ground;
      const agent = ground.agent();
      await node(client, "host-a", "10.0.0.1", { ID: "redis", Service: "redis", Port: 6379 });
      await node(client, "host-b", "10.0.0.2", { ID: "redis", Service: "redis", Port: 6379 });
      const service = await agent.service("redis");
      assert.deepEqual(service.instances.map(({ id, host }) => `${id} ${host}`).sort(), [
        "redis 10.0.0.1",
        "redis 10.0.0.2",
      ]);
      const watcher = service.watch();
      const resolved = resolveAddresses(service);
      assert.deepEqual([...told(await batch(watcher))].sort(), ["add redis 10.0.0.1:6379", "add redis 10.0.0.2:6379"]);
      assert.equal((await resolved.next()).value?.length, 2);
      await put(client, "/v1/catalog/deregister", { Node: "host-b", ServiceID: "redis" });
      assert.deepEqual(told(await batch(watcher)), ["delete redis 10.0.0.2:6379"]);
      assert.deepEqual((await resolved.next()).value, [{ op: "delete", addr: "10.0.0.2:6379" }]);
      await node(client, "host-b", "10.0.0.2", { ID: "redis", Service: "redis", Port: 6380 });
      assert.deepEqual(told(await batch(watcher)), ["add redis 10.0.0.2:6380"]);
      await resolved.return();
    });

    check("consul agent: the same id on another node is not taken for our own (FF5)", async (ground) => {
      const { client } = ground;
      const agent = ground.agent();
      await node(client, "host-a", "10.0.0.1", { ID: "redis", Service: "redis", Port: 6379 });
      const watcher = (await agent.service("redis")).watch();
      assert.deepEqual(told(await batch(watcher)), ["add redis 10.0.0.1:6379"]);
      await agent.register({ id: "redis", name: "redis", port: 6379 });
      const [event] = await batch(watcher);
      assert.deepEqual([event?.op, event?.instance.host, event?.instance.local], ["add", "127.0.0.1", true]);
      const { instances } = await agent.service("redis");
      assert.deepEqual(instances.map(({ host, local }) => `${host} ${String(local)}`).sort(), [
        "10.0.0.1 false",
        "127.0.0.1 true",
      ]);
      await agent.deregister("redis");
      assert.deepEqual(told(await batch(watcher)), ["delete redis 127.0.0.1:6379"]);
      assert.deepEqual(await addresses(agent, "redis"), ["10.0.0.1:6379"]);
      // it does not wait until the other one is gone, which would take 5 s
      await soonOnce(4_500, async () => {
        await agent.register({ id: "redis", name: "redis", port: 6379 });
        await agent.deregister("redis");
      });
    });

    check("consul agent: services() leaves out a name that cannot be queried, and warns (FF29)", async (ground) => {
      const { client, warnings } = ground;
      const agent = ground.agent();
      const odd = ["..", "a//b", "line\nbreak", "no\u00a0break"];
      await put(client, "/v1/agent/service/register", { ID: "good", Name: "good", Port: 1 });
      for (const [i, Name] of odd.entries())
        await put(client, "/v1/agent/service/register", { ID: `odd${String(i)}`, Name, Port: 2 });
      const services = await until("the servers know all", async () => {
        const found = await client.services();
        return Object.keys(found).length === odd.length + 2 && (await agent.services());
      });
      assert.deepEqual([...services.keys()], ["good"]);
      for (const name of odd)
        assert.ok(
          warnings.some(({ code, message }) => code === "SKIPPED" && message.includes(JSON.stringify(name))),
          `${JSON.stringify(name)}: ${JSON.stringify(warnings)}`,
        );
    });

    check("consul agent: services() rejects if a service cannot be read for now (FF29)", async (ground) => {
      const { client, front, warnings } = ground;
      const agent = ground.agent();
      await put(client, "/v1/agent/service/register", { ID: "a", Name: "a", Port: 1 });
      await put(client, "/v1/agent/service/register", { ID: "b", Name: "b", Port: 1 });
      for (const status of [403, 404, 429, 500, 503]) {
        const undo = front.failNext(status, Infinity, /health\/service\/b/);
        await assert.rejects(agent.services(), new RegExp(`status ${String(status)}`));
        undo();
      }
      assert.deepEqual(warnings, []);
    });

    check("consul agent: watchers see an id move to another service (FF49)", async (ground) => {
      const agent = ground.agent();
      await agent.register({ id: "x", name: "a", addr: "10.0.0.1", port: 1 });
      const [a, b] = [(await agent.service("a")).watch(), (await agent.service("b")).watch()];
      assert.deepEqual([told(await batch(a)), told(await batch(b))], [["add x 10.0.0.1:1"], []]);
      const begunMs = performance.now();
      await agent.register({ id: "x", name: "b", addr: "10.0.0.1", port: 1 }, { replace: true });
      assert.deepEqual(told(await batch(a)), ["delete x 10.0.0.1:1"]);
      assert.ok(performance.now() - begunMs < 3_000 + toleranceMs());
      assert.deepEqual(told(await batch(b)), ["add x 10.0.0.1:1"]);
    });

    check("consul agent: watchers see an id that was left behind move to another service (FF49)", async (ground) => {
      const { client } = ground;
      const agent = ground.agent();
      await put(client, "/v1/agent/service/register", { ID: "x", Name: "a", Address: "10.0.0.1", Port: 1 });
      const watcher = (await agent.service("a")).watch();
      assert.deepEqual(told(await batch(watcher)), ["add x 10.0.0.1:1"]);
      const begunMs = performance.now();
      await agent.register({ id: "x", name: "b", addr: "10.0.0.1", port: 1 });
      assert.deepEqual(told(await batch(watcher)), ["delete x 10.0.0.1:1"]);
      assert.ok(performance.now() - begunMs < 3_000 + toleranceMs());
    });

    check("consul agent: a move that fails leaves the instance where it was (FF49)", async (ground) => {
      const { front } = ground;
      const agent = ground.agent();
      await agent.register({ id: "x", name: "a", addr: "10.0.0.1", port: 1 });
      const undo = front.failNext(500, Infinity, /^PUT \/v1\/agent\/service\/register/);
      const moving = agent.register({ id: "x", name: "b", addr: "10.0.0.1", port: 1 }, { replace: true });
      await front.received(register, 2);
      undo();
      await assert.rejects(moving, /status 500/);
      assert.deepEqual([await addresses(agent, "a"), await addresses(agent, "b")], [["10.0.0.1:1"], []]);
    });

    check(
      "consul agent: of two processes with one id the earlier one yields, with a warning (FF25)",
      async (ground) => {
        const { front, warnings } = ground;
        const check = { ttlMs: 10_000, deregisterAfterMs: 60_000 };
        const [old, fresh] = [ground.agent({ check }), ground.agent({ check, onWarning: undefined })];
        const watcher = (await fresh.service("web")).watch();
        assert.deepEqual(await batch(watcher), []);
        await old.register({ id: "web-1", name: "web", addr: "10.0.0.1", port: 80 });
        assert.deepEqual(told(await batch(watcher)), ["add web-1 10.0.0.1:80"]);
        await fresh.register({ id: "web-1", name: "web", addr: "10.0.0.2", port: 80 });
        assert.deepEqual(told(await batch(watcher)), ["update web-1 10.0.0.2:80"]);
        await until("the earlier one warns", () => warnings.some(({ code }) => code === "TAKEN_OVER"));
        assert.equal(front.requests(register).length, 2);
        const [warning] = warnings;
        assert.match(warning?.message ?? "", /another process has registered "web-1"/);
        await fresh.deregister("web-1");
        await until("the earlier one is back", async () => (await addresses(fresh, "web")).join() === "10.0.0.1:80");
        await fresh.register({ id: "web-1", name: "web", addr: "10.0.0.2", port: 80 });
        await until("the earlier one warns again", () => warnings.length === 2);
        // the one that has yielded leaves the other one's instance alone
        await old.close();
        assert.deepEqual(await addresses(fresh, "web"), ["10.0.0.2:80"]);
      },
    );

    check("consul agent: heartbeats end with a warning when the client is closed before the agent", async (ground) => {
      const { connect, warnings } = ground;
      const client = connect();
      const agent = ground.agent({ client, check: { ttlMs: 1_500, deregisterAfterMs: 60_000 } });
      await agent.register({ id: "x", name: "s", addr: "h", port: 1 });
      await client.close();
      await until("the heartbeats end", () => warnings.some(({ code }) => code === "LEFTOVER"));
      assert.deepEqual(
        warnings.map(({ code }) => code),
        ["LEFTOVER"],
      );
      await assert.rejects(agent.close());
    });

    check(
      "consul agent: in a rolling restart the old process leaves the new one's instance alone (FF26)",
      async (ground) => {
        const [old, fresh] = [ground.agent(), ground.agent()];
        await old.register({ id: "web-1", name: "web", addr: "10.0.0.1", port: 80 });
        await fresh.register({ id: "web-1", name: "web", addr: "10.0.0.2", port: 80 });
        const watcher = (await fresh.service("web")).watch();
        assert.deepEqual(told(await batch(watcher)), ["add web-1 10.0.0.2:80"]);
        await old.close();
        await fresh.register({ id: "last", name: "web", addr: "10.0.0.3", port: 80 });
        assert.deepEqual(told(await eventsUntil(watcher, "last")), ["add last 10.0.0.3:80"]);
      },
    );

    check("consul agent: register rejects for a datacenter that is not the agent's own", async (ground) => {
      const { front } = ground;
      const [own, other] = [ground.agent({ dc: "dc1" }), ground.agent({ dc: "dc2" })];
      await own.register({ id: "x", name: "s", addr: "h", port: 1 });
      await assert.rejects(
        other.register({ id: "y", name: "s", addr: "h", port: 1 }),
        (error) => isUsage(error) && /dc2.*dc1/.test((error as Error).message),
      );
      assert.equal(front.requests(register).length, 1);
    });

    check("consul agent: 150 watchers of one service share one query", async (ground) => {
      const { front } = ground;
      const agent = ground.agent();
      const service = await agent.service("s");
      const watchers = Array.from({ length: 150 }, () => service.watch());
      await Promise.all(watchers.map((watcher) => batch(watcher)));
      await front.received(/health\/service\/s.*index=/);
      await sleep(500);
      assert.equal(front.pending, 1);
    });
  });
}

interface AgentsGround extends ConsulGround {
  /** A new agent, as of another process; closed at the end. Its warnings go to `warnings`. */
  readonly agent: (options?: Partial<ConsulAgentOptions>) => Agent;
  readonly warnings: readonly AgentWarning[];
}

async function agentsOn(t: TestContext, start: StartConsulServer): Promise<AgentsGround> {
  const ground = await consulFor(t, start);
  const warnings: AgentWarning[] = [];
  const agent = (options: Partial<ConsulAgentOptions> = {}): Agent => {
    const made = createConsulAgent({
      client: ground.client,
      check: false,
      onWarning: (warning) => warnings.push(warning),
      ...options,
    });
    ground.defer(() => made.close().catch(() => undefined));
    return made;
  };
  return { ...ground, agent, warnings };
}

async function put(client: ConsulClient, path: string, body: object): Promise<void> {
  const raw = await client.send({ method: "PUT", path, body: JSON.stringify(body) });
  assert.equal(raw.status, 200, raw.body);
}

/** A service on another node. */
async function node(client: ConsulClient, name: string, address: string, service: object): Promise<void> {
  await put(client, "/v1/catalog/register", { Node: name, Address: address, Service: service });
}
