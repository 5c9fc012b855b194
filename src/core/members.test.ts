import assert from "node:assert/strict";
import test from "node:test";
import { ClusterError, EndpointError, EtcdError, isUnauthorized, ResponseError, UsageError } from "../util/errors.js";
import { MembersAPI } from "./members.js";
import { clusterOf, rejection, type ScriptedCluster } from "../test-kit/scripted-cluster.js";
import {
  closeUnanswered,
  refusedUrl,
  clientOf,
  reply,
  ScriptedServer,
  type Answer,
  type SeenRequest,
} from "../test-kit/scripted-server.js";

const member = {
  id: "643be4ff286cd88e",
  name: "s1",
  peerURLs: ["http://10.0.0.9:2380"],
  clientURLs: ["http://10.0.0.9:2379"],
};

async function membersOf(
  t: test.TestContext,
  ...answers: readonly Answer[]
): Promise<ScriptedCluster & { readonly members: MembersAPI }> {
  const cluster = await clusterOf(t, [answers]);
  return { ...cluster, members: new MembersAPI(cluster.client) };
}

/** Method, target, content type and body: all that these calls send. */
function sent({ method, target, headers, body }: SeenRequest): unknown {
  const type = headers["content-type"];
  return body === "" ? [method, target, type] : [method, target, type, JSON.parse(body)];
}

const json = "application/json";

for (const [name, call, expected] of [
  [
    "A29: add trims the URL",
    (m: MembersAPI) => m.add(" http://10.0.0.9:2380 "),
    ["POST", "/v2/members", json, { peerURLs: ["http://10.0.0.9:2380"] }],
  ],
  [
    "A29: add takes IPv6, https, unix and a query",
    (m: MembersAPI) => m.add("https://[::1]:2380?x=1"),
    ["POST", "/v2/members", json, { peerURLs: ["https://[::1]:2380?x=1"] }],
  ],
  [
    "A31: update sends the URLs sorted",
    (m: MembersAPI) => m.update("ab", ["https://z:1", "http://a:1 "]),
    ["PUT", "/v2/members/ab", json, { peerURLs: ["http://a:1", "https://z:1"] }],
  ],
  ["A32: leader", (m: MembersAPI) => m.leader(), ["GET", "/v2/members/leader", undefined]],
  ["A32: remove", (m: MembersAPI) => m.remove("ab"), ["DELETE", "/v2/members/ab", undefined]],
  ["1.6: list", (m: MembersAPI) => m.list(), ["GET", "/v2/members", undefined]],
] as const) {
  test(name, async (t) => {
    const answer: Answer = (response, request, socket) => reply(...answerTo(request))(response, request, socket);
    const { members, seen } = await membersOf(t, answer);
    await call(members);
    assert.deepEqual(seen(0).map(sent), [expected]);
  });
}

function answerTo({ method, path }: SeenRequest): [number, object | ""] {
  if (method === "POST") return [201, member];
  if (method !== "GET") return [204, ""];
  return [200, path.endsWith("/leader") ? member : { members: [member] }];
}

test("A31: update leaves the caller's list as it was", async (t) => {
  const { members } = await membersOf(t, reply(204));
  const urls = Object.freeze(["https://z:1", "http://a:1"]);
  await members.update("ab", urls);
  assert.deepEqual(urls, ["https://z:1", "http://a:1"]);
});

