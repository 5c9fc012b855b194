import assert from "node:assert/strict";
import test from "node:test";
import { ClusterError, EndpointError, EtcdError, isKeyNotFound, isUnauthorized } from "../../util/errors.js";
import { KeysAPI } from "../keys.js";
import { clusterOf, gate, rejection, settled } from "../../test-kit/scripted-cluster.js";
import {
  clientOf,
  closeUnanswered,
  halfBody,
  headersOnly,
  ok,
  raftTimeout,
  refusedUrl,
  reply,
  ScriptedServer,
  silence,
  type Answer,
} from "../../test-kit/scripted-server.js";
import { limitMs } from "../../test-kit/waiting.js";

/** One test per row: S0 fails a read, S1 answers, and the next call goes straight to S1. */
const failing: readonly [name: string, s0: Answer][] = [
  ["S0 returns 500 (A64)", reply(500, "oops")],
  ["S0 closes the connection (A65)", closeUnanswered()],
  ["S0 sends half the body and closes (A75)", halfBody()],
];
for (const [name, s0] of failing) {
  test(`failover: a read goes to S1, which stays pinned, when ${name}`, async (t) => {
    const { keys, client, server, counts } = await clusterOf(t, [[s0], [ok()]]);
    assert.equal((await keys.get("/k")).node.value, "v");
    assert.deepEqual(counts(), [1, 1]);
    assert.deepEqual(client.endpoints, [server(1).url, server(0).url]);
    await keys.get("/k");
    assert.deepEqual(counts(), [1, 2]);
  });
}

for (const [name, id, status, errorCode, is] of [
  ["404/100", "A66", 404, 100, isKeyNotFound],
  ["401/110", "A67", 401, 110, isUnauthorized],
] as const) {
  test(`failover: ${name} is an etcd response: S1 is not tried, and the pin stays (${id})`, async (t) => {
    const { keys, counts } = await clusterOf(t, [
      [reply(status, { errorCode, message: "m", cause: "/k", index: 5 })],
      [ok()],
    ]);
    const error = await rejection(keys.get("/k"), EtcdError);
    assert.equal(error.errorCode, errorCode);
    assert.ok(is(error));
    await rejection(keys.get("/k"), EtcdError);
    assert.deepEqual(counts(), [2, 0]);
  });
}

test("failover: if all endpoints fail, ClusterError has their errors in order, and the next call starts at S0 (A68, A69)", async (t) => {
  const { keys, server, counts } = await clusterOf(t, [[reply(500, "")], [reply(502, "")], [closeUnanswered()]]);
  const error = await rejection(keys.get("/k"), ClusterError);
  assert.equal(error.code, "ERR_CLUSTER_UNAVAILABLE");
  assert.equal(error.outcome, "notApplied");
  assert.ok(
    error.message.startsWith("client: etcd cluster is unavailable or misconfigured; error #0: "),
    error.message,
  );
  for (const text of ["error #1: ", "error #2: ", server(0).url]) assert.ok(error.message.includes(text), text);
  const attempts = error.errors.map((each) => each instanceof EndpointError && [each.code, each.endpoint, each.status]);
  assert.deepEqual(attempts, [
    ["ERR_SERVER", server(0).url, 500],
    ["ERR_SERVER", server(1).url, 502],
    ["ERR_NETWORK", server(2).url, undefined],
  ]);
  assert.deepEqual(counts(), [1, 1, 1]);
  server(0).script(ok());
  await keys.get("/k");
  assert.deepEqual(counts(), [2, 1, 1]);
});

for (const [name, id, call, s0] of [
  ["delete, 500", "A70", (keys: KeysAPI) => keys.delete("/k"), reply(500, "")],
  ["create, S0 closes after reading", "A71", (keys: KeysAPI) => keys.create("/k", "v"), closeUnanswered()],
  [
    "createInOrder, S0 closes after reading",
    "A73",
    (keys: KeysAPI) => keys.createInOrder("/q", "v"),
    closeUnanswered(),
  ],
  [
    "compare-and-swap, S0 closes after reading",
    "A73",
    (keys: KeysAPI) => keys.set("/k", "v", { prevIndex: 7 }),
    closeUnanswered(),
  ],
  ["compare-and-delete, 503", "A73", (keys: KeysAPI) => keys.delete("/k", { prevValue: "v" }), reply(503, "")],
] as const) {
  test(`failover: ${name}: fails after one request, and the next call goes to S1 (${id})`, async (t) => {
    const { keys, counts } = await clusterOf(t, [[s0], [ok()]]);
    const error = await rejection(call(keys), ClusterError);
    assert.equal(error.errors.length, 1);
    assert.equal(error.outcome, "unknown");
    assert.deepEqual(counts(), [1, 0]);
    await call(keys);
    assert.deepEqual(counts(), [1, 1]);
  });
}

