import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { createServer, type Server } from "node:http";
import test, { type TestContext } from "node:test";
import { listen } from "../src/test-kit/loopback-server.js";
import { startCluster, type Cluster } from "./test-kit/etcd.js";
import { find } from "../scripts/servers/programs.mjs";
import { Nginx } from "./test-kit/nginx.js";
import { freePorts } from "./test-kit/server-process.js";
import {
  AuthAPI,
  AuthRoleAPI,
  AuthUserAPI,
  Client,
  ClusterError,
  EtcdError,
  isUnauthorized,
  isUserNotFound,
  KeysAPI,
  MembersAPI,
  ResponseError,
  type ClientOptions,
} from "../src/core/index.js";
import { patience, until } from "../src/test-kit/waiting.js";
import { v3Protocol } from "../src/v3/index.js";
import { memberCount } from "./support.js";

const clientOf = (cluster: Cluster, options: Partial<ClientOptions> = {}): Client =>
  // of several members one may lag behind, as in v2
  new Client({ endpoints: cluster.endpoints, protocol: v3Protocol(), quorumReads: memberCount > 1, ...options });

for (const program of ["etcd", "etcd-3.5"] as const) {
  test(`v3: users, roles and rights on ${program}: narrower rights than the key work, outside of them is refused (V57, V59, V60, V74, V116)`, async () => {
    const tokens = ["--auth-token-ttl", "2"];
    const bin = find(program);
    await using cluster = await startCluster({
      bin,
      size: memberCount,
      enableV2: false,
      args: program === "etcd" ? [] : tokens,
    });
    await using root = clientOf(cluster, { username: "root", password: "r" });
    // credentials while authentication is off: 3.4 refuses any Authorization then
    assert.equal((await new KeysAPI(root).set("/app/k", "0")).node.value, "0");
    await new KeysAPI(root).set("/other", "0");
    const [users, roles, auth] = [new AuthUserAPI(root), new AuthRoleAPI(root), new AuthAPI(root)];
    await assert.rejects(auth.enable(), /No root user available/);
    await users.add("root", "r");
    await users.add("bob", "b");
    await roles.add("app");
    const role = await roles.grantKV("app", ["/app/*"], "readWrite");
    assert.deepEqual(role.permissions.kv, { read: ["/app/*"], write: ["/app/*"] });
    assert.deepEqual((await roles.revokeKV("app", ["/app/*"], "write")).permissions.kv.write, []);
    await roles.grantKV("app", ["/app/*"], "write");
    assert.deepEqual((await users.grant("bob", ["app"])).roles, ["app"]);
    assert.ok(isUserNotFound(await users.get("nobody").catch((error: unknown) => error)));
    await auth.enable();
    assert.equal(await auth.status(), true);
    assert.deepEqual(await users.list(), ["bob", "root"]);

    await using bob = clientOf(cluster, { username: "bob", password: "b" });
    const keys = new KeysAPI(bob);
    const { index } = await keys.set("/app/a/b", "1");
    assert.equal((await keys.get("/app", { recursive: true })).node.nodes.length, 2);
    assert.equal((await keys.set("/app/a/b", "2", { prevValue: "1" })).action, "compareAndSwap");
    const event = await keys.watcher("/app", { recursive: true, afterIndex: index }).next(patience());
    assert.equal(event.node.value, "2");
    assert.equal((await keys.createInOrder("/app/q", "x")).action, "create");
    await keys.set("/app/t", "1", { ttl: 60 });
    await keys.refresh("/app/t", 60);
    await keys.delete("/app/a", { recursive: true });
    for (const outside of [
      () => keys.get("/other"),
      () => keys.get("/", { recursive: true }),
      () => keys.set("/other", "1"),
      () => keys.delete("/other"),
      () => keys.watcher("/other").next(patience()),
      () => keys.watcher("/", { recursive: true }).next(patience()),
    ]) {
      const error: unknown = await outside().catch((each: unknown) => each);
      assert.ok(isUnauthorized(error), String(error));
    }
    await using stranger = clientOf(cluster, { username: "bob", password: "wrong" });
    assert.ok(isUnauthorized(await new KeysAPI(stranger).get("/app/k").catch((error: unknown) => error)));
    await using guest = clientOf(cluster);
    assert.ok(isUnauthorized(await new KeysAPI(guest).get("/app/k").catch((error: unknown) => error)));
    // changed rights are read again, and an expired token is replaced: each call is applied once
    await roles.grantKV("app", ["/other"], "readWrite");
    await until("the new right works", () =>
      keys.set("/other", "by bob").then(
        () => true,
        () => false,
      ),
    );
    await auth.disable();
    assert.equal((await keys.get("/app/k")).node.value, "0");
  });
}