for (const [url, why] of [
  ["10.0.0.9:2380", /URL scheme must be http, https, unix, or unixs/],
  ["ftp://h:1", /URL scheme must be http, https, unix, or unixs: "ftp:\/\/h:1"/],
  ["http://h", /does not have the form "host:port"/],
  ["http://:1", /does not have the form "host:port"/],
  ["http://h:1/", /must not contain a path/],
  ["http://h:1/p?x=1", /must not contain a path/],
  ["http://h:65536", /is not a URL/],
  ["", /URL scheme/],
  [undefined, /must be a string, got undefined/],
] as const) {
  test(`A30: the peer URL ${String(url)} is refused without a request, by add and by update`, async (t) => {
    const { members, seen } = await membersOf(t, reply(500));
    const added = await rejection(members.add(url as string), UsageError);
    assert.match(added.message, why);
    const updated = await rejection(members.update("ab", ["http://a:1", url as string]), UsageError);
    assert.match(updated.message, why);
    assert.match(updated.message, /peerURLs\[1\]/);
    assert.deepEqual(seen(0), []);
  });
}

test("A30: a password in a peer URL is refused, and not repeated", async (t) => {
  const { members, seen } = await membersOf(t, reply(500));
  for (const url of ["http://eve:secret@h:1", "ftp://eve:secret@h:1", "http://eve:secret@h:1/p"]) {
    assert.doesNotMatch((await rejection(members.add(url), UsageError)).message, /secret/);
  }
  assert.deepEqual(seen(0), []);
});

test("1.6: update without URLs, and ids that are no path segment, are refused without a request", async (t) => {
  const { members, seen } = await membersOf(t, reply(500));
  assert.match((await rejection(members.update("ab", []), UsageError)).message, /no valid URLs given/);
  for (const id of ["", ".", "..", "a/b"]) {
    await rejection(members.remove(id), UsageError);
    await rejection(members.update(id, ["http://a:1"]), UsageError);
  }
  assert.deepEqual(seen(0), []);
});

test("1.6: a sender that is none, and a signal that is none, are refused", async (t) => {
  assert.throws(() => new MembersAPI({} as never), UsageError);
  const { members, seen } = await membersOf(t, reply(500));
  await rejection(members.list({} as never), UsageError);
  assert.deepEqual(seen(0), []);
});

for (const body of [{ members: [] }, {}, { members: null }]) {
  test(`A52: list answered ${JSON.stringify(body)} -> []`, async (t) => {
    const { members } = await membersOf(t, reply(200, body));
    assert.deepEqual(await members.list(), []);
  });
}

test("A52: a member that has not started: no name, no client URLs", async (t) => {
  const { members } = await membersOf(
    t,
    reply(200, { members: [{ id: "e9d5530cac21704", peerURLs: ["http://a:1"], clientURLs: null }] }),
  );
  assert.deepEqual(await members.list(), [
    { id: "e9d5530cac21704", name: "", peerURLs: ["http://a:1"], clientURLs: [] },
  ]);
});

test("A53: add answered 409 -> EtcdError with etcd's words", async (t) => {
  const { members } = await membersOf(t, reply(409, { message: "membership: peerURL exists" }));
  const error = await rejection(members.add("http://a:1"), EtcdError);
  assert.deepEqual([error.status, error.errorCode, error.serverMessage], [409, 0, "membership: peerURL exists"]);
  assert.equal(error.message, "membership: peerURL exists [status 409]");
});

test("A54: remove answered 410 -> done; 404 -> error", async (t) => {
  const { members } = await membersOf(
    t,
    reply(410, { message: "Member permanently removed: ab" }),
    reply(404, { message: "No such member: ab" }),
  );
  await members.remove("ab");
  const error = await rejection(members.remove("ab"), EtcdError);
  assert.deepEqual([error.status, error.serverMessage], [404, "No such member: ab"]);
});

test("A55: add answered 400 -> EtcdError with status and message", async (t) => {
  const { members } = await membersOf(t, reply(400, { message: "bad" }));
  const error = await rejection(members.add("http://a:1"), EtcdError);
  assert.deepEqual([error.status, error.serverMessage], [400, "bad"]);
});

test("A56: update answered 204 -> done; 404 -> EtcdError with etcd's words", async (t) => {
  const { members } = await membersOf(t, reply(204), reply(404, { message: "No such member: ab" }));
  await members.update("ab", ["http://a:1"]);
  assert.equal((await rejection(members.update("ab", ["http://a:1"]), EtcdError)).serverMessage, "No such member: ab");
});

