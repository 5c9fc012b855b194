import assert from "node:assert/strict";
import { hostname } from "node:os";
import test from "node:test";
import { agentSuite } from "./test-kit/agent-suite.js";
import type { Backend } from "./backend.js";
import { createBackendAgent } from "./backend-agent.js";
import { createLocalAgent, LocalBackend } from "./local-agent.js";

agentSuite("local", () => {
  const local = new LocalBackend();
  const failing = new Set<string>();
  const backend: Backend = {
    async add(instance) {
      const held = await local.add(instance);
      return {
        remove: () => (failing.has(instance.id) ? Promise.reject(new Error("cannot be removed")) : held.remove()),
      };
    },
    list: (name) => local.list(name),
    source: (name) => local.source(name),
  };
  return {
    create: (options) => createBackendAgent(backend, options),
    failRemoval(id) {
      failing.add(id);
      return () => {
        failing.delete(id);
      };
    },
    idle: () => {
      assert.equal(local.waiting, 0);
      return Promise.resolve();
    },
  };
});

test("local agent: two local agents do not see each other's instances", async () => {
  const [a, b] = [createLocalAgent(), createLocalAgent()];
  await a.register({ name: "s", port: 1 });
  assert.equal((await a.service("s")).instances[0]?.host, hostname());
  assert.equal((await b.services()).size, 0);
});

test("local agent: bad options are refused (FF48)", () => {
  for (const options of [{ advertiseAddress: "" }, { defaultTags: [1] }, { defaultTags: null }, { ttl: 1 }, null]) {
    assert.throws(() => createLocalAgent(options as never), { code: "ERR_ARGUMENT" });
  }
});

test("backend agent: a backend must have the methods of one (FF48)", () => {
  for (const backend of [undefined, null, {}, { add: 1, list: 2, source: 3 }]) {
    assert.throws(() => createBackendAgent(backend as never), { name: "UsageError", code: "ERR_ARGUMENT" });
  }
});

test("local agent: bad arguments of every method are refused (FF48)", async () => {
  const agent = createLocalAgent();
  const service = await agent.service("s");
  const calls: readonly (() => Promise<unknown>)[] = [
    () => agent.register({ name: "s", port: 1 }, null as never),
    () => agent.deregister(undefined as never),
    () => agent.deregister("x", null as never),
    () => agent.services(null as never),
    () => agent.services({ tag: ["a"] } as never),
    () => agent.service(undefined as never),
    () => agent.service("s", { tags: "a" } as never),
    () => agent.leave(null as never),
  ];
  for (const call of calls) await assert.rejects(call, { name: "UsageError", code: "ERR_ARGUMENT" });
  for (const bad of [undefined, null]) {
    await assert.rejects(agent.register(bad as never), { name: "AgentError", code: "ERR_INVALID_REGISTRATION" });
  }
  assert.throws(() => service.watch(null as never), { name: "UsageError", code: "ERR_ARGUMENT" });
});
