import assert from "node:assert/strict";
import { getEventListeners } from "node:events";
import test from "node:test";
import { KeysAPI } from "./keys.js";
import { startChild } from "../test-kit/child.js";
import { clusterOf, gate, settled, type ScriptedCluster } from "../test-kit/scripted-cluster.js";
import {
  closeUnanswered,
  headersOnly,
  ok,
  raftTimeout,
  reply,
  ScriptedServer,
  silence,
  type Answer,
} from "../test-kit/scripted-server.js";

const missing = reply(404, { errorCode: 100, message: "Key not found", cause: "/missing", index: 5 });
const event = reply(200, { action: "set", node: { key: "/k", value: "v", modifiedIndex: 9, createdIndex: 9 } });
const members: Answer = (response, request, socket) =>
  reply(200, { members: [{ clientURLs: [`http://${request.headers.host ?? ""}`] }] })(response, request, socket);

/** A call with the caller's signal. `stop` ends it if it does not end by itself. */
interface Call {
  readonly name: string;
  readonly answers: readonly Answer[];
  readonly run: (cluster: ScriptedCluster, signal: AbortSignal) => Promise<unknown>;
  readonly stop?: (cluster: ScriptedCluster, abort: AbortController) => unknown;
}

const get = ({ keys }: ScriptedCluster, signal: AbortSignal): Promise<unknown> => keys.get("/k", { signal });
const next = ({ keys }: ScriptedCluster, signal: AbortSignal): Promise<unknown> => keys.watcher("/k").next(signal);
const abortIt = (_cluster: ScriptedCluster, abort: AbortController): void => {
  abort.abort(new Error("over"));
};

const calls: readonly Call[] = [
  { name: "a read", answers: [ok()], run: get },
  { name: "a write", answers: [ok()], run: ({ keys }, signal) => keys.createInOrder("/q", "v", { signal }) },
  { name: "a refusal", answers: [missing], run: get },
  { name: "a failure", answers: [raftTimeout()], run: get },
  { name: "a lost connection", answers: [closeUnanswered()], run: get },
  { name: "bad JSON", answers: [reply(200, "x")], run: get },
  { name: "bad arguments", answers: [ok()], run: ({ keys }, signal) => keys.set("/..", "v", { signal }) },
  { name: "a header timeout", answers: [silence()], run: get },
  { name: "a body timeout", answers: [headersOnly()], run: get },
  { name: "endless redirects", answers: [reply(307, "", { location: "/x" })], run: get },
  {
    name: "a version",
    answers: [reply(200, { etcdserver: "3.4.23", etcdcluster: "3.4.0" })],
    run: ({ client }, signal) => client.version(signal),
  },
  { name: "a sync", answers: [members], run: ({ client }, signal) => client.sync(signal) },
  { name: "a watch", answers: [event], run: next },
  { name: "a watch whose poll was sent again", answers: [reply(200), event], run: next },
  { name: "a watch that failed", answers: [closeUnanswered()], run: next },
  { name: "an aborted read", answers: [silence()], run: get, stop: abortIt },
  { name: "a read aborted in its body", answers: [headersOnly()], run: get, stop: abortIt },
  { name: "an aborted watch", answers: [headersOnly()], run: next, stop: abortIt },
  {
    name: "an aborted autoSync",
    answers: [members],
    run: ({ client }, signal) => client.autoSync(3_600_000, { signal }),
    stop: abortIt,
  },
  { name: "a read of a client that was closed", answers: [silence()], run: get, stop: ({ client }) => client.close() },
  {
    name: "a watch of a client that was closed",
    answers: [headersOnly()],
    run: next,
    stop: ({ client }) => client.close(),
  },
  {
    name: "an autoSync of a client that was closed",
    answers: [members],
    run: ({ client }, signal) => client.autoSync(3_600_000, { signal }),
    stop: ({ client }) => client.close(),
  },
];

