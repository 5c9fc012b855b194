import assert from "node:assert/strict";
import test, { type TestContext } from "node:test";
import { clusterOf, gate, rejection, settled, type ScriptedCluster } from "../../test-kit/scripted-cluster.js";
import {
  clientOf,
  closeUnanswered,
  headersOnly,
  okBody,
  refusedUrl,
  reply,
  silence,
  type Answer,
} from "../../test-kit/scripted-server.js";
import { patience, until } from "../../test-kit/waiting.js";
import { ClusterError, EndpointError } from "../../util/errors.js";
import { KeysAPI } from "../keys.js";

/** The current state of a member. */
interface Member {
  /** The id of its cluster. */
  id: string;
  /** Its response to every request except those for the membership. @default `ok` */
  does?: (headers: Readonly<Record<string, string>>) => Answer;
}

function answerOf(member: Member): Answer {
  return (response, request, socket) => {
    const headers = { "x-etcd-cluster-id": member.id, "x-etcd-index": "9" };
    const asksMembers = request.path === "/v2/members";
    const answer = asksMembers
      ? reply(200, { members: [] }, headers)
      : (member.does?.(headers) ?? reply(200, okBody, headers));
    return answer(response, request, socket);
  };
}

interface Members extends ScriptedCluster {
  readonly member: (i: number) => Member;
  /** Methods of the requests that a member received, except those for its cluster id. */
  readonly asked: (i: number) => readonly string[];
}

/** Members with these cluster ids, and a client that starts at the first one. */
async function membersOf(t: TestContext, ...ids: readonly string[]): Promise<Members> {
  const members: Member[] = ids.map((id) => ({ id }));
  const cluster = await clusterOf(
    t,
    members.map((member) => [answerOf(member)]),
    { username: "root", password: "secret" },
  );
  return {
    ...cluster,
    member: (i) => members[i] ?? assert.fail(),
    asked: (i) =>
      cluster
        .seen(i)
        .filter(({ path }) => path !== "/v2/members")
        .map(({ method }) => method),
  };
}

test("cluster id: a write that only another cluster answers rejects, and the error names the endpoint (FF12)", async (t) => {
  const { keys, server } = await membersOf(t, "ours", "another");
  assert.equal((await keys.set("/k", "v")).clusterId, "ours");
  await server(0).close();
  const error = await rejection(keys.set("/k", "v"), ClusterError);
  const last = error.errors.at(-1);
  assert.ok(last instanceof EndpointError);
  assert.deepEqual([last.code, last.endpoint, last.outcome], ["ERR_CLUSTER_ID", server(1).url, "unknown"]);
  assert.match(last.message, /another cluster answers there \(its id is another, ours is ours\)/);
  assert.equal(error.outcome, "unknown");
});

for (const [name, call] of [
  ["a read", (keys: KeysAPI) => keys.get("/k")],
  ["a plain write", (keys: KeysAPI) => keys.set("/k", "v")],
  ["a one-shot write", (keys: KeysAPI) => keys.create("/k", "v")],
] as const) {
  test(`cluster id: ${name} skips an endpoint that now belongs to another cluster (FF12)`, async (t) => {
    const { keys, member, client, server } = await membersOf(t, "ours", "ours", "ours");
    await keys.set("/k", "v");
    member(0).id = "another";
    assert.equal((await call(keys)).clusterId, "ours");
    assert.equal(client.endpoints[0], server(1).url);
  });

  test(`cluster id: ${name} skips an endpoint of another cluster, whatever its status (FF12)`, async (t) => {
    for (const [status, body] of [
      [404, { errorCode: 100, message: "Key not found", cause: "/k", index: 3 }],
      [401, { errorCode: 110, message: "The request requires user authentication", cause: "", index: 0 }],
      [500, { errorCode: 300, message: "Raft Internal Error", cause: "", index: 0 }],
    ] as const) {
      const { keys, member } = await membersOf(t, "ours", "ours");
      await keys.set("/k", "v");
      member(0).id = "another";
      member(0).does = (headers) => reply(status, body, headers);
      assert.equal((await call(keys)).clusterId, "ours");
    }
  });
}

