import assert from "node:assert/strict";
import test, { type TestContext } from "node:test";
import type { Client } from "../client.js";
import type { ClientOptions } from "../client-options.js";
import { ClusterError, EtcdError, ResponseError, UsageError } from "../../util/errors.js";
import { KeysAPI } from "../keys.js";
import { gate, rejection, settled } from "../../test-kit/scripted-cluster.js";
import {
  clientOf,
  closeUnanswered,
  ok,
  raftTimeout,
  refusedUrl,
  reply,
  ScriptedServer,
  silence,
  type Answer,
} from "../../test-kit/scripted-server.js";

/** What a member reports about the cluster. */
interface Membership {
  /** The client URLs of each member, or the whole response. */
  members: readonly (readonly string[])[] | Answer;
  /** The client URLs of the leader, or the whole response. */
  leader?: readonly string[] | Answer;
}

/** Starts `count` servers that all report the same membership, which `tell` builds from their URLs. */
async function membersOf(
  t: TestContext,
  count: number,
  tell: (...urls: string[]) => Membership,
): Promise<readonly ScriptedServer[]> {
  const state: { told?: Membership } = {};
  const answer: Answer = (response, request, socket) =>
    answerFor(request.path, state.told ?? assert.fail())(response, request, socket);
  const servers = await Promise.all(Array.from({ length: count }, () => ScriptedServer.start(answer)));
  t.after(() => Promise.all(servers.map((server) => server.close())));
  state.told = tell(...servers.map(({ url }) => url));
  return servers;
}

function answerFor(path: string, { members, leader = [] }: Membership): Answer {
  if (path === "/v2/members/leader") return typeof leader === "function" ? leader : reply(200, memberOf(leader));
  if (path !== "/v2/members") return ok();
  return typeof members === "function" ? members : listOf(members);
}

function listOf(members: readonly (readonly string[])[], clusterId = "cafe"): Answer {
  return reply(200, { members: members.map(memberOf) }, { "x-etcd-cluster-id": clusterId });
}

function memberOf(clientURLs: readonly string[]): object {
  return { id: "ab", name: "s", peerURLs: ["http://127.0.0.1:1"], clientURLs };
}

function started(
  t: TestContext,
  endpoints: readonly (string | ScriptedServer)[],
  options: Partial<ClientOptions> = {},
): Client {
  const client = clientOf(endpoints, options);
  t.after(() => client.close());
  return client;
}

function paths(server: ScriptedServer | undefined): readonly string[] {
  return server?.requests.map(({ path }) => path) ?? [];
}

const prioritizeLeader = { selectionMode: "prioritizeLeader" } as const;
const get = (client: Client): Promise<unknown> => new KeysAPI(client).get("/k");

test("sync: the same URLs in another order or spelling leave endpoints and pin unchanged, and nothing is probed (A93)", async (t) => {
  const [s0, s1] = await membersOf(t, 2, (a, b) => ({ members: [[`${b}/`], [a]] }));
  const client = started(t, [s0?.url ?? "", s1?.url ?? ""]);
  const before = client.endpoints;
  for (let i = 0; i < 10; i++) await client.sync();
  assert.deepEqual(client.endpoints, before);
  assert.deepEqual([paths(s0).length, paths(s1).length], [10, 0]);
});

test("sync: a new member is added, and any endpoint of the new list may be pinned (A94)", async (t) => {
  const servers = await membersOf(t, 3, (a, b, c) => ({ members: [[a], [b], [c]] }));
  const urls = servers.map(({ url }) => url);
  const pins = new Set<string>();
  while (pins.size < 3) {
    const client = started(t, urls.slice(0, 1));
    await client.sync();
    assert.deepEqual(client.endpoints.toSorted(), urls.toSorted());
    pins.add(client.endpoints[0] ?? "");
  }
});

test("sync: members that have not started are skipped, duplicates count once, a removed member is dropped (A94)", async (t) => {
  const [s0, s1, s2] = await membersOf(t, 3, (a, b) => ({ members: [[], [b, a], [a]] }));
  const client = started(
    t,
    [s0, s1, s2].map((server) => server?.url ?? ""),
  );
  await client.sync();
  assert.deepEqual(client.endpoints.toSorted(), [s0?.url, s1?.url].sort());
});

