import assert from "node:assert/strict";
import test from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { ClusterError } from "../util/errors.js";
import { clusterOf, gate, rejection } from "../test-kit/scripted-cluster.js";
import type { RequestSpec } from "./exchange.js";
import { ok, resetUnanswered, type Answer } from "../test-kit/scripted-server.js";

test("a read that meets one dying kept connection after the other ends by its one header timeout", async (t) => {
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
  // three connections are kept now; each dies while a read waits on it
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