test("cluster id: a watch skips an endpoint of another cluster at its headers, without waiting for a body (FF12)", async (t) => {
  const { keys, member } = await membersOf(t, "ours", "ours");
  await keys.set("/k", "v");
  member(0).id = "another";
  member(0).does = (headers) => headersOnly(headers);
  for (const afterIndex of [0, 5]) {
    assert.equal((await keys.watcher("/k", { afterIndex }).next(patience())).clusterId, "ours");
  }
});

test("cluster id: a client that starts at another cluster notices with its first write (FF12)", async (t) => {
  for (const call of [
    (keys: KeysAPI) => keys.set("/k", "v"),
    (keys: KeysAPI) => keys.create("/k", "v"),
    (keys: KeysAPI) => keys.delete("/k"),
  ]) {
    const { keys, asked, seen } = await membersOf(t, "another", "ours", "ours");
    assert.equal((await call(keys)).clusterId, "ours");
    await call(keys);
    assert.equal(asked(0).length, 1);
    const questions = [...seen(1), ...seen(2)].filter(({ path }) => path === "/v2/members");
    assert.ok(questions.length > 0 && questions.every(({ headers }) => headers.authorization === undefined));
  }
});

test("cluster id: a client that starts at another cluster notices with its first watch (FF12)", async (t) => {
  const { keys, member } = await membersOf(t, "another", "ours", "ours");
  member(0).does = (headers) => headersOnly(headers);
  assert.equal((await keys.watcher("/k").next(patience())).clusterId, "ours");
});

test("cluster id: a first read contacts no other endpoint, and a confirmed id is not checked again", async (t) => {
  const { keys, counts } = await membersOf(t, "ours", "ours", "ours");
  await keys.get("/k");
  assert.deepEqual(counts(), [1, 0, 0]);
  await keys.set("/k", "v");
  const after = counts();
  for (let i = 0; i < 3; i++) await keys.set("/k", "v");
  assert.deepEqual(counts(), [(after[0] ?? 0) + 3, after[1], after[2]]);
});

test("cluster id: of two endpoints with different ids, the one that responded first counts", async (t) => {
  const { keys, asked } = await membersOf(t, "ours", "another");
  for (let i = 0; i < 3; i++) assert.equal((await keys.set("/k", "v")).clusterId, "ours");
  assert.deepEqual(asked(1), []);
});

test("cluster id: if all endpoints have another id, it is adopted, and no write is sent twice (FF12)", async (t) => {
  for (const call of [
    (keys: KeysAPI) => keys.get("/k"),
    (keys: KeysAPI) => keys.set("/k", "v"),
    (keys: KeysAPI) => keys.createInOrder("/q", "v"),
  ]) {
    const { keys, member, asked } = await membersOf(t, "old", "old", "old");
    await keys.set("/k", "v");
    for (const i of [0, 1, 2]) member(i).id = "new";
    assert.equal((await call(keys)).clusterId, "new");
    assert.deepEqual([asked(0).length, asked(1), asked(2)], [2, [], []]);
    assert.equal((await keys.set("/k", "v")).clusterId, "new");
  }
});

test("cluster id: a new id is adopted although one member of three is still down (FF12)", async (t) => {
  const { keys, member, server } = await membersOf(t, "old", "old", "old");
  await keys.set("/k", "v");
  await server(2).close();
  for (const i of [0, 1]) member(i).id = "new";
  assert.equal((await keys.create("/k", "v")).clusterId, "new");
});

test("cluster id: another id from one of three endpoints is not adopted while the others are down (FF12)", async (t) => {
  const { keys, member, server, asked } = await membersOf(t, "ours", "ours", "ours");
  await keys.set("/k", "v");
  member(0).id = "another";
  await Promise.all([server(1).close(), server(2).close()]);
  const read = await rejection(keys.get("/k"), ClusterError);
  assert.equal(read.outcome, "notApplied");
  // this one may have replaced our cluster: sending the write again could apply it twice
  const write = await rejection(keys.create("/k", "v"), ClusterError);
  assert.equal(write.outcome, "unknown");
  assert.equal(asked(0).filter((method) => method === "PUT").length, 2);
});