test("sync: without usable client URLs it rejects with ERR_NO_ENDPOINTS and keeps the list (A95)", async (t) => {
  for (const members of [[], [[]], [["localhost:2379", "unix:///sock", "", "http://eve:p@h:1"]]]) {
    const [s0] = await membersOf(t, 1, () => ({ members }));
    const client = started(t, [s0?.url ?? ""]);
    assert.equal((await rejection(client.sync(), ClusterError)).code, "ERR_NO_ENDPOINTS");
    assert.deepEqual(client.endpoints, [s0?.url]);
  }
});

test("sync: 500 from every endpoint is a ClusterError, and the list is kept (A96)", async (t) => {
  const servers = await membersOf(t, 2, () => ({ members: raftTimeout() }));
  const client = started(t, servers);
  const error = await rejection(client.sync(), ClusterError);
  assert.deepEqual([error.code, error.errors.length], ["ERR_CLUSTER_UNAVAILABLE", 2]);
  assert.deepEqual(
    client.endpoints,
    servers.map(({ url }) => url),
  );
});

for (const [name, members, kind] of [
  ["401", reply(401, { message: "Insufficient credentials" }), EtcdError],
  ["a page", reply(200, "<html>"), ResponseError],
  ["members that are not an array", reply(200, { members: "x" }), ResponseError],
] as const) {
  test(`sync: a response of ${name} is a ${kind.name}, and the list is kept (A96)`, async (t) => {
    const [s0] = await membersOf(t, 1, () => ({ members }));
    const client = started(t, [s0?.url ?? ""]);
    await rejection<Error>(client.sync(), kind);
    assert.deepEqual(client.endpoints, [s0?.url]);
  });
}

test("sync: prioritizeLeader pins the leader and keeps the members' order (A97)", async (t) => {
  const servers = await membersOf(t, 3, (a, b, c) => ({ members: [[a], [b], [c]], leader: [b] }));
  const [a, b, c] = servers.map(({ url }) => url);
  for (let i = 0; i < 5; i++) {
    const client = started(t, [a ?? ""], prioritizeLeader);
    await client.sync();
    assert.deepEqual(client.endpoints, [b, c, a]);
    await get(client);
  }
  assert.equal(paths(servers[1]).filter((path) => path === "/v2/keys/k").length, 5);
});

test("sync: prioritizeLeader follows the leader even if the list is unchanged (A97)", async (t) => {
  let leader = 0;
  const servers: readonly ScriptedServer[] = await membersOf(t, 2, (a, b) => ({
    members: [[a], [b]],
    leader: (...with_) => reply(200, memberOf([servers[leader]?.url ?? ""]))(...with_),
  }));
  const client = started(t, servers, prioritizeLeader);
  for (leader of [0, 1, 0]) {
    await client.sync();
    assert.equal(client.endpoints[0], servers[leader]?.url);
  }
});

for (const [name, leader] of [
  ["answers 503", reply(503, { message: "During election" })],
  ["has no client URLs", []],
  ["answers 404 as text", reply(404, "404 page not found\n")],
  ["answers 401", reply(401, { message: "Insufficient credentials" })],
] as const) {
  test(`sync: prioritizeLeader rejects with ERR_NO_LEADER_ENDPOINT if the lookup ${name}; list and pin are kept (A98)`, async (t) => {
    const servers = await membersOf(t, 2, (a, b) => ({ members: [[a], [b]], leader }));
    const client = started(t, servers.slice(1), prioritizeLeader);
    assert.equal((await rejection(client.sync(), ClusterError)).code, "ERR_NO_LEADER_ENDPOINT");
    assert.deepEqual(client.endpoints, [servers[1]?.url]);
  });
}

test("sync: prioritizeLeader pins the first entry if the leader is not in the list (A99)", async (t) => {
  const [s0, s1] = await membersOf(t, 2, (a, b) => ({ members: [[a], [b]], leader: ["http://127.0.0.9:9"] }));
  const client = started(t, [s1?.url ?? ""], prioritizeLeader);
  await client.sync();
  assert.deepEqual(client.endpoints, [s0?.url, s1?.url]);
});

