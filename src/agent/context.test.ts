import assert from "node:assert/strict";
import test from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { agentFromContext, bindAgent, runWithAgent } from "./context.js";
import { createLocalAgent } from "./local-agent.js";

test("context: outside of all calls there is one local agent (agent 44)", async () => {
  const agent = agentFromContext();
  assert.equal(agentFromContext(), agent);
  await agent.register({ id: "x", name: "s", port: 1 });
  assert.equal((await agentFromContext().service("s")).instances.length, 1);
  await agent.leave();
});

test("context: inside it is the innermost, across awaits and timers; parallel runs do not mix (agent 45)", async () => {
  const [a, b] = [createLocalAgent(), createLocalAgent()];
  const outer = async (): Promise<string> => {
    assert.equal(agentFromContext(), a);
    await sleep(1);
    assert.equal(agentFromContext(), a);
    const inner = runWithAgent(b, async () => {
      await new Promise((resolve) => setTimeout(resolve, 1));
      return agentFromContext();
    });
    assert.equal(agentFromContext(), a);
    assert.equal(await inner, b);
    assert.equal(agentFromContext(), a);
    return "done";
  };
  const other = runWithAgent(b, async () => {
    for (let i = 0; i < 5; i++) {
      await sleep(1);
      assert.equal(agentFromContext(), b);
    }
  });
  assert.equal(await runWithAgent(a, outer), "done");
  await other;
  assert.equal(
    runWithAgent(a, () => agentFromContext()),
    a,
  );
  assert.ok(![a, b].includes(agentFromContext()));
});

test("context: a bound function keeps its agent (agent 46)", () => {
  const agent = createLocalAgent();
  const seen: unknown[] = [];
  const sum = (x: number, y: number): number => {
    seen.push(agentFromContext());
    return x + y;
  };
  assert.equal(bindAgent(sum, agent)(1, 2), 3);
  const bound = runWithAgent(agent, () => bindAgent(sum));
  assert.equal(bound(2, 3), 5);
  assert.equal(
    runWithAgent(createLocalAgent(), () => bound(3, 4)),
    7,
  );
  // agents look alike: compare identities
  assert.deepEqual(
    seen.map((each) => each === agent),
    [true, true, true],
  );
});

test("context: bad arguments are refused (FF48)", () => {
  const agent = createLocalAgent();
  for (const bad of [undefined, null, {}, "agent"]) {
    assert.throws(() => runWithAgent(bad as never, () => 1), { name: "UsageError", code: "ERR_ARGUMENT" });
    assert.throws(() => runWithAgent(agent, bad as never), { name: "UsageError", code: "ERR_ARGUMENT" });
    assert.throws(() => bindAgent(bad as never), { name: "UsageError", code: "ERR_ARGUMENT" });
  }
  assert.throws(() => bindAgent(() => 1, null as never), { name: "UsageError", code: "ERR_ARGUMENT" });
});
