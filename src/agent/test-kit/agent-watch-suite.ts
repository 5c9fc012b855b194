import assert from "node:assert/strict";
import { createInstance, type Agent, type InstanceEvent } from "../index.js";
import { UsageError } from "../../util/errors.js";
import { errorCode } from "../../util/plain-cause.js";
import { batch, checksOn, eventsUntil, told, type StartGround } from "./agent-ground.js";
import { patience } from "../../test-kit/waiting.js";

/** The part of the suite that concerns watchers. */
export function agentWatchSuite(backend: string, start: StartGround): void {
  const check = checksOn(backend, start);

  check("watcher: replacing an instance is one update (agent 3)", async (create) => {
    const agent = create();
    await agent.register({ id: "x", name: "s", addr: "h", port: 1 });
    const watcher = (await agent.service("s")).watch();
    await watcher.next(patience());
    assert.equal(await agent.register({ id: "x", name: "s", addr: "h", port: 2 }, { replace: true }), "x");
    await agent.register({ id: "mark", name: "s", addr: "h", port: 9 });
    // in any order: a backend may read both changes at once
    assert.deepEqual([...told(await eventsUntil(watcher, "mark"))].sort(), ["add mark h:9", "update x h:2"]);
  });

  check("watcher: an instance that is deregistered twice is deleted once (agent 6)", async (create) => {
    const agent = create();
    await agent.register({ id: "x", name: "s", addr: "h", port: 1 });
    const watcher = (await agent.service("s")).watch();
    await watcher.next(patience());
    await Promise.all([agent.deregister("x"), agent.deregister("x")]);
    await agent.deregister("x");
    await agent.register({ id: "mark", name: "s", addr: "h", port: 9 });
    assert.deepEqual([...told(await eventsUntil(watcher, "mark"))].sort(), ["add mark h:9", "delete x h:1"]);
  });

  check("watcher: an unknown service is empty and can be watched (agent 7)", async (create) => {
    const agent = create();
    const service = await agent.service("nope");
    assert.equal(service.name, "nope");
    assert.deepEqual(service.instances, []);
    const watcher = service.watch();
    assert.deepEqual(await watcher.next(patience()), { done: false, value: [] });
    await agent.register({ id: "x", name: "nope", addr: "h", port: 1 });
    assert.deepEqual(told(await eventsUntil(watcher, "x")), ["add x h:1"]);
  });

  check("watcher: the first batch is all instances (agent 12)", async (create) => {
    const agent = create();
    for (const port of [1, 2, 3]) await agent.register({ id: `x${String(port)}`, name: "s", addr: "h", port });
    const service = await agent.service("s");
    const watcher = service.watch();
    assert.deepEqual([...told(await batch(watcher))].sort(), ["add x1 h:1", "add x2 h:2", "add x3 h:3"]);
    // a watcher that joins later shares the poll of the first, and still sees what was there when it joined
    await agent.register({ id: "x4", name: "s", addr: "h", port: 4 });
    assert.equal((await batch(service.watch())).length, 4);
    await eventsUntil(watcher, "x4");
    assert.equal((await batch(service.watch())).length, 4);
  });

  check("watcher: the first batch of an unknown service is empty (agent 13)", async (create) => {
    assert.deepEqual(await batch((await create().service("nope")).watch()), []);
  });

  check("watcher: changes of other services are not reported (agent 14)", async (create) => {
    const agent = create();
    const watcher = (await agent.service("s")).watch();
    await watcher.next(patience());
    for (const name of ["t", "ss", "S", "s2"]) await agent.register({ name, addr: "h", port: 1 });
    await agent.register({ id: "mark", name: "s", addr: "h", port: 9 });
    assert.deepEqual(told(await eventsUntil(watcher, "mark")), ["add mark h:9"]);
  });

  check("watcher: one that nobody reads delays no registration (agent 15)", async (create) => {
    const agent = create();
    const watcher = (await agent.service("s")).watch();
    await Promise.all(
      Array.from({ length: 1_000 }, (_, i) => agent.register({ id: String(i), name: "s", addr: "h", port: i })),
    );
    const present = new Map<string, InstanceEvent>();
    while (present.size < 1_000) for (const event of await batch(watcher)) present.set(event.instance.id, event);
    assert.equal(present.get("999")?.instance.addr(), "h:999");
    await deregisterAll(agent, [...present.keys()]);
  });

  check(
    "watcher: an instance that is added and removed before the next read is not reported (agent 16)",
    async (create) => {
      const agent = create();
      const service = await agent.service("s");
      const [slow, quick] = [service.watch(), service.watch()];
      await Promise.all([batch(slow), batch(quick)]);
      await agent.register({ id: "x", name: "s", addr: "h", port: 1 });
      await agent.deregister("x");
      await agent.register({ id: "mark", name: "s", addr: "h", port: 9 });
      await eventsUntil(quick, "mark");
      assert.deepEqual(told(await batch(slow)), ["add mark h:9"]);
    },
  );

  check("watcher: close ends a waiting next quietly (agent 17)", async (create, ground) => {
    const watcher = (await create().service("s")).watch();
    await watcher.next(patience());
    const pending = watcher.next();
    await assert.rejects(watcher.next(), (error) => error instanceof UsageError && error.code === "ERR_BUSY");
    await watcher.close();
    assert.deepEqual(await pending, { done: true, value: undefined });
    await watcher.close();
    assert.equal(await watcher.closed, undefined);
    assert.deepEqual(await watcher.next(), { done: true, value: undefined });
    await ground.idle();
  });

  check("watcher: aborting its signal ends the iteration by throwing the reason", async (create, ground) => {
    const controller = new AbortController();
    const reason = new Error("enough");
    const watcher = (await create().service("s")).watch({ signal: controller.signal });
    let batches = 0;
    const loop = async (): Promise<void> => {
      for await (const _ of watcher) {
        batches++;
        controller.abort(reason);
      }
    };
    await assert.rejects(loop(), (error) => error === reason);
    assert.equal(batches, 1);
    assert.equal(await watcher.closed, undefined);
    await ground.idle();
  });

  check("watcher: break closes it (agent 18)", async (create, ground) => {
    const watcher = (await create().service("s")).watch();
    for await (const events of watcher) {
      assert.deepEqual(events, []);
      break;
    }
    assert.equal(await watcher.closed, undefined);
    await ground.idle();
  });

  check("watcher: an instance that another agent left behind is taken over as an update (agent A8)", async (create) => {
    const [former, agent] = [create(), create()];
    await former.register({ id: "x", name: "s", addr: "h", port: 1 });
    const watcher = (await agent.service("s")).watch();
    const [seen] = await batch(watcher);
    assert.equal(seen?.instance.local, false);
    await agent.register({ id: "x", name: "s", addr: "h", port: 2 });
    const [event] = await batch(watcher);
    assert.deepEqual(event && { ...event }, {
      op: "update",
      instance: createInstance({ id: "x", name: "s", host: "h", port: 2, tags: [] }, true),
    });
  });

  check("watcher: each service of a query watches itself, with the tags of the query (agent A11)", async (create) => {
    const agent = create();
    await agent.register({ id: "x", name: "s", addr: "h", port: 1, tags: ["a"] });
    await agent.register({ id: "y", name: "t", addr: "h", port: 2, tags: ["a"] });
    const services = await agent.services({ tags: ["a"] });
    const watcher = services.get("s")?.watch() ?? assert.fail("there should be a service s");
    assert.deepEqual(told(await batch(watcher)), ["add x h:1"]);
    await agent.register({ id: "z", name: "s", addr: "h", port: 3 });
    await agent.register({ id: "x", name: "s", addr: "h", port: 1 }, { replace: true });
    assert.deepEqual(told(await batch(watcher)), ["delete x h:1"]);
    await agent.register({ id: "z", name: "s", addr: "h", port: 4, tags: ["b", "a"] }, { replace: true });
    assert.deepEqual(told(await batch(watcher)), ["add z h:4"]);
  });

  check("watcher: replaying its events gives what a query returns", async (create) => {
    const agents = [create(), create()];
    const watcher = (await create().service("s")).watch();
    const present = new Map<string, string>();
    const ids = Array.from({ length: 12 }, (_, i) => `x${String(i)}`);
    for (let round = 0; round < 6; round++) {
      await Promise.all(ids.map((id, i) => churn(agents[i % 2], id, round * 7 + i)));
      if (round % 2 === 0) replay(present, await batch(watcher));
    }
    await agents[0]?.register({ id: "mark", name: "s", addr: "h", port: 9 });
    replay(present, await eventsUntil(watcher, "mark"));
    const { instances } = await create().service("s");
    assert.deepEqual(
      [...present.values()].sort(),
      instances.map((instance) => `${instance.id} ${instance.addr()}`).sort(),
    );
  });
}

/**
 * Deregisters in portions, and again what took longer: a busy machine may not remove a thousand at once in the two
 * seconds that each gets.
 */
async function deregisterAll(agent: Agent, ids: readonly string[]): Promise<void> {
  for (let left = ids; left.length > 0;) {
    const late: string[] = [];
    const portion = left.slice(0, 50).map(async (id) => {
      try {
        await agent.deregister(id);
      } catch (error) {
        if (errorCode(error) !== "ERR_CLOSE_TIMEOUT") throw error;
        late.push(id);
      }
    });
    await Promise.all(portion);
    left = [...late, ...left.slice(50)];
  }
}

async function churn(agent: Agent | undefined, id: string, seed: number): Promise<void> {
  if (seed % 3 === 0) await agent?.deregister(id);
  else await agent?.register({ id, name: "s", addr: "h", port: seed }, { replace: true });
}

function replay(present: Map<string, string>, events: readonly InstanceEvent[]): void {
  for (const { op, instance } of events) {
    assert.equal(op === "add", !present.has(instance.id), `${op} of ${instance.id}`);
    if (op === "delete") present.delete(instance.id);
    else present.set(instance.id, `${instance.id} ${instance.addr()}`);
  }
}