test("sync: all of the leader's URLs are compared, in canonical form (A100)", async (t) => {
  const [s0, s1] = await membersOf(t, 2, (a, b) => ({
    members: [[a], [b]],
    leader: ["http://127.0.0.9:9", `${b.replace("http", "HTTP")}/`],
  }));
  const client = started(t, [s0?.url ?? ""], prioritizeLeader);
  await client.sync();
  assert.deepEqual(client.endpoints, [s1?.url, s0?.url]);
});

test("sync: an abort during the lookup of the leader rejects with its reason (D13)", async (t) => {
  const [s0] = await membersOf(t, 1, (a) => ({ members: [[a]], leader: silence() }));
  const client = started(t, [s0?.url ?? ""], prioritizeLeader);
  const abort = new AbortController();
  const reason = new Error("enough");
  const sync = settled(client.sync(abort.signal));
  await s0?.received(2);
  abort.abort(reason);
  assert.equal(await sync, reason);
});

test("sync: close() during the lookup of the leader rejects with ERR_CLOSED (D13)", async (t) => {
  const [s0] = await membersOf(t, 1, (a) => ({ members: [[a]], leader: silence() }));
  const client = started(t, [s0?.url ?? ""], prioritizeLeader);
  const sync = settled(client.sync());
  await s0?.received(2);
  await client.close();
  const error = await sync;
  assert.ok(error instanceof UsageError && error.code === "ERR_CLOSED");
});

for (const mode of ["random", "prioritizeLeader"] as const) {
  test(`sync: ${mode}: if no advertised endpoint can be reached, the list is kept (D11)`, async (t) => {
    const refused = await refusedUrl();
    const closing = await ScriptedServer.start(closeUnanswered());
    t.after(() => closing.close());
    const [s0, s1] = await membersOf(t, 2, (_a, b) => ({ members: [[refused], [closing.url]], leader: [b] }));
    const client = started(t, [s0?.url ?? "", s1?.url ?? ""], { selectionMode: mode });
    await client.sync();
    const expected = [s0?.url, s1?.url];
    assert.deepEqual(client.endpoints, mode === "random" ? expected : expected.toReversed());
    assert.equal(closing.requests.length, 1);
    await get(client);
  });
}

for (const [name, answer] of [
  ["500", reply(500, "")],
  ["a page", reply(200, "<html>")],
  ["404", reply(404, "404 page not found\n")],
  ["401 of another kind of server", reply(401, "who are you")],
  ["the members of another cluster", listOf([["http://127.0.0.9:9"]], "beef")],
] as const) {
  for (const mode of ["random", "prioritizeLeader"] as const) {
    test(`sync: ${mode}: an advertised endpoint that responds with ${name} does not replace a working one (D11)`, async (t) => {
      const stranger = await ScriptedServer.start(answer);
      t.after(() => stranger.close());
      const [s0] = await membersOf(t, 1, (a) => ({ members: [[stranger.url]], leader: [a] }));
      const client = started(t, [s0?.url ?? ""], { selectionMode: mode });
      await client.sync();
      assert.equal(stranger.requests.length, 1);
      assert.deepEqual(client.endpoints, [s0?.url]);
    });
  }
}

test("sync: a server of another cluster is left out of the list (D11)", async (t) => {
  const stranger = await ScriptedServer.start(listOf([], "beef"));
  t.after(() => stranger.close());
  const [s0, s1] = await membersOf(t, 2, (a, b) => ({ members: [[stranger.url, a], [b]] }));
  const client = started(t, [s0?.url ?? ""]);
  await client.sync();
  assert.deepEqual(client.endpoints.toSorted(), [s0?.url, s1?.url].sort());
});

test("sync: one advertised endpoint that responds is enough; unparseable and silent ones are left out (D11, FF12)", async (t) => {
  const refused = await refusedUrl();
  const [s0, s1] = await membersOf(t, 2, (_a, b) => ({
    members: [
      ["localhost:2379", refused],
      [b, "http://"],
    ],
  }));
  const client = started(t, [s0?.url ?? ""]);
  await client.sync();
  assert.deepEqual(client.endpoints, [s1?.url]);
});

test("sync: a configured endpoint that does not respond stays if the membership lists it (FF12)", async (t) => {
  const refused = await refusedUrl();
  const [s0, s1] = await membersOf(t, 2, (a, b) => ({ members: [[a], [b], [refused]] }));
  const client = started(t, [s0?.url ?? "", refused]);
  await client.sync();
  assert.deepEqual(client.endpoints.toSorted(), [refused, s0?.url, s1?.url].sort());
});

