import assert from "node:assert/strict";
import test from "node:test";
import { adapters, createAgent, registerAdapter } from "./create-agent.js";
import { createLocalAgent } from "./local-agent.js";
import { agentError } from "./test-kit/agent-ground.js";

test("createAgent: the first name of the configuration selects the adapter (agent 47)", async () => {
  await assert.rejects(createAgent({}), agentError("ERR_EMPTY_CONFIG"));
  await assert.rejects(createAgent({ nope: {} }), agentError("ERR_UNKNOWN_ADAPTER"));
  await assert.rejects(createAgent({ toString: {} }), agentError("ERR_UNKNOWN_ADAPTER"));
  const agent = createLocalAgent();
  const given: unknown[] = [];
  registerAdapter("an-adapter", (settings) => {
    given.push(settings);
    return agent;
  });
  assert.throws(() => {
    registerAdapter("an-adapter", () => agent);
  }, agentError("ERR_DUPLICATE_ADAPTER"));
  assert.equal(await createAgent({ "an-adapter": { dc: "d" }, nope: {} }), agent);
  assert.deepEqual(given, [{ dc: "d" }]);
  assert.deepEqual(adapters(), ["an-adapter", "local"]);
});

test("createAgent: the local adapter is known from the start (agent 47)", async () => {
  const agent = await createAgent({ local: { advertiseAddress: "127.0.0.1" } });
  await agent.register({ name: "s", port: 1 });
  assert.equal((await agent.service("s")).instances[0]?.addr(), "127.0.0.1:1");
  await assert.rejects(createAgent({ local: { nope: 1 } }), { code: "ERR_ARGUMENT" });
  await createAgent({ local: null });
});

test("createAgent: bad arguments are refused (FF48)", async () => {
  assert.throws(
    () => {
      registerAdapter("", () => createLocalAgent());
    },
    { code: "ERR_ARGUMENT" },
  );
  assert.throws(
    () => {
      registerAdapter("b", undefined as never);
    },
    { code: "ERR_ARGUMENT" },
  );
  for (const config of [undefined, null, [], "local"]) {
    await assert.rejects(createAgent(config as never), { code: "ERR_ARGUMENT" });
  }
});