test("failover: after a delete skipped a refusing endpoint and failed at the next one, the pin moves past both (A70)", async (t) => {
  const [s1, s2] = [await ScriptedServer.start(reply(500, "")), await ScriptedServer.start(ok())];
  const client = clientOf([await refusedUrl(), s1, s2]);
  t.after(() => Promise.all([client.close(), s1.close(), s2.close()]));
  const keys = new KeysAPI(client);
  await rejection(keys.delete("/k"), ClusterError);
  await keys.delete("/k");
  assert.deepEqual([s1.requests.length, s2.requests.length], [1, 1]);
});

test("failover: a delete succeeds on S1 if S0 refuses the connection (A72)", async (t) => {
  const s1 = await ScriptedServer.start(ok());
  const client = clientOf([await refusedUrl(), s1]);
  t.after(() => Promise.all([client.close(), s1.close()]));
  await new KeysAPI(client).delete("/k");
  assert.equal(s1.requests.length, 1);
  assert.equal(client.endpoints[0], s1.url);
});

test("failover: a plain set succeeds on S1 with the same request if S0 returns 502 (A74)", async (t) => {
  const { keys, seen, counts } = await clusterOf(t, [[reply(502, "")], [ok()]]);
  await keys.set("/k", "v w", { ttl: 5 });
  assert.deepEqual(counts(), [1, 1]);
  const [[first], [second]] = [seen(0), seen(1)];
  assert.deepEqual(second?.form, ["ttl=5", "value=v w"]);
  assert.deepEqual([first?.method, first?.target, first?.body], [second.method, second.target, second.body]);
});

const headerTimeoutMs = limitMs;

test("failover: if S0 is silent, the header timeout ends the attempt and S1 responds (A76)", async (t) => {
  const { keys, server, counts } = await clusterOf(t, [[silence()], [ok()]], { headerTimeoutMs });
  assert.equal((await keys.get("/k")).node.value, "v");
  assert.deepEqual(counts(), [1, 1]);
  await server(0).connectionsDownTo(0);
});

test("failover: if both are silent, ClusterError has two header timeouts (A77)", async (t) => {
  const { keys, server } = await clusterOf(t, [[silence()], [silence()]], { headerTimeoutMs });
  const error = await rejection(keys.get("/k"), ClusterError);
  assert.deepEqual(
    error.errors.map(({ code }) => code),
    ["ERR_HEADER_TIMEOUT", "ERR_HEADER_TIMEOUT"],
  );
  for (const { message } of error.errors)
    assert.match(message, new RegExp(`exceeded header timeout of ${String(limitMs)} ms$`));
  await Promise.all([server(0).connectionsDownTo(0), server(1).connectionsDownTo(0)]);
});

test("failover: an abort during the second attempt rejects with its reason (A78)", async (t) => {
  const { keys, server } = await clusterOf(t, [[silence()], [silence()]], { headerTimeoutMs });
  const abort = new AbortController();
  const reason = new Error("enough");
  const call = settled(keys.get("/k", { signal: abort.signal }));
  await server(1).received(1);
  abort.abort(reason);
  assert.equal(await call, reason);
  await server(1).connectionsDownTo(0);
});

for (const [name, call] of [
  ["a read", (keys: KeysAPI, signal: AbortSignal) => keys.get("/k", { signal })],
  ["a watch", (keys: KeysAPI, signal: AbortSignal) => keys.watcher("/k").next(signal)],
] as const) {
  test(`failover: ${name} aborted with an EndpointError as reason rejects with it and does not fail over (A78)`, async (t) => {
    const { keys, server, counts } = await clusterOf(t, [[silence()], [ok()]]);
    const reason = new EndpointError("ERR_NETWORK", "an old one", { endpoint: "x", outcome: "notApplied" });
    const abort = new AbortController();
    const result = settled(call(keys, abort.signal));
    await server(0).received(1);
    abort.abort(reason);
    assert.equal(await result, reason);
    assert.deepEqual(counts(), [1, 0]);
  });
}

test("failover: a deadline that fires while S1 is silent rejects with the deadline's error (A79)", async (t) => {
  const { keys, server } = await clusterOf(t, [[reply(500, "")], [silence()]]);
  const deadline = new AbortController();
  const call = settled(keys.get("/k", { signal: deadline.signal }));
  await server(1).received(1);
  const reason = new DOMException("too late", "TimeoutError");
  deadline.abort(reason);
  assert.equal(await call, reason);
});