for (const { name, answers, run, stop } of calls) {
  test(`leaks: ${name} leaves no listener on the caller's signal, and no socket after close()`, async (t) => {
    const short = stop === undefined ? { headerTimeoutMs: 200, bodyIdleTimeoutMs: 200 } : {};
    const cluster = await clusterOf(t, [answers], short);
    const abort = new AbortController();
    const call = settled(run(cluster, abort.signal));
    if (stop !== undefined) {
      await cluster.server(0).received(1);
      assert.equal(getEventListeners(abort.signal, "abort").length, 1);
      await stop(cluster, abort);
    }
    await call;
    assert.equal(getEventListeners(abort.signal, "abort").length, 0);
    await cluster.client.close();
    await cluster.server(0).connectionsDownTo(0);
  });
}

test("leaks: 100 concurrent calls add one listener to their signal, and leave none", async (t) => {
  const { keys, server } = await clusterOf(t, [[silence()]]);
  const abort = new AbortController();
  const results = Array.from({ length: 100 }, () => settled(keys.get("/k", { signal: abort.signal })));
  await server(0).received(100);
  assert.equal(getEventListeners(abort.signal, "abort").length, 1);
  abort.abort(new Error("over"));
  assert.deepEqual(new Set(await Promise.all(results)), new Set([abort.signal.reason]));
  assert.equal(getEventListeners(abort.signal, "abort").length, 0);
  await server(0).connectionsDownTo(0);
});

test("leaks: 10,000 calls with one signal do not grow heap or listeners, and cause no warning", async (t) => {
  const server = await ScriptedServer.start((response, request, socket) =>
    (request.path.endsWith("missing") ? missing : ok())(response, request, socket),
  );
  t.after(() => server.close());
  const { status, stdout, stderr } = await startChild(t, "leak-programs.js", ["heap", server.url], {
    nodeArgs: ["--expose-gc"],
  }).ended;
  assert.equal(status, 0, stderr);
  assert.equal(server.requests.length, 12_000);
  const { grown, listeners, warnings } = JSON.parse(stdout) as { grown: number; listeners: number; warnings: string[] };
  assert.deepEqual({ listeners, warnings }, { listeners: 0, warnings: [] });
  // one listener with its closure, kept per call, would be above 3 MB
  assert.ok(grown < 1_000_000, `grown by ${String(grown)} bytes`);
});

test("close(): calls in flight, queued calls, watches and an autoSync reject with ERR_CLOSED, and the process ends on its own", async (t) => {
  const server = await ScriptedServer.start((response, request, socket) => {
    if (request.path === "/v2/keys/silent") return undefined;
    const answer =
      request.path === "/v2/keys/watched" ? headersOnly() : request.path === "/v2/members" ? members : ok();
    return answer(response, request, socket);
  });
  t.after(() => server.close());
  const child = startChild(t, "leak-programs.js", ["close", server.url]);
  // a read, autoSync's members, two watches, and as many reads as may be in flight
  await server.received(1 + 1 + 2 + 3);
  child.process.stdin?.end();
  const { status, stdout, stderr } = await child.ended;
  assert.deepEqual([status, stderr], [0, ""]);
  assert.deepEqual(JSON.parse(stdout), {
    results: Array.from({ length: 10 }, () => "ERR_CLOSED"),
    after: "ERR_CLOSED",
  });
  assert.equal(server.requests.length, 7);
  await server.connectionsDownTo(0);
});

test("close(): it is idempotent, also with `await using`", async (t) => {
  const { client, keys, server } = await clusterOf(t, [[ok()]]);
  await keys.get("/k");
  assert.equal(server(0).connections, 1);
  await Promise.all([client.close(), client.close()]);
  await client[Symbol.asyncDispose]();
  await server(0).connectionsDownTo(0);
});

