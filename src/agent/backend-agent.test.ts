import assert from "node:assert/strict";
import { getEventListeners } from "node:events";
import test from "node:test";
import { UsageError } from "../util/errors.js";
import { gate } from "../test-kit/scripted-cluster.js";
import { operationCode } from "./agent.js";
import type { Backend, SourceUpdate } from "./backend.js";
import { createBackendAgent } from "./backend-agent.js";
import type { InstanceData } from "./instance.js";
import { LocalBackend } from "./local-agent.js";

/** A backend whose sources deliver what the test specifies. */
class ScriptedBackend extends LocalBackend {
  reads = 0;
  polls = 0;
  #updates: (SourceUpdate | Error)[] = [];
  #wake: () => void = () => undefined;

  tell(update: SourceUpdate | Error): void {
    this.#updates.push(update);
    this.#wake();
  }

  override source(): ReturnType<Backend["source"]> {
    return {
      next: async (signal) => {
        this.polls++;
        try {
          for (;;) {
            const update = this.#updates.shift();
            if (update instanceof Error) throw update;
            if (update !== undefined) return update;
            await new Promise<void>((resolve, reject) => {
              this.#wake = resolve;
              signal.addEventListener(
                "abort",
                () => {
                  reject(signal.reason as Error);
                },
                { once: true },
              );
            });
          }
        } finally {
          this.polls--;
        }
      },
      reread: () => {
        this.reads++;
      },
    };
  }
}

function data(id: string, port = 1): InstanceData {
  return { id, name: "s", host: "h", port, tags: [] };
}

test("operationCode: the numbers of the Go implementation", () => {
  assert.deepEqual((["add", "update", "delete"] as const).map(operationCode), [0, 1, 2]);
});

test("watchers of one service share one source, which ends with the last of them", async () => {
  const backend = new ScriptedBackend();
  await using agent = createBackendAgent(backend);
  const service = await agent.service("s");
  const watchers = Array.from({ length: 1_000 }, () => service.watch());
  backend.tell({ kind: "state", instances: [data("x")] });
  const batches = await Promise.all(watchers.map((watcher) => watcher.next()));
  assert.equal(backend.polls, 1);
  assert.equal(backend.reads, 1);
  assert.equal(new Set(batches.map(({ value }) => value?.length)).size, 1);
  const late = service.watch();
  backend.tell({ kind: "state", instances: [data("x"), data("y")] });
  assert.equal((await late.next()).value?.length, 2);
  assert.equal(backend.reads, 2);
  assert.equal((await watchers[0]?.next())?.value?.[0]?.instance.id, "y");
  backend.tell({
    kind: "changes",
    changes: [
      { type: "set", instance: data("z") },
      { type: "remove", id: "nobody" },
      { type: "remove", id: "x" },
    ],
  });
  assert.deepEqual(
    (await late.next()).value?.map(({ op, instance: { id } }) => `${op} ${id}`),
    ["add z", "delete x"],
  );
  await Promise.all(watchers.map((watcher) => watcher.close()));
  assert.equal(backend.polls, 1);
  await late.close();
  assert.equal(backend.polls, 0);
});

test("watcher: a slow reader gets one merged event for each instance", async () => {
  const backend = new ScriptedBackend();
  await using agent = createBackendAgent(backend);
  const service = await agent.service("s");
  const [watcher, quick] = [service.watch(), service.watch()];
  backend.tell({ kind: "state", instances: ["delete-add", "update-update", "update-delete"].map((id) => data(id)) });
  await Promise.all([watcher.next(), quick.next()]);
  const set = (id: string, port: number): void => {
    backend.tell({ kind: "changes", changes: [{ type: "set", instance: data(id, port) }] });
  };
  const remove = (id: string): void => {
    backend.tell({ kind: "changes", changes: [{ type: "remove", id }] });
  };
  set("add-update", 2);
  set("add-update", 3);
  set("add-delete", 2);
  remove("add-delete");
  set("update-update", 2);
  set("update-update", 3);
  set("update-delete", 2);
  remove("update-delete");
  remove("delete-add");
  set("delete-add", 3);
  set("last", 1);
  for (let seen = ""; seen !== "last";) seen = (await quick.next()).value?.at(-1)?.instance.id ?? "";
  const told = (await watcher.next()).value?.map(
    ({ op, instance }) => `${instance.id}: ${op} ${String(instance.port)}`,
  );
  assert.deepEqual(told?.sort(), [
    "add-update: add 3",
    "delete-add: update 3",
    "last: add 1",
    "update-delete: delete 2",
    "update-update: update 3",
  ]);
});