test("failover: an aborted signal rejects with its reason, whatever it is, and nothing is sent (A80)", async (t) => {
  const { keys, client, server } = await clusterOf(t, [[ok()]]);
  for (const reason of ["a word", undefined, new TypeError("t")]) {
    const signal = AbortSignal.abort(reason);
    for (const call of [
      keys.get("/k", { signal }),
      keys.delete("/k", { signal }),
      keys.watcher("/k").next(signal),
      client.version(signal),
      client.sync(signal),
      client.autoSync(1_000, { signal }),
    ]) {
      assert.equal(await settled(call), signal.reason);
    }
  }
  assert.equal(server(0).requests.length, 0);
  assert.equal(server(0).connections, 0);
});

test("failover: when the body stalls, the caller's deadline rejects with its error and closes the socket (A81)", async (t) => {
  const { keys, server } = await clusterOf(t, [[headersOnly()], [ok()]]);
  const signal = AbortSignal.timeout(150);
  assert.equal(await settled(keys.get("/k", { signal })), signal.reason);
  await server(0).connectionsDownTo(0);
  assert.equal(server(1).requests.length, 0);
});

test("failover: when the body stalls, bodyIdleTimeoutMs closes the socket and S1 responds (A81)", async (t) => {
  const { keys, server, counts } = await clusterOf(t, [[headersOnly()], [ok()]], { bodyIdleTimeoutMs: limitMs });
  assert.equal((await keys.get("/k")).node.value, "v");
  assert.deepEqual(counts(), [1, 1]);
  await server(0).connectionsDownTo(0);
});

test("failover: a body that arrives slowly is not a stalled one (A81)", async (t) => {
  const dribble: Answer = async (response) => {
    const text = JSON.stringify({ action: "get", node: { key: "/k", value: "v", modifiedIndex: 7, createdIndex: 7 } });
    response.writeHead(200, { "content-type": "application/json" });
    for (const piece of text.match(/.{1,12}/g) ?? []) {
      response.write(piece);
      await new Promise((resolve) => setTimeout(resolve, limitMs / 4));
    }
    response.end();
  };
  const { keys, counts } = await clusterOf(t, [[dribble], [ok()]], { bodyIdleTimeoutMs: limitMs });
  await keys.get("/k");
  assert.deepEqual(counts(), [1, 0]);
});

test("failover: the error for a 500 with an etcd error in it has status, error code and cause (A86)", async (t) => {
  const { keys } = await clusterOf(t, [[raftTimeout()]]);
  const { errors, message } = await rejection(keys.get("/k", { quorum: true }), ClusterError);
  const [error] = errors;
  assert.ok(error instanceof EndpointError);
  assert.deepEqual(
    [error.code, error.status, error.errorCode, error.serverCause],
    ["ERR_SERVER", 500, 300, "etcdserver: request timed out"],
  );
  assert.ok(error.cause instanceof EtcdError);
  assert.match(message, /etcdserver: request timed out/);
});

test("failover: a call tries every endpoint at most once, starting at the pin (2.3)", async (t) => {
  const { keys, server, client, counts } = await clusterOf(t, [
    [reply(500, ""), ok()],
    [ok(), reply(503, "")],
    [reply(500, "")],
  ]);
  await keys.get("/k");
  assert.deepEqual(counts(), [1, 1, 0]);
  assert.deepEqual(
    client.endpoints,
    [server(1), server(2), server(0)].map(({ url }) => url),
  );
  await keys.get("/k");
  assert.deepEqual(counts(), [2, 2, 1]);
  assert.equal(client.endpoints[0], server(0).url);
});

test("failover: a call that began before setEndpoints does not move the new list's pin (2.3)", async (t) => {
  const { opened, open } = gate();
  const old = await ScriptedServer.start(async (response, request, socket) => {
    await opened;
    return ok()(response, request, socket);
  });
  const { client, keys, server } = await clusterOf(t, [[ok()], [ok()], [ok()]]);
  t.after(() => old.close());
  client.setEndpoints([old.url]);
  const call = keys.get("/k");
  await old.received(1);
  client.setEndpoints([server(0).url, server(1).url, server(2).url]);
  const before = client.endpoints;
  open();
  await call;
  assert.deepEqual(client.endpoints, before);
});

test("failover: parallel calls past failing endpoints leave the pin at the one that responds (2.3)", async (t) => {
  const { keys, client, server } = await clusterOf(t, [[closeUnanswered()], [ok()], [closeUnanswered()]]);
  await Promise.all(Array.from({ length: 20 }, () => keys.get("/k")));
  assert.equal(client.endpoints[0], server(1).url);
});
