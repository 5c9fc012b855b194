import assert from "node:assert/strict";
import test from "node:test";
import { createLocalAgent } from "./local-agent.js";
import { resolveAddresses, type AddressUpdate } from "./resolve-addresses.js";

test("addresses: each time an address changes, the previous one is deleted and the new one added (agent 48)", async () => {
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

test("addresses: an address that two instances share is deleted with the last of them", async () => {
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
  const reason = new Error("enough");
  controller.abort(reason);
  await assert.rejects(updates.next(), (error) => error === reason);
});

test("addresses: bad arguments are refused at once, and a generator that is never read starts nothing (FF48)", async () => {
  await using agent = createLocalAgent();
  const service = await agent.service("s");
  for (const bad of [undefined, null, {}]) {
    assert.throws(() => resolveAddresses(bad as never), { name: "UsageError", code: "ERR_ARGUMENT" });
  }
  assert.throws(() => resolveAddresses(service, null as never), { code: "ERR_ARGUMENT" });
  let watched = 0;
  const counting = { ...service, watch: (): never => assert.fail(`watched ${String(++watched)} times`) };
  await resolveAddresses(counting).return();
  assert.equal(watched, 0);
});

async function next(updates: AsyncGenerator<readonly AddressUpdate[], void>): Promise<readonly string[]> {
  const { value } = await updates.next();
  return (value ?? assert.fail("the updates have ended")).map(({ op, addr }) => `${op} ${addr}`);
}