test("v3: one authentication serves all calls of a user; curl lines mask the password and the token (V57, V62)", async () => {
  await using cluster = await startCluster({ bin: find("etcd"), size: memberCount, enableV2: false });
  await using admin = clientOf(cluster);
  await new AuthUserAPI(admin).add("root", "s3cret");
  await new AuthAPI(admin).enable();
  const program = `
    import { Client, KeysAPI } from "etcd2";
    import { v3Protocol } from "etcd2/v3";
    const client = new Client({ endpoints: ["${cluster.endpoints[0] ?? ""}"], protocol: v3Protocol(), username: "root", password: "s3cret" });
    const keys = new KeysAPI(client);
    await Promise.all(Array.from({ length: 20 }, (_, i) => keys.set("/k" + i, "plain value")));
    await client.close();`;
  const child = spawn(process.execPath, ["--input-type=module", "--eval", program], {
    env: { ...process.env, DEBUG: "etcd2:curl" },
  });
  let stderr = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => (stderr += text));
  assert.equal(await new Promise((resolve) => child.once("close", resolve)), 0, stderr);
  assert.equal(stderr.match(/\/v3\/auth\/authenticate/g)?.length, 1);
  assert.match(stderr, /# set "\/k1" value="plain value"\n/);
  assert.ok(!stderr.includes("s3cret") && stderr.includes("-H 'authorization: ***'"));
});

test("v3: members: list, leader, add, update, remove; sync and prioritizeLeader work (V72)", async () => {
  await using cluster = await startCluster({ bin: find("etcd"), enableV2: false, size: 3 });
  await using client = clientOf(cluster, { selectionMode: "prioritizeLeader" });
  await client.sync();
  const members = new MembersAPI(client);
  const list = await members.list();
  assert.deepEqual(list.map(({ name }) => name).sort(), ["m1", "m2", "m3"]);
  assert.deepEqual([...client.endpoints].sort(), [...cluster.endpoints].sort());
  const { id, clientURLs } = await members.leader();
  assert.ok(list.some((member) => member.id === id));
  assert.equal(client.endpoints[0], clientURLs[0]);
  const [port] = await freePorts(1);
  const added = await until("a member can be added", () =>
    members.add(`http://127.0.0.1:${String(port)}`).catch((error: unknown) => {
      // changes are refused until the members have been connected for a while
      if (error instanceof ClusterError) return undefined;
      throw error;
    }),
  );
  await members.update(added.id, [`http://127.0.0.1:${String((port ?? 0) + 1)}`]);
  await members.remove(added.id);
  await assert.rejects(members.remove("1234"), (error) => error instanceof EtcdError && error.status === 404);
});

test("v3: the error for a server whose gateway is off names the flag, and no request is sent twice (V64)", async () => {
  await using cluster = await startCluster({
    bin: find("etcd"),
    enableV2: false,
    args: ["--enable-grpc-gateway=false"],
  });
  await using client = clientOf(cluster);
  await assert.rejects(new KeysAPI(client).set("/a", "1"), (error) => {
    assert.ok(error instanceof ResponseError);
    assert.match(error.message, /--enable-grpc-gateway/);
    assert.equal(error.outcome, "notApplied");
    return true;
  });
});