for (const [name, call, answer, code] of [
  ["add answered 200", (m: MembersAPI) => m.add("http://a:1"), reply(200, member), "ERR_STATUS"],
  ["add answered 201 with a page", (m: MembersAPI) => m.add("http://a:1"), reply(201, "<html>"), "ERR_INVALID_JSON"],
  ["add answered 201 with nothing", (m: MembersAPI) => m.add("http://a:1"), reply(201), "ERR_EMPTY_BODY"],
  ["update answered 200", (m: MembersAPI) => m.update("ab", ["http://a:1"]), reply(200, ""), "ERR_STATUS"],
  ["remove answered 200", (m: MembersAPI) => m.remove("ab"), reply(200, ""), "ERR_STATUS"],
  ["remove answered 405 in text", (m: MembersAPI) => m.remove("ab"), reply(405, "Method Not Allowed"), "ERR_STATUS"],
  ["a list that is none", (m: MembersAPI) => m.list(), reply(200, { members: "x" }), "ERR_INVALID_JSON"],
  ["a member that is none", (m: MembersAPI) => m.list(), reply(200, { members: [null] }), "ERR_INVALID_JSON"],
  [
    "peer URLs that are none",
    (m: MembersAPI) => m.leader(),
    reply(200, { ...member, peerURLs: [1] }),
    "ERR_INVALID_JSON",
  ],
] as const) {
  test(`1.6: ${name} -> ${code}`, async (t) => {
    const { members } = await membersOf(t, answer);
    assert.equal((await rejection<ResponseError>(call(members), ResponseError)).code, code);
  });
}

test("D17: 401 -> isUnauthorized", async (t) => {
  const { members } = await membersOf(t, reply(401, { message: "Insufficient credentials" }));
  assert.ok(isUnauthorized(await rejection(members.add("http://a:1"), EtcdError)));
});

test("D14: the leader during an election: a ClusterError that holds status and message", async (t) => {
  const { members } = await membersOf(t, reply(503, { message: "During election" }));
  const { errors } = await rejection(members.leader(), ClusterError);
  const [error] = errors;
  assert.ok(error instanceof EndpointError);
  assert.equal(error.status, 503);
  assert.match(error.message, /During election/);
});

for (const [name, call] of [
  ["add", (m: MembersAPI) => m.add("http://a:1")],
  ["update", (m: MembersAPI) => m.update("ab", ["http://a:1"])],
  ["remove", (m: MembersAPI) => m.remove("ab")],
] as const) {
  test(`2.4: ${name} is sent once when it may have been applied, and goes on when nothing was sent`, async (t) => {
    const { client, counts } = await clusterOf(t, [[closeUnanswered()], [reply(204)]]);
    const error = await rejection<ClusterError>(call(new MembersAPI(client)), ClusterError);
    assert.equal(error.outcome, "unknown");
    assert.deepEqual(counts(), [1, 0]);

    const answering = await ScriptedServer.start((response, request, socket) =>
      reply(...answerTo(request))(response, request, socket),
    );
    const past = clientOf([await refusedUrl(), answering]);
    t.after(() => Promise.all([past.close(), answering.close()]));
    await call(new MembersAPI(past));
    assert.equal(answering.requests.length, 1);
  });
}

test("2.6: aborted -> the reason, and no request", async (t) => {
  const { members, seen } = await membersOf(t, reply(500));
  const reason = new Error("enough");
  const signal = AbortSignal.abort(reason);
  for (const call of [
    () => members.list(signal),
    () => members.leader(signal),
    () => members.add("http://a:1", signal),
    () => members.update("a", ["http://a:1"], signal),
    () => members.remove("a", signal),
  ]) {
    await assert.rejects(call(), (error) => error === reason);
  }
  assert.deepEqual(seen(0), []);
});
