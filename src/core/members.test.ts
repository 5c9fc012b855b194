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

/** Method, target, content type and body: everything that these calls send. */
function sent({ method, target, headers, body }: SeenRequest): unknown {
  const type = headers["content-type"];
  return body === "" ? [method, target, type] : [method, target, type, JSON.parse(body)];
}

const json = "application/json";

for (const [name, call, expected] of [
  [
    "add trims the URL (A29)",
    (m: MembersAPI) => m.add(" http://10.0.0.9:2380 "),
    ["POST", "/v2/members", json, { peerURLs: ["http://10.0.0.9:2380"] }],
  ],
  [
    "add accepts IPv6, https, unix and a query (A29)",
    (m: MembersAPI) => m.add("https://[::1]:2380?x=1"),
    ["POST", "/v2/members", json, { peerURLs: ["https://[::1]:2380?x=1"] }],
  ],
  [
    "update sends the URLs sorted (A31)",
    (m: MembersAPI) => m.update("ab", ["https://z:1", "http://a:1 "]),
    ["PUT", "/v2/members/ab", json, { peerURLs: ["http://a:1", "https://z:1"] }],
  ],
  ["leader (A32)", (m: MembersAPI) => m.leader(), ["GET", "/v2/members/leader", undefined]],
  ["remove (A32)", (m: MembersAPI) => m.remove("ab"), ["DELETE", "/v2/members/ab", undefined]],
  ["list (1.6)", (m: MembersAPI) => m.list(), ["GET", "/v2/members", undefined]],
] as const) {
  test(`members: ${name}`, async (t) => {
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

test("members: update does not change the caller's array (A31)", async (t) => {
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
  test(`members: add and update refuse the peer URL ${String(url)} without a request (A30)`, async (t) => {
    const { members, seen } = await membersOf(t, reply(500));
    const added = await rejection(members.add(url as string), UsageError);
    assert.match(added.message, why);
    const updated = await rejection(members.update("ab", ["http://a:1", url as string]), UsageError);
    assert.match(updated.message, why);
    assert.match(updated.message, /peerURLs\[1\]/);
    assert.deepEqual(seen(0), []);
  });
}

test("members: a password in a peer URL is refused, and the message does not contain it (A30)", async (t) => {
  const { members, seen } = await membersOf(t, reply(500));
  for (const url of ["http://eve:secret@h:1", "ftp://eve:secret@h:1", "http://eve:secret@h:1/p"]) {
    assert.doesNotMatch((await rejection(members.add(url), UsageError)).message, /secret/);
  }
  assert.deepEqual(seen(0), []);
});

test("members: update without URLs and ids that are not a path segment are refused without a request (1.6)", async (t) => {
  const { members, seen } = await membersOf(t, reply(500));
  assert.match((await rejection(members.update("ab", []), UsageError)).message, /no valid URLs given/);
  for (const id of ["", ".", "..", "a/b"]) {
    await rejection(members.remove(id), UsageError);
    await rejection(members.update(id, ["http://a:1"]), UsageError);
  }
  assert.deepEqual(seen(0), []);
});

test("members: an invalid sender and an invalid signal are refused (1.6)", async (t) => {
  assert.throws(() => new MembersAPI({} as never), UsageError);
  const { members, seen } = await membersOf(t, reply(500));
  await rejection(members.list({} as never), UsageError);
  assert.deepEqual(seen(0), []);
});

for (const body of [{ members: [] }, {}, { members: null }]) {
  test(`members: list reads ${JSON.stringify(body)} as an empty list (A52)`, async (t) => {
    const { members } = await membersOf(t, reply(200, body));
    assert.deepEqual(await members.list(), []);
  });
}

test("members: a member that has not started has no name and no client URLs (A52)", async (t) => {
  const { members } = await membersOf(
    t,
    reply(200, { members: [{ id: "e9d5530cac21704", peerURLs: ["http://a:1"], clientURLs: null }] }),
  );
  assert.deepEqual(await members.list(), [
    { id: "e9d5530cac21704", name: "", peerURLs: ["http://a:1"], clientURLs: [] },
  ]);
});

test("members: add rejects a 409 with an EtcdError that has etcd's message (A53)", async (t) => {
  const { members } = await membersOf(t, reply(409, { message: "membership: peerURL exists" }));
  const error = await rejection(members.add("http://a:1"), EtcdError);
  assert.deepEqual([error.status, error.errorCode, error.serverMessage], [409, 0, "membership: peerURL exists"]);
  assert.equal(error.message, "membership: peerURL exists [status 409]");
});

test("members: remove resolves on 410 and rejects on 404 (A54)", async (t) => {
  const { members } = await membersOf(
    t,
    reply(410, { message: "Member permanently removed: ab" }),
    reply(404, { message: "No such member: ab" }),
  );
  await members.remove("ab");
  const error = await rejection(members.remove("ab"), EtcdError);
  assert.deepEqual([error.status, error.serverMessage], [404, "No such member: ab"]);
});

test("members: add rejects a 400 with an EtcdError that has status and message (A55)", async (t) => {
  const { members } = await membersOf(t, reply(400, { message: "bad" }));
  const error = await rejection(members.add("http://a:1"), EtcdError);
  assert.deepEqual([error.status, error.serverMessage], [400, "bad"]);
});

test("members: update resolves on 204 and rejects a 404 with an EtcdError that has etcd's message (A56)", async (t) => {
  const { members } = await membersOf(t, reply(204), reply(404, { message: "No such member: ab" }));
  await members.update("ab", ["http://a:1"]);
  assert.equal((await rejection(members.update("ab", ["http://a:1"]), EtcdError)).serverMessage, "No such member: ab");
});

for (const [name, call, answer, code] of [
  ["add with a 200", (m: MembersAPI) => m.add("http://a:1"), reply(200, member), "ERR_STATUS"],
  ["add with a 201 and HTML", (m: MembersAPI) => m.add("http://a:1"), reply(201, "<html>"), "ERR_INVALID_JSON"],
  ["add with a 201 and no body", (m: MembersAPI) => m.add("http://a:1"), reply(201), "ERR_EMPTY_BODY"],
  ["update with a 200", (m: MembersAPI) => m.update("ab", ["http://a:1"]), reply(200, ""), "ERR_STATUS"],
  ["remove with a 200", (m: MembersAPI) => m.remove("ab"), reply(200, ""), "ERR_STATUS"],
  [
    "remove with a 405 in plain text",
    (m: MembersAPI) => m.remove("ab"),
    reply(405, "Method Not Allowed"),
    "ERR_STATUS",
  ],
  ["members that are not an array", (m: MembersAPI) => m.list(), reply(200, { members: "x" }), "ERR_INVALID_JSON"],
  ["a member that is null", (m: MembersAPI) => m.list(), reply(200, { members: [null] }), "ERR_INVALID_JSON"],
  [
    "peer URLs that are not strings",
    (m: MembersAPI) => m.leader(),
    reply(200, { ...member, peerURLs: [1] }),
    "ERR_INVALID_JSON",
  ],
] as const) {
  test(`members: ${name}: ${code} (1.6)`, async (t) => {
    const { members } = await membersOf(t, answer);
    assert.equal((await rejection<ResponseError>(call(members), ResponseError)).code, code);
  });
}

test("members: isUnauthorized is true after 401 (D17)", async (t) => {
  const { members } = await membersOf(t, reply(401, { message: "Insufficient credentials" }));
  assert.ok(isUnauthorized(await rejection(members.add("http://a:1"), EtcdError)));
});

test("members: leader() during an election rejects with a ClusterError that has status and message (D14)", async (t) => {
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
  test(`members: ${name} is sent only once if it may have been applied, and fails over if nothing was sent (2.4)`, async (t) => {
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

test("members: an aborted signal rejects with its reason and sends no request (2.6)", async (t) => {
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
