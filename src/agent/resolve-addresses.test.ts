import assert from "node:assert/strict";
import test from "node:test";
import { createLocalAgent } from "./local-agent.js";
import { resolveAddresses, type AddressUpdate } from "./resolve-addresses.js";

test("agent 48: an address that changes twice: the previous one goes, the new one comes", async () => {
  await using agent = createLocalAgent();
  const updates = resolveAddresses(await agent.service("s"));
  assert.deepEqual(await next(updates), []);
  await agent.register({ id: "x", name: "s", addr: "h", port: 1 });
  assert.deepEqual(await next(updates), ["add h:1"]);
  await agent.register({ id: "x", name: "s", addr: "h", port: 2 }, { replace: true });
  assert.deepEqual(await next(updates), ["delete h:1", "add h:2"]);
  await agent.register({ id: "x", name: "s", addr: "h", port: 2, tags: ["t"] }, { replace: true });
  await agent.register({ id: "x", name: "s", addr: "h", port: 3 }, { replace: true });
  assert.deepEqual(await next(updates), ["delete h:2", "add h:3"]);
  await agent.deregister("x");
  assert.deepEqual(await next(updates), ["delete h:3"]);
  await agent.leave();
  assert.equal((await updates.next()).done, true);
});

test("an address that two instances share stays until both are gone", async () => {
  await using agent = createLocalAgent();
  const controller = new AbortController();
  for (const id of ["x", "y"]) await agent.register({ id, name: "s", addr: "h", port: 1 });
  const updates = resolveAddresses(await agent.service("s"), { signal: controller.signal });
  assert.deepEqual(await next(updates), ["add h:1"]);
  await agent.deregister("x");
  await agent.register({ id: "z", name: "s", addr: "h", port: 2 });
  assert.deepEqual(await next(updates), ["add h:2"]);
  await agent.deregister("y");
  assert.deepEqual(await next(updates), ["delete h:1"]);
  controller.abort();
  assert.equal((await updates.next()).done, true);
});

async function next(updates: AsyncGenerator<readonly AddressUpdate[], void>): Promise<readonly string[]> {
  const { value } = await updates.next();
  return (value ?? assert.fail("the updates have ended")).map(({ op, addr }) => `${op} ${addr}`);
}
