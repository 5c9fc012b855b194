import assert from "node:assert/strict";
import { once } from "node:events";
import test from "node:test";
import type { Agent, AgentWarning } from "../src/agent/index.js";
import { createEtcdAgent, type EtcdAgentOptions } from "../src/discovery/index.js";
import {
  Client,
  ClusterError,
  isKeyNotFound,
  KeysAPI,
  keysOf,
  type KeysClient,
  type Sender,
} from "../src/core/index.js";
import { batch, eventsUntil, told } from "../src/agent/test-kit/agent-ground.js";
import { agentSuite } from "../src/agent/test-kit/agent-suite.js";
import { startChild } from "../src/test-kit/child.js";
import { noiseMs, patience, until } from "../src/test-kit/waiting.js";
import { clearHistory, clusterForTests, ownMember, refreshCounter } from "./support.js";

const cluster = clusterForTests("agent");
let grounds = 0;

agentSuite("etcd", () => {
  const prefix = `${cluster.dir}/suite-${String(++grounds)}`;
  const failing = new Set<string>();
  let polls = 0;
  const client: Sender = {
    async send(spec, signal) {
      const polling = spec.longPoll === true;
      if (spec.method === "DELETE" && [...failing].some((id) => spec.path.endsWith(`/${id}`)))
        throw new ClusterError("ERR_CLUSTER_UNAVAILABLE");
      polls += Number(polling);
      try {
        return await cluster.client.send(spec, signal);
      } finally {
        polls -= Number(polling);
      }
    },
  };
  return {
    create: (options) => createEtcdAgent({ ...options, client, prefix }),
    failRemoval(id) {
      failing.add(id);
      return () => {
        failing.delete(id);
      };
    },
    idle: async () => {
      await until("no long poll is open", () => polls === 0);
    },
  };
});

test("etcd agent: names and ids may be any text, and stay in their service (agent 34)", async () => {
  await using ground = onShared("names");
  const { agent, prefix } = ground;
  const pairs = [
    ["a/b", "_x%2F"],
    ["a", "b"],
    ["_a", "/"],
    [".", ".."],
    ["..", "."],
    ["ü%", "a b+c'()!*~"],
    ["a%2Fb", "__"],
    ["\u0000\n", "\u{1f600}"],
  ] as const;
  for (const [name, id] of pairs) await agent.register({ id, name, addr: "h", port: 1 });
  const services = await agent.services();
  assert.deepEqual([...services.keys()].sort(), pairs.map(([name]) => name).sort());
  for (const [name, id] of pairs) {
    assert.deepEqual(
      (await agent.service(name)).instances.map((instance) => instance.id),
      [id],
    );
    assert.deepEqual(
      (await batch((await agent.service(name)).watch())).map(({ instance }) => instance.id),
      [id],
    );
  }
  const { node } = await cluster.keys.get(`${prefix}/a%2Fb/%5Fx%252F`);
  assert.equal(node.value, '{"id":"_x%2F","name":"a/b","host":"h","port":1,"tags":[]}');
  assert.ok((node.ttl ?? 0) > 0 && (node.ttl ?? 99) <= 15);
  assert.deepEqual(ground.warnings, []);
});

test("etcd agent: others see the delete of a killed process within its TTL + 1 s (agent 35)", async (t) => {
  await using ground = onShared("killed");
  const [endpoint = ""] = cluster.endpoints;
  const child = startChild(t, "../../integration/agent-child.js", ["register", endpoint, ground.prefix, "2"]);
  const watcher = (await ground.agent.service("s")).watch();
  assert.deepEqual(told(await eventsUntil(watcher, "child")), ["add child h:1"]);
  child.process.kill("SIGKILL");
  await once(child.process, "exit");
  const killed = performance.now();
  assert.deepEqual(told(await batch(watcher)), ["delete child h:1"]);
  const tookMs = performance.now() - killed;
  assert.ok(tookMs <= 3_000 + noiseMs, `took ${String(tookMs)} ms`);
});

test("etcd agent: after a restart of etcd all changes are reported, and nothing else (agent 36)", async () => {
  await using member = await ownMember();
  await using ground = onCluster(member.endpoints, { ttlMs: 30_000 });
  const { agent } = ground;
  await agent.register({ id: "x", name: "s", addr: "h", port: 1 });
  await agent.register({ id: "y", name: "s", addr: "h", port: 2 });
  const watcher = (await agent.service("s")).watch();
  assert.equal((await batch(watcher)).length, 2);
  await member.members[0]?.terminate();
  await until("the watch is broken", () => ground.warnings.some(({ code }) => code === "RETRYING"));
  const added = agent.register({ id: "z", name: "s", addr: "h", port: 3 });
  await member.members[0]?.start();
  await added;
  await agent.deregister("y");
  await agent.register({ id: "mark", name: "s", addr: "h", port: 9 });
  assert.deepEqual([...told(await eventsUntil(watcher, "mark"))].sort(), ["add mark h:9", "add z h:3", "delete y h:2"]);
});

