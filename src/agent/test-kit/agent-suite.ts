import assert from "node:assert/strict";
import { createInstance, type NewInstance } from "../index.js";
import { UsageError } from "../../util/errors.js";
import { addresses, agentError, batch, checksOn, told, type StartGround } from "./agent-ground.js";
import { agentWatchSuite } from "./agent-watch-suite.js";
import { patience } from "../../test-kit/waiting.js";

/** The tests that the agent of every backend passes: cases 1 to 27 of the specification, and other common behaviour. */
export function agentSuite(backend: string, start: StartGround): void {
  agentWatchSuite(backend, start);
  const check = checksOn(backend, start);

  check("agent: an instance without an id gets a UUID and is found (agent 1)", async (create) => {
    const agent = create();
    const id = await agent.register({ name: "s", addr: "h", port: 1 });
    assert.match(id, /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
    const { instances } = await agent.service("s");
    assert.deepEqual(instances, [createInstance({ id, name: "s", host: "h", port: 1, tags: [] }, true)]);
  });

  check("agent: an id that it holds is refused (agent 2)", async (create) => {
    const agent = create();
    assert.equal(await agent.register({ id: "x", name: "s", addr: "h", port: 1 }), "x");
    await assert.rejects(
      agent.register({ id: "x", name: "s", addr: "h", port: 2 }),
      agentError("ERR_ALREADY_REGISTERED"),
    );
    assert.deepEqual(await addresses(agent, "s"), ["h:1"]);
  });

  check("agent: a service has all its instances (agent 4)", async (create) => {
    const agent = create();
    await agent.register({ name: "s", addr: "h", port: 1 });
    await agent.register({ name: "s", addr: "h", port: 2 });
    assert.deepEqual(await addresses(agent, "s"), ["h:1", "h:2"]);
  });

  check("agent: deregistering an unknown id does nothing (agent 5)", async (create) => {
    await create().deregister("nobody");
  });

  check("agent: services() returns all services by name (agent 8)", async (create) => {
    const agent = create();
    await agent.register({ name: "s", addr: "h", port: 1 });
    await agent.register({ name: "t", addr: "h", port: 2 });
    const services = await agent.services();
    assert.deepEqual([...services.keys()].sort(), ["s", "t"]);
    assert.deepEqual(
      services.get("t")?.instances.map((instance) => instance.addr()),
      ["h:2"],
    );
    const watcher = services.get("s")?.watch() ?? assert.fail("there should be a service s");
    assert.deepEqual(
      told(await batch(watcher)).map((line) => line.slice(-3)),
      ["h:1"],
    );
  });

  check("agent: an instance must have all tags of the query (agent 9)", async (create) => {
    const agent = create();
    await agent.register({ name: "s", addr: "h", port: 1, tags: ["a", "b"] });
    await agent.register({ name: "s", addr: "h", port: 2, tags: ["a"] });
    const tags = ["b", "a"];
    assert.deepEqual(
      (await agent.service("s", { tags })).instances.map((instance) => instance.addr()),
      ["h:1"],
    );
    assert.deepEqual((await agent.services({ tags })).get("s")?.instances.length, 1);
    assert.deepEqual(tags, ["b", "a"]);
    assert.deepEqual((await agent.service("s", { tags })).instances[0]?.tags, ["a", "b"]);
  });

  check("agent: a tag that a query repeats counts once (agent 10)", async (create) => {
    const agent = create();
    await agent.register({ name: "s", addr: "h", port: 1, tags: ["a"] });
    assert.equal((await agent.service("s", { tags: ["a", "a"] })).instances.length, 1);
  });

  check("agent: a tag that no instance has finds no service (agent 11)", async (create) => {
    const agent = create();
    await agent.register({ name: "s", addr: "h", port: 1 });
    assert.equal((await agent.services({ tags: ["zzz"] })).size, 0);
  });

  check("agent: leave deregisters everything and ends the watchers quietly (agent 19)", async (create, ground) => {
    const [agent, other] = [create(), create()];
    for (const name of ["s", "s", "t"]) await agent.register({ name, addr: "h", port: 1 });
    const watchers = [(await agent.service("s")).watch(), (await agent.service("t")).watch()];
    for (const watcher of watchers) await watcher.next(patience());
    const pending = watchers.map((watcher) => watcher.next());
    await agent.leave();
    assert.deepEqual(await Promise.all(pending), [
      { done: true, value: undefined },
      { done: true, value: undefined },
    ]);
    await ground.idle();
    assert.equal((await other.services()).size, 0);
    await agent.register({ id: "x", name: "s", addr: "h", port: 2 });
    assert.deepEqual(await addresses(other, "s"), ["h:2"]);
  });

  check("agent: leave may be called twice, also at once (agent 20)", async (create) => {
    const agent = create();
    await agent.register({ name: "s", addr: "h", port: 1 });
    await Promise.all([agent.leave(), agent.leave()]);
    await agent.leave();
  });

  check(
    "agent: leave tries every instance and keeps those that it could not deregister (agent 21)",
    async (create, ground) => {
      const [agent, other] = [create(), create()];
      for (const id of ["a", "b", "c"]) await agent.register({ id, name: "s", addr: id, port: 1 });
      const mend = ground.failRemoval("b");
      await assert.rejects(agent.leave(), (error) => error instanceof AggregateError && error.errors.length === 1);
      assert.deepEqual(await addresses(other, "s"), ["b:1"]);
      await assert.rejects(
        agent.register({ id: "b", name: "s", addr: "h", port: 1 }),
        agentError("ERR_ALREADY_REGISTERED"),
      );
      mend();
      await agent.leave();
      assert.deepEqual(await addresses(other, "s"), []);
    },
  );

  check("agent: an instance with a wrong field is refused (agent 22)", async (create) => {
    const agent = create();
    const good = { name: "s", addr: "h", port: 1 };
    const bad: readonly unknown[] = [
      ...[65_536, -1, 1.5, "80", NaN, undefined].map((port) => ({ ...good, port })),
      ...["", 7, undefined].map((name) => ({ ...good, name })),
      ...[{ id: "" }, { tags: [1] }, { tags: "a" }, { addr: 1 }, { meta: { a: 1 } }, { tag: ["a"] }].map((fields) => ({
        ...good,
        ...fields,
      })),
      null,
    ];
    for (const instance of bad)
      await assert.rejects(agent.register(instance as NewInstance), agentError("ERR_INVALID_REGISTRATION"));
    assert.equal((await agent.services()).size, 0);
  });

  check(
    "agent: with a signal that has aborted, every call rejects with its reason and does nothing (agent 23)",
    async (create) => {
      const agent = create();
      const reason = new Error("changed my mind");
      const signal = AbortSignal.abort(reason);
      const isReason = (error: unknown): boolean => error === reason;
      await assert.rejects(agent.register({ id: "x", name: "s", addr: "h", port: 1 }, { signal }), isReason);
      await assert.rejects(agent.services({ signal }), isReason);
      await assert.rejects(agent.service("s", { signal }), isReason);
      await assert.rejects(agent.leave({ signal }), isReason);
      assert.equal((await agent.services()).size, 0);
      await agent.register({ id: "x", name: "s", addr: "h", port: 1 });
      await assert.rejects(agent.deregister("x", { signal }), isReason);
      assert.deepEqual(await addresses(agent, "s"), ["h:1"]);
      const watcher = (await agent.service("s")).watch({ signal });
      await assert.rejects(watcher.next(), isReason);
      assert.deepEqual(await watcher.next(), { done: true, value: undefined });
    },
  );

  check("agent: addr() puts an IPv6 host in brackets and keeps port 0 (agent 24)", async (create) => {
    const agent = create();
    await agent.register({ name: "six", addr: "::1", port: 80 });
    await agent.register({ name: "zero", addr: "h", port: 0 });
    assert.deepEqual([...(await addresses(agent, "six")), ...(await addresses(agent, "zero"))], ["[::1]:80", "h:0"]);
  });

  check("agent: what it returns is frozen, what it is given is copied (agent 25)", async (create) => {
    const agent = create();
    const tags = ["a"];
    await agent.register({ name: "s", addr: "h", port: 1, tags, meta: { zone: "1" } });
    tags.push("b");
    const { instances } = await agent.service("s");
    const [instance] = instances;
    assert.throws(() => (instance?.tags as string[]).push("c"), TypeError);
    assert.throws(() => (instances as unknown[]).pop(), TypeError);
    assert.throws(() => Object.assign(instance ?? {}, { port: 7 }), TypeError);
    assert.throws(() => Object.assign(instance?.meta ?? {}, { zone: "2" }), TypeError);
    assert.deepEqual((await agent.service("s")).instances, instances);
    assert.deepEqual(instance?.tags, ["a"]);
    assert.deepEqual(instance.meta, { zone: "1" });
  });

  check("agent: the advertised address replaces the instance's own (agent 26)", async (create) => {
    const agent = create({ advertiseAddress: "127.0.0.1" });
    await agent.register({ name: "s", addr: "x", port: 1 });
    assert.deepEqual(await addresses(agent, "s"), ["127.0.0.1:1"]);
    const named = create({ advertiseAddress: "localhost" });
    await named.register({ name: "t", addr: "x", port: 1 });
    assert.match((await addresses(named, "t")).join(), /^(127\.0\.0\.1|\[::1\]):1$/);
  });

  check("agent: an advertised name that does not resolve is refused (agent 27)", async (create) => {
    const agent = create({ advertiseAddress: "no.such.invalid" });
    await assert.rejects(agent.register({ id: "x", name: "s", addr: "x", port: 1 }), agentError("ERR_ADVERTISE"));
    assert.equal((await agent.services()).size, 0);
  });

  check("agent: default tags come first, repeated ones count once (agent A10)", async (create) => {
    const defaultTags = ["a", "b"];
    const agent = create({ defaultTags });
    for (const tags of [["c"], ["b", "d", "d"], undefined])
      await agent.register({ id: String(tags), name: "s", addr: "h", port: 1, tags });
    const { instances } = await agent.service("s");
    assert.deepEqual(
      new Map(instances.map(({ id, tags }) => [id, tags.join("")])),
      new Map([
        ["c", "abc"],
        ["b,d,d", "abd"],
        ["undefined", "ab"],
      ]),
    );
    assert.deepEqual(defaultTags, ["a", "b"]);
  });

  check(
    "agent: close ends its watchers and deregisters everything; then every call is refused",
    async (create, ground) => {
      const agent = create();
      await agent.register({ name: "s", addr: "h", port: 1 });
      const service = await agent.service("s");
      const watcher = service.watch();
      await agent.close();
      await agent.close();
      assert.equal(await watcher.closed, undefined);
      const isClosed = (error: unknown): boolean => error instanceof UsageError && error.code === "ERR_CLOSED";
      await assert.rejects(agent.register({ name: "s", addr: "h", port: 1 }), isClosed);
      await assert.rejects(agent.service("s"), isClosed);
      assert.throws(() => service.watch(), isClosed);
      assert.deepEqual(await addresses(create(), "s"), []);
      await ground.idle();
    },
  );
}
