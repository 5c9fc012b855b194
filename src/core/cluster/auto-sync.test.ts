import assert from "node:assert/strict";
import { once } from "node:events";
import { getEventListeners } from "node:events";
import test from "node:test";
import { ClusterError, UsageError } from "../../util/errors.js";
import { clusterOf, rejection, settled } from "../../test-kit/scripted-cluster.js";
import { ok, reply, silence, type Answer } from "../../test-kit/scripted-server.js";

/** A membership that lists only the endpoint that received the request, so a sync changes nothing. */
const members: Answer = (response, request, socket) =>
  reply(200, {
    members: [{ id: "ab", name: "s", peerURLs: [], clientURLs: [`http://${request.headers.host ?? ""}`] }],
  })(response, request, socket);

test("autoSync: each failed sync is reported and the loop continues; an abort ends it with its reason (A101)", async (t) => {
  const { client, server } = await clusterOf(t, [[reply(500, ""), reply(503, ""), members]]);
  const abort = new AbortController();
  const reason = new Error("enough");
  const reported: unknown[] = [];
  const loop = settled(client.autoSync(10, { signal: abort.signal, onError: (error) => void reported.push(error) }));
  await server(0).received(5);
  abort.abort(reason);
  assert.equal(await loop, reason);
  assert.equal(reported.length, 2);
  for (const error of reported) assert.ok(error instanceof ClusterError);
  assert.equal(getEventListeners(abort.signal, "abort").length, 0);
});

test("autoSync: without onError, failures do not end the loop either (A101)", async (t) => {
  const { client, server } = await clusterOf(t, [[reply(500, "")]]);
  const abort = new AbortController();
  const loop = settled(client.autoSync(5, { signal: abort.signal }));
  await server(0).received(3);
  abort.abort();
  assert.equal(await loop, abort.signal.reason);
});

test("autoSync: a failed sync is retried long before a long interval is over (A101)", async (t) => {
  const { client, server } = await clusterOf(t, [[reply(500, ""), members]]);
  const abort = new AbortController();
  const loop = settled(client.autoSync(3_600_000, { signal: abort.signal }));
  await server(0).received(2);
  abort.abort();
  await loop;
});

test("autoSync: the first sync runs at once, the others one interval apart, however long a sync takes (A102)", async (t) => {
  const { client, server } = await clusterOf(t, [[members]]);
  const abort = new AbortController();
  const began = performance.now();
  const loop = settled(client.autoSync(100, { signal: abort.signal }));
  await server(0).received(1);
  await server(0).received(4);
  const took = performance.now() - began;
  abort.abort(new Error("over"));
  assert.equal(await loop, abort.signal.reason);
  // a timer may fire a little early
  assert.ok(took >= 290, `4 syncs took ${String(took)} ms`);
  assert.equal(server(0).requests.length, 4);
});

test("autoSync: the first sync does not wait for the interval (A102)", async (t) => {
  const { client, server } = await clusterOf(t, [[members]]);
  const abort = new AbortController();
  const loop = settled(client.autoSync(3_600_000, { signal: abort.signal }));
  await server(0).received(1);
  abort.abort();
  await loop;
});

test("autoSync: what onError throws becomes a process warning, and the loop goes on", async (t) => {
  const { client, server } = await clusterOf(t, [[reply(500, "")]]);
  const warned = once(process, "warning");
  const abort = new AbortController();
  const onError = (): void => {
    throw new Error("mine");
  };
  const loop = settled(client.autoSync(5, { signal: abort.signal, onError }));
  const [warning] = (await warned) as [Error & { code?: string }];
  assert.deepEqual([warning.message, warning.code], ["options.onError threw: mine", "ETCD2_CALLBACK"]);
  await server(0).received(3);
  abort.abort();
  await loop;
});

test("autoSync: an abort during a sync is not reported as an error", async (t) => {
  const { client, server } = await clusterOf(t, [[silence()]]);
  const abort = new AbortController();
  const reported: unknown[] = [];
  const loop = settled(client.autoSync(5, { signal: abort.signal, onError: (error) => void reported.push(error) }));
  await server(0).received(1);
  abort.abort("over");
  assert.equal(await loop, "over");
  assert.deepEqual(reported, []);
});

for (const [name, answer] of [
  ["between two syncs", members],
  ["during a sync", silence()],
] as const) {
  test(`autoSync: close() ${name} ends it with ERR_CLOSED`, async (t) => {
    const { client, server } = await clusterOf(t, [[answer]]);
    const reported: unknown[] = [];
    const loop = rejection(client.autoSync(3_600_000, { onError: (error) => void reported.push(error) }), UsageError);
    await server(0).received(1);
    await client.close();
    assert.equal((await loop).code, "ERR_CLOSED");
    assert.deepEqual(reported, []);
    assert.equal((await rejection(client.autoSync(1_000), UsageError)).code, "ERR_CLOSED");
  });
}

test("autoSync: bad intervals are refused before any request", async (t) => {
  const { client, counts } = await clusterOf(t, [[ok()]]);
  for (const interval of [0, -1, NaN, Infinity, 2 ** 31, "5" as unknown as number]) {
    assert.equal((await rejection(client.autoSync(interval), UsageError)).code, "ERR_ARGUMENT");
  }
  assert.deepEqual(counts(), [0]);
});