test("etcd agent: a key that was deleted by hand is back within a third of the TTL (agent 37)", async () => {
  await using ground = onShared("by-hand", { ttlMs: 15_000 });
  await ground.agent.register({ id: "x", name: "s", addr: "h", port: 1 });
  const watcher = (await ground.agent.service("s")).watch();
  await watcher.next(patience());
  await cluster.keys.delete(`${ground.prefix}/s/x`);
  const deleted = performance.now();
  await until("the key is there again", () =>
    cluster.keys.get(`${ground.prefix}/s/x`).catch((error: unknown) => {
      if (!isKeyNotFound(error)) throw error;
      return undefined;
    }),
  );
  const tookMs = performance.now() - deleted;
  assert.ok(tookMs <= 5_000 + noiseMs, `took ${String(tookMs)} ms`);
  const events = [...(await eventsUntil(watcher, "x"))];
  if (events.length === 1 && events[0]?.op === "delete") events.push(...(await batch(watcher)));
  assert.ok(["delete x h:1,add x h:1", "update x h:1"].includes(told(events).join()), told(events).join());
});

test("etcd agent: after the history was cleared while the watch is cut the watcher is consistent (agent 38)", async () => {
  const cut = new Cut();
  await using ground = onShared("cut", {}, cut);
  await using other = onShared("cut");
  for (const port of [1, 2, 3]) await other.agent.register({ id: `x${String(port)}`, name: "s", addr: "h", port });
  const watcher = (await ground.agent.service("s")).watch();
  assert.equal((await batch(watcher)).length, 3);
  cut.open();
  await until("the watch is broken", () => ground.warnings.length > 0);
  await other.agent.deregister("x1");
  await other.agent.register({ id: "x2", name: "s", addr: "h", port: 22 }, { replace: true });
  await other.agent.register({ id: "x4", name: "s", addr: "h", port: 4 });
  await clearHistory(cluster, `${cluster.dir}/foreign`);
  cut.mend();
  await other.agent.register({ id: "mark", name: "s", addr: "h", port: 9 });
  assert.deepEqual([...told(await eventsUntil(watcher, "mark"))].sort(), [
    "add mark h:9",
    "add x4 h:4",
    "delete x1 h:1",
    "update x2 h:22",
  ]);
  assert.ok(
    ground.warnings.some(({ cause }) => cause instanceof Error && "errorCode" in cause && cause.errorCode === 401),
    "the history should have been cleared",
  );
});

test("etcd agent: an entry that is not an instance is left out, with a warning that quotes no value (agent 39)", async () => {
  await using ground = onShared("garbage");
  const { agent, prefix, warnings } = ground;
  const good = JSON.stringify({ id: "x", name: "s", host: "h", port: 1, tags: null, colour: "red" });
  const bad = [
    "secret",
    "{",
    "null",
    "[]",
    good,
    good.replace('"x"', '"bad3"').replace('"s"', '"t"'),
    '{"id":"bad6","name":"s","host":"h","port":70000,"tags":[]}',
  ];
  await cluster.keys.set(`${prefix}/s/x`, good);
  const watcher = (await agent.service("s")).watch();
  assert.deepEqual(told(await batch(watcher)), ["add x h:1"]);
  for (const [i, value] of bad.entries()) await cluster.keys.set(`${prefix}/s/bad${String(i)}`, value);
  await cluster.keys.set(`${prefix}/s/deep/er`, good);
  await cluster.keys.set(`${prefix}/shallow`, good);
  await cluster.keys.set(`${prefix}/s/%zz`, good);
  await agent.register({ id: "mark", name: "s", addr: "h", port: 9 });
  assert.deepEqual(told(await eventsUntil(watcher, "mark")), ["add mark h:9"]);
  assert.equal(warnings.length, bad.length + 2);
  warnings.length = 0;
  const services = await agent.services();
  assert.deepEqual([...services.keys()], ["s"]);
  assert.deepEqual(
    services.get("s")?.instances.map(({ id }) => id),
    ["mark", "x"],
  );
  assert.equal(warnings.length, bad.length + 3);
  for (const { code, message } of warnings) {
    assert.equal(code, "SKIPPED");
    assert.ok(!message.includes("secret") && message.includes(prefix));
  }
  // an instance with an invalid value is gone
  await cluster.keys.set(`${prefix}/s/x`, "spoilt");
  assert.deepEqual(told(await batch(watcher)), ["delete x h:1"]);
});

test("etcd agent: a deleted directory, of the service or above it, is a delete of each instance (agent 40)", async () => {
  await using ground = onShared("directory", { ttlMs: 60_000 });
  const { agent, prefix } = ground;
  for (const key of [`${prefix}/s`, prefix]) {
    for (const port of [1, 2, 3]) await agent.register({ id: `x${String(port)}`, name: "s", addr: "h", port });
    const watcher = (await agent.service("s")).watch();
    assert.equal((await batch(watcher)).length, 3);
    await cluster.keys.delete(key, { recursive: true });
    assert.deepEqual(told(await batch(watcher)), ["delete x1 h:1", "delete x2 h:2", "delete x3 h:3"]);
    await agent.leave();
  }
});

