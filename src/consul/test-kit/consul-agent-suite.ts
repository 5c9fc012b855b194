import assert from "node:assert/strict";
import type { TestContext } from "node:test";
import type { Agent, AgentWarning } from "../../agent/index.js";
import { createConsulAgent, RequestError, type ConsulAgentOptions, type ConsulClient } from "../index.js";
import type { Sender } from "../../http/exchange.js";
import { addresses, batch, eventsUntil, told } from "../../agent/test-kit/agent-ground.js";
import { agentSuite } from "../../agent/test-kit/agent-suite.js";
import type { ConsulFront } from "./consul-front.js";
import { consulFor, type StartConsulServer } from "./consul-server.js";
import { describe, test } from "../../test-kit/register.js";
import { sleep, until } from "../../test-kit/waiting.js";

const register = /^PUT \/v1\/agent\/service\/register/;
const pass = /^PUT \/v1\/agent\/check\/pass/;
const health = /^GET \/v1\/health\/service/;

/** The tests of the agent on a fake or real Consul: those of all agents, and its own. */
export function consulAgentSuite(suffix: string, start: StartConsulServer): void {
  describe(`consul agent (${suffix})`, { concurrency: 4 }, () => {
    agentSuite(suffix, async (t) => {
      const { client, front } = await consulFor(t, start);
      let polls = 0;
      const failing = new Set<string>();
      const sender: Sender = {
        async send(spec, signal) {
          if ([...failing].some((id) => spec.path.endsWith(`/deregister/${id}`))) throw new Error("no");
          const polling = spec.longPoll === true;
          polls += Number(polling);
          try {
            return await client.send(spec, signal);
          } finally {
            polls -= Number(polling);
          }
        },
      };
      return {
        create: (options) => createConsulAgent({ ...options, client: sender }),
        failRemoval: (id) => {
          failing.add(id);
          return () => {
            failing.delete(id);
          };
        },
        idle: async () => {
          await until("no request is sent any more", () => polls === 0 && front.pending === 0);
        },
      };
    });

    const check = (title: string, body: (t: TestContext) => Promise<void>): void => {
      test(`${title} (${suffix})`, { timeout: 300_000 }, body);
    };

    check("agent 41: if the index goes back, the watcher continues, with at most 5 requests a second", async (t) => {
      const { front, agent } = await ground(t, start);
      await agent.register({ id: "a", name: "s", addr: "h", port: 1 });
      let [told50, index] = ["", "50"];
      const undo = front.intercept(health, async (request, answer) => {
        const query = new URLSearchParams(request.query);
        if (query.get("index") === "50") query.set("index", told50);
        const reply = await answer({ ...request, query });
        told50 = reply.headers?.["x-consul-index"] ?? "";
        return { ...reply, headers: { ...reply.headers, "x-consul-index": index } };
      });
      const watcher = (await agent.service("s")).watch();
      assert.deepEqual(told(await batch(watcher)), ["add a h:1"]);
      await front.received(/^GET \/v1\/health\/.*index=50/);
      index = "3";
      await agent.register({ id: "b", name: "s", addr: "h", port: 2 });
      assert.deepEqual(told(await eventsUntil(watcher, "b")), ["add b h:2"]);
      // from here on every response arrives at once, with the same index
      const before = front.requests(health).length;
      await sleep(2_000);
      const asked = front.requests(health).length - before;
      assert.ok(asked <= 10, `${String(asked)} requests in 2 s`);
      undo();
      await agent.register({ id: "c", name: "s", addr: "h", port: 3 });
      assert.deepEqual(told(await eventsUntil(watcher, "c")), ["add c h:3"]);
    });

    check("agent A14: no index, and index 0, count as 1", async (t) => {
      const { front, agent } = await ground(t, start);
      for (const index of [undefined, "0", "x"]) {
        const undo = front.rewrite(health, ({ status, body }) => ({
          status,
          body,
          headers: index === undefined ? {} : { "x-consul-index": index },
        }));
        const watcher = (await agent.service(`s${String(index)}`)).watch();
        assert.deepEqual(await batch(watcher), []);
        const before = front.requests(health).length;
        await sleep(1_000);
        const asked = front.requests(health).slice(before);
        assert.ok(asked.length <= 5, `${String(asked.length)} requests in 1 s`);
        assert.deepEqual([...new Set(front.requests(/health.*index=/).map(({ query }) => query.get("index")))], ["1"]);
        await watcher.close();
        undo();
      }
    });

    check("agent 42: if the server fails for 3 s, the watcher survives, and the failures are reported", async (t) => {
      const { front, agent, warnings } = await ground(t, start);
      const watcher = (await agent.service("s")).watch();
      assert.deepEqual(await batch(watcher), []);
      const undo = front.failNext(500, Infinity, health);
      await agent.register({ id: "a", name: "s", addr: "h", port: 1 });
      await sleep(3_000);
      undo();
      assert.deepEqual(told(await batch(watcher)), ["add a h:1"]);
      assert.ok(warnings.some(({ code }) => code === "RETRYING"));
      const tries = front.requests(health).length;
      assert.ok(tries < 30, `${String(tries)} requests`);
    });

    check("agent: a server that refuses the token ends the watcher", async (t) => {
      const { front, agent } = await ground(t, start);
      const service = await agent.service("s");
      front.failNext(403, Infinity, health, "Permission denied");
      const watcher = service.watch();
      await assert.rejects(watcher.next(), /status 403: Permission denied/);
      assert.ok((await watcher.closed) instanceof RequestError);
    });

    check("agent 43: without an address of its own, an instance has its node's", async (t) => {
      const { front, agent, other } = await ground(t, start);
      const id = await agent.register({ name: "s", port: 1 });
      assert.deepEqual(await addresses(other, "s"), ["127.0.0.1:1"]);
      assert.match(front.requests(register)[0]?.body.toString() ?? "", /"Address":""/);
      front.rewrite(health, (reply) => ({ ...reply, body: reply.body.replaceAll("127.0.0.1", "10.0.0.1") }));
      assert.deepEqual(
        (await other.service("s")).instances.map((instance) => [instance.id, instance.addr()]),
        [[id, "10.0.0.1:1"]],
      );
    });

    check(
      "agent A8: an instance that another agent left behind is taken over, which watchers see as an update",
      async (t) => {
        const { agent, other } = await ground(t, start);
        await agent.register({ id: "x", name: "s", addr: "h", port: 1 });
        const watcher = (await other.service("s")).watch();
        assert.deepEqual(told(await batch(watcher)), ["add x h:1"]);
        await other.register({ id: "x", name: "s", addr: "h", port: 2 });
        // an instance says whether it is local to the agent
        assert.deepEqual(told(await batch(watcher)).at(-1), "update x h:2");
      },
    );

    check("agent A9: an advertised name is looked up", async (t) => {
      const { agent, other } = await ground(t, start, { advertiseAddress: "localhost" });
      await agent.register({ name: "s", addr: "h", port: 1 });
      assert.match((await addresses(other, "s")).join(), /^(127\.0\.0\.1|\[::1\]):1$/);
    });

    check("agent A12: the services are those of the whole datacenter, except Consul's own", async (t) => {
      const { agent, other } = await ground(t, start);
      await agent.register({ name: "a/b ü", addr: "h", port: 1, tags: ["x"], meta: { zone: "1" } });
      const services = await other.services();
      assert.deepEqual([...services.keys()], ["a/b ü"]);
      const [instance] = services.get("a/b ü")?.instances ?? [];
      assert.deepEqual([instance?.local, instance?.tags, instance?.meta], [false, ["x"], { zone: "1" }]);
      assert.equal((await agent.service("a/b ü")).instances[0]?.local, true);
    });

    check(
      "agent A16: an instance is registered with a check, which is passed each third of its TTL, or without one",
      async (t) => {
        const { front, agent, client } = await ground(t, start, { check: { ttlMs: 9_000, deregisterAfterMs: 60_000 } });
        await agent.register({ id: "x", name: "s", addr: "h", port: 1 });
        const registered = await front.received(register);
        assert.equal(
          registered.body.toString(),
          '{"ID":"x","Name":"s","Tags":[],"Port":1,"Address":"h","Check":{"TTL":"9s","DeregisterCriticalServiceAfter":"1m0s","Status":"passing"}}',
        );
        const first = await front.received(pass);
        const fourth = await front.received(pass, 4);
        assert.equal(first.path, "/v1/agent/check/pass/service%3Ax");
        const gapsMs = front
          .requests(pass)
          .slice(1, 4)
          .map(({ atMs }, i) => atMs - (front.requests(pass)[i]?.atMs ?? 0));
        // a busy machine makes a gap longer, and one shorter after it
        assert.ok(
          fourth.atMs - first.atMs >= 8_970 && gapsMs.some((ms) => ms >= 2_990 && ms < 4_500),
          `after ${gapsMs.join(", ")} ms`,
        );
        assert.deepEqual(await addresses(agent, "s"), ["h:1"]);
        await agent.close();
        const passes = front.requests(pass).length;
        const bare = createConsulAgent({ client, check: false });
        await bare.register({ id: "y", name: "s", addr: "h", port: 1 });
        assert.equal(
          front.requests(register).at(-1)?.body.toString(),
          '{"ID":"y","Name":"s","Tags":[],"Port":1,"Address":"h"}',
        );
        await sleep(4_000);
        assert.equal(front.requests(pass).length, passes, "no check is passed any more");
        await bare.close();
      },
    );

    check("agent A16: at an agent that lost its state, the instance is registered again", async (t) => {
      const { front, agent, client, other } = await ground(t, start, {
        check: { ttlMs: 1_500, deregisterAfterMs: 60_000 },
      });
      await agent.register({ id: "x", name: "s", addr: "h", port: 1 });
      await client.send({ method: "PUT", path: "/v1/agent/service/deregister/x", body: "" });
      await front.received(register, 2);
      await until("it is there", async () => (await addresses(other, "s")).join() === "h:1");
    });

    check("agent A16: an instance whose check is no longer passed is removed after the TTL", async (t) => {
      const { front, agent, other } = await ground(t, start, { check: { ttlMs: 6_000, deregisterAfterMs: 60_000 } });
      await agent.register({ id: "x", name: "s", addr: "h", port: 1 });
      const watcher = (await other.service("s")).watch();
      assert.deepEqual(told(await batch(watcher)), ["add x h:1"]);
      const undo = front.hang(pass);
      assert.deepEqual(told(await batch(watcher)), ["delete x h:1"]);
      undo();
      assert.deepEqual(told(await batch(watcher)), ["add x h:1"]);
    });

    check("agent A17: a cancelled registration leaves nothing behind", async (t) => {
      const { front, agent, other } = await ground(t, start);
      const stop = new AbortController();
      const undo = front.intercept(register, async (request, answer) => {
        const reply = await answer(request);
        stop.abort(new Error("changed my mind"));
        return reply;
      });
      await assert.rejects(
        agent.register({ id: "x", name: "s", addr: "h", port: 1 }, { signal: stop.signal }),
        /changed my mind/,
      );
      undo();
      await front.received(/^PUT .*deregister\/x/);
      await until("it is out", async () => (await addresses(other, "s")).length === 0);
    });

    check("agent A8: if a replacement fails, the earlier instance stays, and is kept", async (t) => {
      const { front, agent, other } = await ground(t, start, { check: { ttlMs: 6_000, deregisterAfterMs: 60_000 } });
      await agent.register({ id: "x", name: "s", addr: "h", port: 1 });
      front.failNext(500, 1, register);
      await assert.rejects(agent.register({ id: "x", name: "s", addr: "h", port: 2 }, { replace: true }), /status 500/);
      assert.deepEqual(await addresses(other, "s"), ["h:1"]);
      const passes = front.requests(pass).length;
      await front.received(pass, passes + 2);
      assert.deepEqual(await addresses(other, "s"), ["h:1"]);
    });
  });
}

async function ground(
  t: TestContext,
  start: StartConsulServer,
  options: Partial<ConsulAgentOptions> = {},
): Promise<AgentsGround> {
  const { client, front, defer } = await consulFor(t, start);
  const warnings: AgentWarning[] = [];
  const agent = createConsulAgent({ client, onWarning: (warning) => warnings.push(warning), ...options });
  const other = createConsulAgent({ client });
  defer(() => Promise.all([agent.close(), other.close()]));
  return { client, front, agent, other, warnings };
}

interface AgentsGround {
  readonly client: ConsulClient;
  readonly front: ConsulFront;
  readonly agent: Agent;
  /** An agent of another process. */
  readonly other: Agent;
  /** The warnings of `agent`. */
  readonly warnings: readonly AgentWarning[];
}
