import assert from "node:assert/strict";
import test from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { agentFromContext, bindAgent, runWithAgent } from "./context.js";
import { createLocalAgent } from "./local-agent.js";

test("agent 44: outside there is one local agent", async () => {
  const agent = agentFromContext();
  assert.equal(agentFromContext(), agent);
  await agent.register({ id: "x", name: "s", port: 1 });
  assert.equal((await agentFromContext().service("s")).instances.length, 1);
  await agent.leave();
});

test("agent 45: inside it is the innermost, across awaits and timers, and parallel runs are apart", async () => {
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

test("agent 46: a bound function takes its agent along", () => {
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
  // agents look alike: only identity tells
  assert.deepEqual(
    seen.map((each) => each === agent),
    [true, true, true],
  );
});
