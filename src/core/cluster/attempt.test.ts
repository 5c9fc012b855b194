import assert from "node:assert/strict";
import { tracingChannel } from "node:diagnostics_channel";
import test, { type TestContext } from "node:test";
import type { Exchange } from "../../http/exchange.js";
import { clusterOf, gate, settled, type ScriptedCluster } from "../../test-kit/scripted-cluster.js";
import { clientOf, event, headersOnly, reply, silence, type Answer } from "../../test-kit/scripted-server.js";
import { patience } from "../../test-kit/waiting.js";
import { EndpointError } from "../../util/errors.js";
import type { AttemptMessage } from "../../util/diagnostics.js";
import { KeysAPI } from "../keys.js";

/** The messages of all attempts that end from now on, except those that request a cluster id. */
function tracedAttempts(t: TestContext): readonly AttemptMessage[] {
  const messages: AttemptMessage[] = [];
  const channel = tracingChannel<unknown, AttemptMessage>("etcd2:attempt");
  const subscribers = {
    start: () => undefined,
    end: () => undefined,
    asyncStart: () => undefined,
    error: () => undefined,
    asyncEnd: (message: AttemptMessage) => {
      if (message.path !== "/v2/members") messages.push(message);
    },
  };
  channel.subscribe(subscribers);
  t.after(() => {
    channel.unsubscribe(subscribers);
  });
  return messages;
}

/** Members that report these cluster ids; a long poll of the former cluster gets headers and no event. */
async function membersOf(t: TestContext, ids: string[]): Promise<ScriptedCluster> {
  const answerOf =
    (i: number): Answer =>
    (response, request, socket) => {
      const headers = { "x-etcd-cluster-id": ids[i] ?? "", "x-etcd-index": "9" };
      const isPoll = request.query.includes("wait=true");
      const answer = isPoll && ids[i] === "another" ? headersOnly(headers) : event(10, headers);
      return (request.path === "/v2/members" ? reply(200, { members: [] }, headers) : answer)(
        response,
        request,
        socket,
      );
    };
  return clusterOf(
    t,
    ids.map((_, i) => [answerOf(i)]),
  );
}

test("attempts: a traced long poll that reaches another cluster ends with the error of its endpoint (FF12)", async (t) => {
  const ids = ["ours", "ours", "ours"];
  const { keys, server } = await membersOf(t, ids);
  await keys.set("/k", "v");
  ids[0] = "another";
  const messages = tracedAttempts(t);
  const { clusterId } = await keys.watcher("/k", { afterIndex: 9 }).next(patience());
  assert.equal(clusterId, "ours");
  assert.deepEqual(
    messages.map(({ endpoint, status }) => [endpoint, status]),
    [
      [server(0).url, undefined],
      [server(1).url, 200],
    ],
  );
  const [first] = messages;
  assert.ok(first?.error instanceof EndpointError);
  assert.equal(first.error.code, "ERR_CLUSTER_ID");
});

test("attempts: a traced long poll whose endpoint is ours after all is one attempt, without an error (FF12)", async (t) => {
  const ids = ["old", "old"];
  const { keys, server } = await membersOf(t, ids);
  await keys.set("/k", "v");
  for (const i of [0, 1]) ids[i] = "new";
  const messages = tracedAttempts(t);
  const { clusterId } = await keys.watcher("/k", { afterIndex: 9 }).next(patience());
  assert.equal(clusterId, "new");
  assert.deepEqual(
    messages.map(({ endpoint, status, error }) => [endpoint, status, error]),
    [[server(0).url, 200, undefined]],
  );
});

test("attempts: a traced attempt that is aborted ends with the signal's reason", async (t) => {
  const messages = tracedAttempts(t);
  const asked = gate();
  // it shares signals, so what it rejects with is what the client hears
  const transport: Exchange = Object.assign(
    (...[, , signal]: Parameters<Exchange>) =>
      new Promise<never>((_resolve, reject) => {
        signal?.addEventListener("abort", () => {
          reject(new Error("the transport's own"));
        });
        asked.open();
      }),
    { sharesSignals: true },
  );
  const client = clientOf(["http://127.0.0.1:1"], { transport });
  t.after(() => client.close());
  const abort = new AbortController();
  const call = settled(new KeysAPI(client).get("/k", { signal: abort.signal }));
  await asked.opened;
  const reason = new Error("enough");
  abort.abort(reason);
  assert.equal(await call, reason);
  assert.deepEqual(
    messages.map(({ error }) => error),
    [reason],
  );
});

test("attempts: a long poll to one endpoint takes no slot of the limiter either", async (t) => {
  const { client, keys, server } = await clusterOf(t, [[silence(), event(9)]], { maxInFlight: 1 });
  const abort = new AbortController();
  const poll = client.send(
    { method: "GET", path: "/v2/keys/k", query: "wait=true", longPoll: true, endpoint: server(0).url },
    abort.signal,
  );
  await server(0).received(1);
  assert.equal((await keys.get("/k", { signal: patience() })).node.modifiedIndex, 9);
  abort.abort(new Error("enough"));
  assert.equal(await settled(poll), abort.signal.reason);
});