/** A response that is held until released, and how many are held: now and at most. */
function held(): { readonly answer: Answer; readonly letGo: () => void; readonly most: () => number } {
  const waiting: (() => void)[] = [];
  let most = 0;
  return {
    answer: async (response, request, socket) => {
      const { opened, open } = gate();
      most = Math.max(most, waiting.push(open));
      await opened;
      return ok()(response, request, socket);
    },
    letGo: () => waiting.shift()?.(),
    most: () => most,
  };
}

test("maxInFlight: the server never has more requests at once, and all calls finish", async (t) => {
  const { answer, letGo, most } = held();
  const { keys, server } = await clusterOf(t, [[answer]], { maxInFlight: 3 });
  const all = Promise.all(Array.from({ length: 20 }, (_, i) => (i % 2 === 0 ? keys.get("/k") : keys.set("/k", "v"))));
  for (let i = 1; i <= 20; i++) {
    await server(0).received(Math.min(i + 2, 20));
    letGo();
  }
  await all;
  assert.equal(most(), 3);
});

test("maxInFlight: the requests of a sync count too", async (t) => {
  const { answer, letGo, most } = held();
  const [s0, s1] = [await ScriptedServer.start(), await ScriptedServer.start()];
  t.after(() => Promise.all([s0.close(), s1.close()]));
  const list = reply(200, { members: [{ clientURLs: [s0.url, s1.url] }] });
  const { client, server } = await clusterOf(t, [[list, answer]], { maxInFlight: 1 });
  s0.script(list);
  s1.script(list);
  const sync = client.sync();
  const read = new KeysAPI(client).get("/k");
  await server(0).received(2);
  // the read holds the only slot; while another client's reads complete, the sync had time to send, but must not
  const other = await clusterOf(t, [[ok()]]);
  for (let i = 0; i < 5; i++) await other.keys.get("/k");
  assert.deepEqual([s0.requests.length, s1.requests.length], [0, 0]);
  letGo();
  await Promise.all([sync, read]);
  assert.equal(most(), 1);
  assert.deepEqual([s0.requests.length, s1.requests.length], [1, 1]);
});

test("maxInFlight: a queued call aborts at once and is never sent; a failed call releases its slot", async (t) => {
  const { keys, server, counts } = await clusterOf(t, [[silence(), reply(500, ""), ok()]], { maxInFlight: 1 });
  const first = new AbortController();
  const running = settled(keys.get("/running", { signal: first.signal }));
  await server(0).received(1);
  const queued = new AbortController();
  const waiting = settled(keys.delete("/queued", { signal: queued.signal }));
  const [failing, last] = [settled(keys.get("/failing")), keys.get("/last")];
  queued.abort("over");
  assert.equal(await waiting, "over");
  assert.deepEqual(counts(), [1]);
  first.abort("enough");
  assert.equal(await running, "enough");
  await failing;
  await last;
  assert.deepEqual(
    server(0).requests.map(({ path }) => path),
    ["/v2/keys/running", "/v2/keys/failing", "/v2/keys/last"],
  );
});

test("maxInFlight: long polls do not count and do not wait", async (t) => {
  const { keys, server, client } = await clusterOf(
    t,
    [
      [
        (response, request, socket) =>
          (request.query.includes("wait=true") ? headersOnly() : ok())(response, request, socket),
      ],
    ],
    {
      maxInFlight: 1,
    },
  );
  const polls = Array.from({ length: 5 }, () => settled(keys.watcher("/k").next()));
  await server(0).received(5);
  await keys.get("/k");
  const { answer, letGo } = held();
  server(0).script(answer, headersOnly());
  const read = keys.get("/k");
  await server(0).received(7);
  polls.push(settled(keys.watcher("/k").next()));
  await server(0).received(8);
  letGo();
  await read;
  await client.close();
  await Promise.all(polls);
});

test("leaks: a caller's signal is never aborted, not even by close()", async (t) => {
  const { keys, client, server } = await clusterOf(t, [[silence()]]);
  const { signal } = new AbortController();
  const call = settled(keys.get("/k", { signal }));
  await server(0).received(1);
  await client.close();
  await call;
  assert.equal(signal.aborted, false);
});