test("v3: an nginx that buffers responses is detected in time, with the rule that helps; with the rules it works (V84)", async (t) => {
  await using cluster = await startCluster({ bin: find("etcd"), size: memberCount, enableV2: false });
  const target = cluster.endpoints[0] ?? "";
  for (const [rules, works] of [
    ["", false],
    ['proxy_buffering off; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_read_timeout 1h;', true],
  ] as const) {
    const url = await startNginx(t, target, rules);
    await using client = new Client({
      endpoints: [url],
      protocol: v3Protocol({ watchStartTimeoutMs: works ? 60_000 : 1_000 }),
    });
    const keys = new KeysAPI(client);
    const { index } = await until("nginx answers", () => keys.set("/n", "0").catch(() => undefined));
    const next = keys.watcher("/n", { afterIndex: index }).next(patience(30_000));
    if (works) {
      await keys.set("/n", "1");
      assert.equal((await next).node.value, "1");
    } else {
      await assert.rejects(next, (error) => {
        assert.ok(error instanceof ClusterError);
        assert.match(error.message, /proxy_buffering off/);
        return true;
      });
    }
  }
});

async function startNginx(t: TestContext, target: string, rules: string): Promise<string> {
  const [port = 0] = await freePorts(1);
  const nginx = new Nginx({
    http: () => `server { listen 127.0.0.1:${String(port)}; location / { proxy_pass ${target}; ${rules} } }`,
  });
  t.after(() => nginx.stop());
  await nginx.start();
  return `http://127.0.0.1:${String(port)}`;
}

/** A gateway that fails as specified, in front of a real one, for faults that a real one cannot be made to have. */
async function between(
  t: TestContext,
  target: string,
  fail: (path: string, body: string) => "cut before" | "cut after" | undefined,
): Promise<string> {
  const server: Server = createServer((request, response) => {
    void (async () => {
      let body = "";
      for await (const part of request.setEncoding("utf8")) body += String(part);
      const path = request.url ?? "";
      const how = fail(path, body);
      if (how === "cut before") return request.socket.destroy();
      const answer = await fetch(target + path, { method: request.method ?? "POST", body });
      const text = await answer.text();
      if (how === "cut after") return request.socket.destroy();
      return response.writeHead(answer.status, { "content-type": "application/json" }).end(text);
    })();
  });
  return (await listen(t, server)).url;
}

test("v3: a lost grant is notApplied, a transaction that was cut is unknown, a read is retried (V67, V68, V70, V90)", async (t) => {
  await using cluster = await startCluster({ bin: find("etcd"), size: memberCount, enableV2: false });
  const target = cluster.endpoints[0] ?? "";
  let failing: ((path: string) => "cut before" | "cut after" | undefined) | undefined;
  const url = await between(t, target, (path) => failing?.(path));
  await using client = new Client({ endpoints: [url], protocol: v3Protocol() });
  const keys = new KeysAPI(client);
  await keys.set("/o", "0");

  failing = (path) => (path === "/v3/lease/grant" ? "cut after" : undefined);
  const grant: unknown = await keys
    .set("/o", "1", { ttl: 60, prevExist: true, prevValue: "0" })
    .catch((error: unknown) => error);
  assert.ok(grant instanceof ClusterError);
  assert.equal(grant.outcome, "notApplied");
  assert.equal((await new KeysAPI(clientOf(cluster)).get("/o")).node.value, "0");

  for (const how of ["cut before", "cut after"] as const) {
    failing = (path) => (path === "/v3/kv/txn" ? how : undefined);
    const cut: unknown = await keys.create(`/c-${how}`, "1").catch((error: unknown) => error);
    assert.ok(cut instanceof ClusterError);
    assert.equal(cut.outcome, "unknown");
    failing = undefined;
    const there = await keys.get(`/c-${how}`).then(
      () => true,
      () => false,
    );
    assert.equal(there, how === "cut after");
  }

  // the first endpoint grants, the second one writes: one key, and the first lease runs out by itself
  failing = (path) => (path === "/v3/kv/txn" ? "cut before" : undefined);
  await using both = new Client({ endpoints: [url, target], protocol: v3Protocol() });
  for (let i = 0; i < 4; i++) await new KeysAPI(both).set("/both", String(i), { ttl: 60 });
  failing = undefined;
  assert.equal((await keys.get("/both", { quorum: true })).node.value, "3");
});