test("sync: an address that did not respond later gets neither the password nor a value (FF12)", async (t) => {
  const later = await ScriptedServer.start(closeUnanswered());
  t.after(() => later.close());
  const [s0] = await membersOf(t, 1, (a) => ({ members: [[a], [later.url]] }));
  const client = started(t, [s0?.url ?? ""], { username: "root", password: "secret" });
  await client.sync();
  const probes = later.requests.length;
  later.script(ok());
  s0?.script(closeUnanswered());
  await rejection(new KeysAPI(client).set("/k", "secret"), ClusterError);
  assert.equal(later.requests.length, probes);
});

test("sync: the configured endpoints are the last resort when all synced ones fail (D11)", async (t) => {
  const [s0, s1] = await membersOf(t, 2, (_a, b) => ({ members: [[b]] }));
  const client = started(t, [s0?.url ?? ""]);
  await client.sync();
  const synced = client.endpoints;
  assert.deepEqual(synced, [s1?.url]);
  await get(client);
  assert.ok(!paths(s0).includes("/v2/keys/k"));
  await s1?.close();
  await get(client);
  // the whole list has failed: later calls do not try it again
  assert.deepEqual(client.endpoints, [s0?.url]);
  await get(client);
  assert.equal(paths(s0).filter((path) => path === "/v2/keys/k").length, 2);
  // and a sync does not restore it while none of its endpoints responds
  await client.sync();
  assert.deepEqual(client.endpoints, [s0?.url]);
});

test("sync: no credentials are sent to a server that is not an endpoint yet", async (t) => {
  const stranger = await ScriptedServer.start(reply(200, "<html>login</html>"));
  t.after(() => stranger.close());
  const [s0] = await membersOf(t, 1, (a) => ({ members: [[a], [stranger.url]] }));
  const client = started(t, [s0?.url ?? ""], { username: "eve", password: "secret" });
  await client.sync();
  assert.deepEqual(
    stranger.requests.map(({ path, headers }) => [path, headers.authorization]),
    [["/v2/members", undefined]],
  );
  assert.deepEqual(client.endpoints, [s0?.url]);
  assert.equal(s0?.requests[0]?.headers.authorization, `Basic ${Buffer.from("eve:secret").toString("base64")}`);
});

for (const [name, configured, advertised, installed] of [
  ["all https: http is left out", ["https://a:1"], ["http://b:1", "https://c:1"], ["https://c:1"]],
  ["all https, only http advertised: the list is kept", ["https://a:1"], ["http://b:1"], undefined],
  [
    "https and http: both are taken",
    ["https://a:1", "http://a:2"],
    ["http://b:1", "https://c:1"],
    ["http://b:1", "https://c:1"],
  ],
  ["http: https is taken", ["http://a:1"], ["https://c:1"], ["https://c:1"]],
] as const) {
  test(`sync: configured ${name} (D11)`, async (t) => {
    const client = started(t, configured, {
      transport: ({ pathname }) => {
        const body = pathname === "/v2/members" ? { members: [memberOf(advertised)] } : {};
        return Promise.resolve({ status: 200, headers: {}, body: JSON.stringify(body) });
      },
    });
    const error = await settled(client.sync());
    assert.equal(
      error instanceof ClusterError ? error.code : error,
      installed === undefined ? "ERR_NO_ENDPOINTS" : undefined,
    );
    assert.deepEqual(client.endpoints.toSorted(), (installed ?? configured).toSorted());
  });
}

for (const [held, name] of [
  [0, "the members"],
  [1, "the new endpoint"],
] as const) {
  test(`sync: setEndpoints while a sync waits for ${name} wins over the sync`, async (t) => {
    const { opened, open } = gate();
    const servers: readonly ScriptedServer[] = await membersOf(t, 3, (_a, b) => ({
      members: async (response, request, socket) => {
        if (request.headers.host === new URL(servers[held]?.url ?? "").host) await opened;
        return listOf([[b]])(response, request, socket);
      },
    }));
    const client = started(t, servers.slice(0, 1));
    const sync = client.sync();
    await servers[held]?.received(1);
    client.setEndpoints([servers[2]?.url ?? ""]);
    open();
    await sync;
    assert.deepEqual(client.endpoints, [servers[2]?.url]);
  });
}
