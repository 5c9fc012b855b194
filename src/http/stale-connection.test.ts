import assert from "node:assert/strict";
import net, { type Socket } from "node:net";
import test, { type TestContext } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { listen } from "../test-kit/loopback-server.js";
import { KeysAPI } from "../core/keys.js";
import { ClusterError } from "../util/errors.js";
import { clusterOf, gate, rejection, settled } from "../test-kit/scripted-cluster.js";
import {
  clientOf,
  closeUnanswered,
  ok,
  resetUnanswered,
  ScriptedServer,
  type Answer,
} from "../test-kit/scripted-server.js";
import type { RequestSpec } from "./exchange.js";

/** How a restarted load balancer treats a request on a connection that it no longer knows. */
const deaths: Readonly<Record<string, (connection: Socket) => void>> = {
  reset: (connection) => connection.resetAndDestroy(),
  closed: (connection) => connection.end(),
};

interface Balancer {
  readonly keys: KeysAPI;
  /** Opens that many connections, which the client keeps; then the balancer forgets them. */
  readonly keepAndForget: (count: number) => Promise<void>;
  /** How many connections were opened so far. */
  readonly connections: () => number;
}

/** A server behind a balancer that forgets its connections. */
async function balancer(t: TestContext, die: (connection: Socket) => void): Promise<Balancer> {
  let [era, connections] = [0, 0];
  const server = await ScriptedServer.start(ok());
  const front = net.createServer((connection) => {
    const born = era;
    connections++;
    const back = net.connect(server.port, "127.0.0.1");
    for (const each of [connection, back]) each.on("error", () => undefined);
    connection.on("data", (data) => {
      if (born === era) back.write(data);
      else die(connection);
    });
    back.on("data", (data) => connection.write(data));
    connection.once("close", () => back.destroy());
  });
  const client = clientOf([await listen(t, front)]);
  t.after(async () => {
    await client.close();
    await server.close();
  });
  const keys = new KeysAPI(client);
  return {
    keys,
    connections: () => connections,
    async keepAndForget(count) {
      const { opened, open } = gate();
      server.script((...args) => opened.then(() => ok()(...args)));
      const before = server.requests.length;
      const reads = Array.from({ length: count }, () => keys.get("/k"));
      await server.received(before + count);
      open();
      await Promise.all(reads);
      server.script(ok());
      era++;
    },
  };
}

for (const [how, die] of Object.entries(deaths)) {
  for (const count of [1, 3, 4, 10, 50]) {
    test(`kept connections: none of 12 reads fails when ${String(count)} idle connections are dead and ${how} when used (FF15)`, async (t) => {
      const { keys, keepAndForget, connections } = await balancer(t, die);
      await keepAndForget(count);
      for (let i = 0; i < 12; i++) await keys.get("/k");
      assert.equal(connections(), count + 1);
    });
  }

  test(`kept connections: no read fails when each of several at once meets a dead connection, ${how} when used (FF15)`, async (t) => {
    const { keys, keepAndForget } = await balancer(t, die);
    await keepAndForget(20);
    await Promise.all(Array.from({ length: 20 }, () => keys.get("/k")));
  });

  test(`kept connections: a watch does not fail when all idle connections are dead and ${how} when used (FF15)`, async (t) => {
    const { keys, keepAndForget } = await balancer(t, die);
    await keepAndForget(4);
    await keys.watcher("/k").next();
    await keepAndForget(4);
    await keys.watcher("/k").next();
  });
}

test("kept connections: after one stayed silent, the other idle connections are not used (FF15)", async (t) => {
  const { keys, keepAndForget } = await balancer(t, () => undefined);
  await keepAndForget(10);
  const brief = keys.withLimits(() => ({ headersMs: 1_000, idleMs: Infinity }));
  assert.ok((await settled(brief.get("/k"))) instanceof ClusterError);
  for (let i = 0; i < 5; i++) await keys.get("/k");
});

test("kept connections: a dead one leaves a one-shot write unknown, and the next write uses a new connection (FF15)", async (t) => {
  const { keys, keepAndForget } = await balancer(t, (connection) => connection.resetAndDestroy());
  await keepAndForget(10);
  const { errors, outcome } = await rejection(keys.create("/k", "v"), ClusterError);
  assert.deepEqual([errors.length, outcome], [1, "unknown"]);
  await keys.create("/k", "v");
});

test("kept connections: a server that also closes new connections is a failure after one more request (FF15)", async (t) => {
  const { keys, server, counts } = await clusterOf(t, [[ok()]]);
  await keys.get("/k");
  server(0).script(closeUnanswered());
  assert.equal((await rejection(keys.get("/k"), ClusterError)).outcome, "notApplied");
  assert.deepEqual(counts(), [3]);
});

test("kept connections: a read retried after a dead connection has one header timeout for both requests", async (t) => {
  const all = gate();
  const held: Answer = async (...args) => {
    await all.opened;
    ok()(...args);
  };
  const { client, keys, server } = await clusterOf(t, [[held]]);
  const reads = Array.from({ length: 3 }, () => keys.get("/k"));
  await server(0).received(3);
  all.open();
  await Promise.all(reads);
  server(0).script(async (...args) => {
    await sleep(300);
    resetUnanswered()(...args);
  });
  const spec: RequestSpec = { method: "GET", path: "/v2/keys/k", limits: { headersMs: 500, idleMs: Infinity } };
  const { errors } = await rejection(client.send(spec), ClusterError);
  assert.deepEqual(
    errors.map(({ code }) => code),
    ["ERR_HEADER_TIMEOUT"],
  );
});