test("etcd agent: a process that breaks out of its watch ends (agent 18)", async (t) => {
  const [endpoint = ""] = cluster.endpoints;
  const child = startChild(t, "../../integration/agent-child.js", ["break", endpoint, `${cluster.dir}/break`]);
  const { status, stdout, stderr } = await child.ended;
  assert.deepEqual({ status, stdout, stderr }, { status: 0, stdout: "first batch of 0\n", stderr: "" });
});

test("etcd agent: register() that is aborted while etcd is away rejects with the reason, and writes nothing later", async () => {
  await using member = await ownMember();
  await using ground = onCluster(member.endpoints, { ttlMs: 9_000 });
  await member.members[0]?.kill();
  const [controller, reason] = [new AbortController(), new Error("no longer wanted")];
  const registering = ground.agent.register({ id: "x", name: "s", addr: "h", port: 1 }, { signal: controller.signal });
  await until("a write has failed", () => ground.warnings.length > 0);
  controller.abort(reason);
  await assert.rejects(registering, (error) => error === reason);
  await member.members[0]?.start();
  await ground.agent.register({ id: "y", name: "s", addr: "h", port: 2 });
  // two heartbeats later a write that was still retried would have arrived
  const beats = refreshCounter(ground.keys, "/disco/s/y");
  await until("y has beaten twice", async () => (await beats()) >= 2);
  assert.deepEqual(
    (await ground.agent.service("s")).instances.map(({ id }) => id),
    ["y"],
  );
});

test("etcd agent: register() rejects with a refusal by etcd", async () => {
  await using ground = onShared("refused");
  await cluster.keys.set(`${ground.prefix}/s`, "a file where the service's directory should be");
  await assert.rejects(ground.agent.register({ id: "x", name: "s", addr: "h", port: 1 }, { signal: patience() }), {
    code: "ERR_ETCD",
    errorCode: 104,
  });
  assert.deepEqual((await ground.agent.service("s")).instances, []);
});

test("etcd agent: an instance that is replaced under another name leaves its old service", async () => {
  await using ground = onShared("moved");
  const { agent } = ground;
  await agent.register({ id: "x", name: "s", addr: "h", port: 1 });
  await agent.register({ id: "x", name: "t", addr: "h", port: 2 }, { replace: true });
  assert.deepEqual([...(await agent.services()).keys()], ["t"]);
  await agent.leave();
  assert.equal((await agent.services()).size, 0);
});

test("etcd agent: a closed client ends the watchers with its error", async () => {
  const client = new Client({ endpoints: cluster.endpoints });
  const agent = createEtcdAgent({ client, prefix: `${cluster.dir}/closed` });
  const watcher = (await agent.service("s")).watch();
  await watcher.next(patience());
  await client.close();
  await assert.rejects(watcher.next(patience()), { code: "ERR_CLOSED" });
  await agent.close();
});

test("etcd agent: bad options are refused", () => {
  const { client } = cluster;
  for (const options of [
    { client: {} },
    { client, prefix: "/a/../b" },
    { client, ttlMs: 999 },
    { client, ttl: 5 },
    { client, onWarning: 1 },
    { client, defaultTags: "a" },
  ]) {
    assert.throws(() => createEtcdAgent(options as EtcdAgentOptions), { code: "ERR_ARGUMENT" });
  }
});

interface EtcdGround extends AsyncDisposable {
  readonly agent: Agent;
  readonly keys: KeysAPI;
  readonly prefix: string;
  readonly warnings: AgentWarning[];
}

function onShared(name: string, options: Partial<EtcdAgentOptions> = {}, cut = new Cut()): EtcdGround {
  return groundOn(cut.of(cluster.client), `${cluster.dir}/${name}`, options);
}

function onCluster(endpoints: readonly string[], options: Partial<EtcdAgentOptions> = {}): EtcdGround {
  const client = new Client({ endpoints });
  return groundOn(client, "/disco", options, () => client.close());
}

function groundOn(
  client: KeysClient,
  prefix: string,
  options: Partial<EtcdAgentOptions>,
  close: () => Promise<void> = () => Promise.resolve(),
): EtcdGround {
  const warnings: AgentWarning[] = [];
  const agent = createEtcdAgent({ client, prefix, onWarning: (warning) => warnings.push(warning), ...options });
  return {
    agent,
    keys: keysOf(client),
    prefix,
    warnings,
    async [Symbol.asyncDispose]() {
      await agent.close();
      await close();
    },
  };
}

/** A connection to etcd that can be cut: present and later requests fail until it is restored. */
class Cut {
  #cut = new AbortController();

  of(sender: Sender): KeysAPI {
    return new KeysAPI({
      send: async (spec, signal) => {
        const { signal: cut } = this.#cut;
        const failure = new ClusterError("ERR_CLUSTER_UNAVAILABLE");
        if (cut.aborted) throw failure;
        const request = sender.send(spec, signal === undefined ? cut : AbortSignal.any([signal, cut]));
        return request.catch((error: unknown) => {
          if (cut.aborted && signal?.aborted !== true) throw failure;
          throw error;
        });
      },
    });
  }

  open(): void {
    this.#cut.abort();
  }

  mend(): void {
    this.#cut = new AbortController();
  }
}
