import assert from "node:assert/strict";
import test from "node:test";
import { backends, createAgent, registerBackend } from "./create-agent.js";
import { AgentError } from "./errors.js";
import { createLocalAgent } from "./local-agent.js";

test("agent 47: the first name of a configuration selects the backend", async () => {
  await assert.rejects(createAgent({}), agentError("EMPTY_CONFIG"));
  await assert.rejects(createAgent({ nope: {} }), agentError("UNKNOWN_ADAPTER"));
  await assert.rejects(createAgent({ toString: {} }), agentError("UNKNOWN_ADAPTER"));
  const agent = createLocalAgent();
  const given: unknown[] = [];
  registerBackend("a-backend", (settings) => {
    given.push(settings);
    return agent;
  });
  assert.throws(() => {
    registerBackend("a-backend", () => agent);
  }, agentError("DUPLICATE_ADAPTER"));
  assert.equal(await createAgent({ "a-backend": { dc: "d" }, nope: {} }), agent);
  assert.deepEqual(given, [{ dc: "d" }]);
  assert.deepEqual(backends(), ["a-backend", "local"]);
});

test("agent 47: the local backend is there from the start", async () => {
  const agent = await createAgent({ local: { advertiseAddress: "127.0.0.1" } });
  await agent.register({ name: "s", port: 1 });
  assert.equal((await agent.service("s")).instances[0]?.addr(), "127.0.0.1:1");
  await assert.rejects(createAgent({ local: { nope: 1 } }), { code: "ERR_ARGUMENT" });
  await createAgent({ local: null });
});

test("bad arguments are refused", async () => {
  assert.throws(
    () => {
      registerBackend("", () => createLocalAgent());
    },
    { code: "ERR_ARGUMENT" },
  );
  assert.throws(
    () => {
      registerBackend("b", undefined as never);
    },
    { code: "ERR_ARGUMENT" },
  );
  await assert.rejects(createAgent(undefined as never), { code: "ERR_ARGUMENT" });
});

function agentError(code: string): (error: unknown) => boolean {
  return (error) => error instanceof AgentError && error.code === code;
}
