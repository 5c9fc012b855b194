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

test("local agents know nothing of each other", async () => {
  const [a, b] = [createLocalAgent(), createLocalAgent()];
  await a.register({ name: "s", port: 1 });
  assert.equal((await a.service("s")).instances[0]?.host, hostname());
  assert.equal((await b.services()).size, 0);
});

test("a bad option is refused", () => {
  for (const options of [{ advertiseAddress: "" }, { defaultTags: [1] }, { ttl: 1 }]) {
    assert.throws(() => createLocalAgent(options as object), { code: "ERR_ARGUMENT" });
  }
});
