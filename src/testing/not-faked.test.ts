import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { connect } from "node:http2";
import test from "node:test";
import { AuthRoleAPI, AuthUserAPI, MembersAPI, PermissionType } from "../core/index.js";
import { patience } from "../test-kit/waiting.js";
import { createFakeEtcd, startFakeEtcd, type FakeEtcd } from "./index.js";
import { fakeBy, type Way } from "./test-kit/fakes.js";
import { playedCases, recordedCases, versions } from "./test-kit/recordings.js";

const guide = readFileSync(new URL("../../../docs/guides/testing-your-code.md", import.meta.url), "utf8");

test("not faked: the guide has the number of recorded cases that are replayed, by version and way: all pass (X50)", () => {
  const rows = versions.map((version) => {
    const share = (way: Way): string =>
      `${String(playedCases(version, way).length)} of ${String(playedCases(version, "http").length)}`;
    return `| ${version}     | ${share("http")} | ${share("transport")}         |`;
  });
  assert.ok(guide.includes(rows.join("\n")), rows.join("\n"));
});

test("not faked: the README has the number of recorded cases, and links to the guide's section (X50)", () => {
  const readme = readFileSync(new URL("../../../README.md", import.meta.url), "utf8");
  const link = `[true to ${String(recordedCases().length)} recordings](docs/guides/testing-your-code.md#how-faithful-it-is)`;
  assert.ok(readme.includes(link));
  assert.match(guide, /^## How faithful it is$/m);
});

/** A check for each entry of the guide's list: the fake really differs there. */
const differences: Readonly<Record<string, () => Promise<void>>> = {
  "TLS and client certificates": async () => {
    await using etcd = await startFakeEtcd();
    await assert.rejects(fetch(urlOf(etcd, "/health").replace("http:", "https:"), { signal: patience() }));
  },
  "HTTP/2": async () => {
    await using etcd = await startFakeEtcd();
    const session = connect(etcd.endpoints[0] ?? "");
    const failed = new Promise((resolve) => session.once("error", resolve).once("close", resolve));
    session.request({ ":path": "/health" }).on("error", () => undefined);
    await failed;
    session.destroy();
  },
  "The v3 API": async () => {
    await using etcd = await startFakeEtcd();
    const body = JSON.stringify({ key: "" });
    const range = await fetch(urlOf(etcd, "/v3/kv/range"), { method: "POST", body, signal: patience() });
    assert.equal(range.status, 404);
    for (const path of ["/metrics", "/debug/vars", "/debug/requests"])
      assert.equal((await fetch(urlOf(etcd, path), { signal: patience() })).status, 404, path);
  },
  "Snapshots and a restart from disk": async () => {
    await using etcd = await startFakeEtcd({ keys: { "/a": "1" } });
    await etcd.members[0]?.kill();
    await etcd.members[0]?.start();
    assert.deepEqual(etcd.dump(), { "/a": "1" });
    await etcd.close();
    await using next = await startFakeEtcd();
    assert.deepEqual(next.dump(), {});
  },
  "Learner members": async () => {
    await using etcd = await startFakeEtcd({ clock: movedFarAhead });
    const body = JSON.stringify({ peerURLs: ["http://127.0.0.1:1"], isLearner: true });
    const headers = { "content-type": "application/json" };
    const url = urlOf(etcd, "/v2/members");
    assert.equal((await fetch(url, { method: "POST", headers, body, signal: patience() })).status, 201);
    // the new member is not started, but counts: one of two is not a majority
    assert.equal((await fetch(urlOf(etcd, "/health"), { signal: patience() })).status, 503);
  },
  "Exact raft terms": async () => {
    await using fake = await fakeBy("http", { members: 3 });
    const term = async (): Promise<number> => {
      const running = fake.etcd.members.find(({ isLeader }) => isLeader)?.endpoint ?? "";
      const { headers } = await fetch(`${running}/v2/keys/`, { signal: patience() });
      return Number(headers.get("x-raft-term"));
    };
    const before = await term();
    await fake.etcd.members.find(({ isLeader }) => isLeader)?.kill();
    await fake.keys.set("/a", "1");
    assert.equal(await term(), before + 1);
  },
  "Rates, latencies and messages in the statistics": async () => {
    await using fake = await fakeBy("http", { members: 3 });
    await fake.keys.set("/a", "1");
    const leader = fake.etcd.members.find(({ isLeader }) => isLeader)?.endpoint ?? "";
    const stats = await (await fetch(`${leader}/v2/stats/leader`, { signal: patience() })).text();
    assert.match(stats, /"average":0,.*"success":0/);
    assert.match(
      await (await fetch(`${leader}/v2/stats/self`, { signal: patience() })).text(),
      /"sendAppendRequestCnt":0/,
    );
  },
  bcrypt: async () => {
    const etcd = createFakeEtcd({ root: "secret" });
    await using fake = { etcd, [Symbol.asyncDispose]: () => etcd.close() };
    const calls = 100;
    const before = process.cpuUsage();
    for (let call = 0; call < calls; call++) await statusOf(fake.etcd, "GET", "/v2/keys/", "root:secret");
    const { user, system } = process.cpuUsage(before);
    // bcrypt takes about 60 ms of CPU for each
    assert.ok((user + system) / 1_000 < 20 * calls);
  },
  "etcd's discovery protocol": async () => {
    assert.throws(() => createFakeEtcd({ discovery: "http://127.0.0.1:1" } as object), /no field "discovery"/);
    await using fake = await fakeBy("transport", { members: 3 });
    assert.equal((await new MembersAPI(fake.client).list()).length, 3);
  },
  "An empty user name in credentials": async () => {
    await using etcd = createFakeEtcd({ root: "secret" });
    assert.equal(await statusOf(etcd, "GET", "/v2/auth/users", ":"), 401);
  },
  "The rights of a write with `recursive=true`": async () => {
    await using fake = await fakeBy("transport", { root: "secret", keys: { "/a/b": "1" } });
    const root = fake.clientWith({ username: "root", password: "secret" });
    await new AuthRoleAPI(root).revokeKV("guest", ["/*"], PermissionType.readWrite);
    await new AuthRoleAPI(root).add("writer");
    await new AuthRoleAPI(root).grantKV("writer", ["/a/b"], PermissionType.readWrite);
    await new AuthUserAPI(root).add("bob", "secret");
    await new AuthUserAPI(root).grant("bob", ["writer"]);
    // etcd requires the rights to everything below, "/a/b/*", and responds with 401
    assert.equal(await statusOf(fake.etcd, "PUT", "/v2/keys/a/b?recursive=true", "bob:secret"), 200);
    assert.equal(await statusOf(fake.etcd, "PUT", "/v2/keys/a/c", "bob:secret"), 401);
  },
};

test("not faked: each entry of the guide's list has a check here (X50)", () => {
  const list = guide.slice(guide.indexOf("## What is not faked"));
  const entries = Array.from(list.matchAll(/^- \*\*(.*?)\.?\*\*/gm), ([, entry]) => entry);
  assert.deepEqual(entries, Object.keys(differences));
});

for (const [difference, check] of Object.entries(differences))
  test(`not faked, as the guide says: ${difference} (X50)`, check);

const movedFarAhead = { now: () => Date.now() + 60_000, sleep: () => new Promise<void>(() => undefined) };

function urlOf({ endpoints }: FakeEtcd, target: string): string {
  return (endpoints[0] ?? "") + target;
}

/** The status of a response through the transport. */
async function statusOf(
  etcd: FakeEtcd,
  method: "GET" | "PUT",
  target: string,
  userAndPassword: string,
): Promise<number> {
  const authorization = `Basic ${Buffer.from(userAndPassword).toString("base64")}`;
  const headers = { authorization, "content-type": "application/x-www-form-urlencoded" };
  const spec = { method, path: target, headers, ...(method === "PUT" && { body: "value=2" }) };
  return (await etcd.transport(new URL(urlOf(etcd, target)), spec, undefined)).status;
}