test("watcher: when its source fails, it delivers what is unread, then throws the error, then is done", async () => {
  const backend = new ScriptedBackend();
  await using agent = createBackendAgent(backend);
  const service = await agent.service("s");
  const watcher = service.watch();
  backend.tell({ kind: "state", instances: [data("x")] });
  const failure = new Error("not allowed");
  backend.tell(failure);
  assert.equal(await watcher.closed, failure);
  assert.equal((await watcher.next()).value?.length, 1);
  await assert.rejects(watcher.next(), (error) => error === failure);
  assert.deepEqual(await watcher.next(), { done: true, value: undefined });
  await watcher.close();
  // another watcher starts a new source
  const again = service.watch();
  backend.tell({ kind: "state", instances: [data("x"), data("y")] });
  assert.equal((await again.next()).value?.length, 2);
});

test("watcher: one signal ends it, another only one next, and no listener stays", async () => {
  const backend = new ScriptedBackend();
  await using agent = createBackendAgent(backend);
  const [ends, stops] = [new AbortController(), new AbortController()];
  const watcher = (await agent.service("s")).watch({ signal: ends.signal });
  const reason = new Error("not now");
  const pending = watcher.next(stops.signal);
  stops.abort(reason);
  await assert.rejects(pending, (error) => error === reason);
  backend.tell({ kind: "state", instances: [data("x")] });
  assert.equal((await watcher.next()).value?.length, 1);
  const last = watcher.next();
  ends.abort();
  await assert.rejects(last, { name: "AbortError" });
  assert.equal(await watcher.closed, undefined);
  assert.equal(backend.polls, 0);
  for (const { signal } of [ends, stops]) assert.equal(getEventListeners(signal, "abort").length, 0);
});

test("agent: calls for one id run one after the other, those for other ids do not wait", async () => {
  const local = new LocalBackend();
  const { opened, open } = gate();
  const log: string[] = [];
  const backend: Backend = {
    async add(instance, { signal }) {
      log.push(`add ${String(instance.port)}`);
      if (instance.port === 1) await opened;
      signal.throwIfAborted();
      const held = await local.add(instance);
      return {
        remove: () => {
          log.push("remove");
          return held.remove();
        },
      };
    },
    list: (name) => local.list(name),
    source: (name) => local.source(name),
  };
  await using agent = createBackendAgent(backend);
  const first = agent.register({ id: "x", name: "s", addr: "h", port: 1 });
  const second = agent.register({ id: "x", name: "s", addr: "h", port: 2 });
  const third = agent.register({ id: "x", name: "s", addr: "h", port: 3 }, { replace: true });
  second.catch(() => undefined);
  const other = agent.register({ id: "y", name: "s", addr: "h", port: 4 });
  await other;
  open();
  await Promise.all([first, third]);
  await assert.rejects(second, { code: "ERR_ALREADY_REGISTERED" });
  const removed = agent.deregister("x");
  const again = agent.register({ id: "x", name: "s", addr: "h", port: 5 });
  await Promise.all([removed, again]);
  assert.deepEqual(log, ["add 1", "add 4", "add 3", "remove", "add 5"]);
});

test("agent: deregistering cancels a registration in progress", async () => {
  const local = new LocalBackend();
  const backend: Backend = {
    add: (_instance, { signal }) =>
      new Promise((_resolve, reject) => {
        signal.addEventListener("abort", () => {
          reject(signal.reason as Error);
        });
      }),
    list: (name) => local.list(name),
    source: (name) => local.source(name),
  };
  await using agent = createBackendAgent(backend);
  const isClosed = (error: unknown): boolean => error instanceof UsageError && error.code === "ERR_CLOSED";
  const refused = assert.rejects(agent.register({ id: "x", name: "s", port: 1 }), isClosed);
  await agent.deregister("x");
  await refused;
  const pending = assert.rejects(agent.register({ name: "s", port: 1 }), isClosed);
  await agent.leave();
  await pending;
});