test("cluster id: a client with a single endpoint accepts any cluster there (FF12)", async (t) => {
  const { keys, member, counts } = await membersOf(t, "old");
  await keys.set("/k", "v");
  member(0).id = "new";
  assert.equal((await keys.create("/k", "v")).clusterId, "new");
  member(0).does = (headers) => reply(200, { ...okBody, node: { ...okBody.node, modifiedIndex: 10 } }, headers);
  assert.equal((await keys.watcher("/k", { afterIndex: 9 }).next(patience())).clusterId, "new");
  assert.deepEqual(counts(), [3]);
});

test("cluster id: responses without an id are accepted from every endpoint", async (t) => {
  const { keys, member } = await membersOf(t, "ours", "ours");
  await keys.set("/k", "v");
  member(0).does = () => reply(200, okBody);
  assert.equal((await keys.get("/k")).clusterId, "");
});

test("cluster id: setEndpoints may lead to another cluster", async (t) => {
  const { client, keys, server } = await membersOf(t, "one", "one", "two");
  await keys.set("/k", "v");
  client.setEndpoints([server(2).url]);
  assert.equal((await keys.set("/k", "v")).clusterId, "two");
});

test("cluster id: calls that see a new id at the same time check it once", async (t) => {
  const { keys, member, seen } = await membersOf(t, "old", "old", "old");
  await keys.set("/k", "v");
  for (const i of [0, 1, 2]) member(i).id = "new";
  const before = seen(1).length;
  await Promise.all(Array.from({ length: 20 }, () => keys.set("/k", "v")));
  assert.ok(seen(1).length - before <= 2, `asked ${String(seen(1).length - before)} times`);
});

test("cluster id: a call that is aborted during the check rejects with the reason", async (t) => {
  const { keys, member, server } = await membersOf(t, "ours", "ours");
  await keys.set("/k", "v");
  member(0).id = "another";
  const asked = gate();
  server(1).script((...args) => {
    asked.open();
    return silence()(...args);
  });
  const abort = new AbortController();
  const call = settled(keys.get("/k", { signal: abort.signal }));
  await asked.opened;
  const reason = new Error("enough");
  abort.abort(reason);
  assert.equal(await call, reason);
});

test("cluster id: an endpoint that does not respond delays the first write only briefly", async (t) => {
  const { server } = await membersOf(t, "ours", "ours");
  server(1).script(closeUnanswered());
  const client = clientOf([server(0), await refusedUrl(), server(1)]);
  t.after(() => client.close());
  assert.equal((await new KeysAPI(client).set("/k", "v")).clusterId, "ours");
  // the id is still unconfirmed, yet it is not checked with every write
  const before = server(1).requests.length;
  await new KeysAPI(client).set("/k", "v");
  assert.equal(server(1).requests.length, before);
});

test("cluster id: an id learned from the only endpoint that was up yields to the majority", async (t) => {
  const { server, member } = await membersOf(t, "another", "ours", "ours");
  const [down0, down1] = [server(1), server(2)];
  const held = gate();
  for (const each of [down0, down1]) each.script(closeUnanswered());
  const client = clientOf([server(0), down0, down1]);
  t.after(() => client.close());
  const keys = new KeysAPI(client);
  assert.equal((await keys.set("/k", "v")).clusterId, "another");
  held.open();
  for (const [i, each] of [down0, down1].entries()) each.script(answerOf(member(i + 1)));
  member(0).does = () => reply(503, "");
  await until("ours answers", async () => (await keys.get("/k")).clusterId === "ours");
  delete member(0).does;
  assert.equal((await keys.set("/k", "v")).clusterId, "ours");
});
