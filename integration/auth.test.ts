import assert from "node:assert/strict";
import test, { after, before } from "node:test";
import { startCluster, type Cluster } from "./test-kit/etcd.js";
import { find } from "../scripts/servers/programs.mjs";
import {
  AuthAPI,
  AuthRoleAPI,
  AuthUserAPI,
  Client,
  ClusterError,
  EtcdError,
  EtcdErrorCode,
  isRoleNotFound,
  isUnauthorized,
  isUserNotFound,
  KeysAPI,
  MembersAPI,
} from "../src/core/index.js";
import { rejection, settled } from "../src/test-kit/scripted-cluster.js";
import { until } from "../src/test-kit/waiting.js";

const root = { username: "root", password: "root: pw é" };

let cluster: Cluster;
const clients: Client[] = [];

before(async () => {
  cluster = await startCluster({ bin: find("etcd") });
});

after(async () => {
  await Promise.all(clients.map((client) => client.close()));
  await cluster.stop();
});

/** Checking a password takes the server 0.1 to 0.2 s, more on a busy machine. */
function as(credentials: { readonly username?: string; readonly password?: string } = {}): Client {
  const client = new Client({ endpoints: cluster.endpoints, headerTimeoutMs: 30_000, ...credentials });
  clients.push(client);
  return client;
}

/** Every API with one client. */
function apis(client: Client): {
  auth: AuthAPI;
  users: AuthUserAPI;
  roles: AuthRoleAPI;
  keys: KeysAPI;
  members: MembersAPI;
} {
  return {
    auth: new AuthAPI(client),
    users: new AuthUserAPI(client),
    roles: new AuthRoleAPI(client),
    keys: new KeysAPI(client),
    members: new MembersAPI(client),
  };
}

async function refusal(call: Promise<unknown>): Promise<readonly [status: number, message: string]> {
  const { status, serverMessage, errorCode } = await rejection(call, EtcdError);
  assert.equal(errorCode, 0);
  return [status, serverMessage];
}

test("auth: before it is enabled, users are added, granted roles, listed and removed (1.7)", async () => {
  const { users, roles } = apis(as());
  assert.deepEqual(await users.list(), []);
  await users.add("bob", "b");
  assert.deepEqual(await users.get("bob"), { user: "bob", roles: [] });
  for (const role of ["r1", "r2"]) await roles.add(role);

  assert.deepEqual(await users.grant("bob", ["r2", "r1"]), { user: "bob", roles: ["r1", "r2"] });
  assert.deepEqual(await refusal(users.grant("bob", ["r1"])), [409, "auth: Granting duplicate role r1 for user bob"]);
  assert.deepEqual(await users.revoke("bob", ["r2"]), { user: "bob", roles: ["r1"] });
  assert.deepEqual(await refusal(users.revoke("bob", ["r2"])), [409, "auth: Revoking ungranted role r2 for user bob"]);
  assert.deepEqual(await users.get("bob"), { user: "bob", roles: ["r1"] });

  // the same request as add: an existing user keeps the roles, a new one is created
  await users.add("bob", "b2");
  assert.deepEqual(await users.changePassword("bob", "b3"), { user: "bob", roles: ["r1"] });
  assert.deepEqual(await users.changePassword("new", "n"), { user: "new", roles: [] });
  assert.deepEqual(await users.list(), ["bob", "new"]);
  await users.remove("new");
  assert.deepEqual(await users.list(), ["bob"]);

  for (const call of [
    () => users.get("new"),
    () => users.remove("new"),
    () => users.grant("new", ["r1"]),
    () => users.revoke("new", ["r1"]),
  ]) {
    const error = await rejection(call(), EtcdError);
    assert.ok(isUserNotFound(error) && !isRoleNotFound(error), error.message);
    assert.equal(error.status, 404);
  }
});

test("auth: a user whose role was removed is reported as role not found; names may contain anything but a slash (1.7)", async () => {
  const { users, roles } = apis(as());
  const name = "ann %41 é?#&<>";
  await users.add(name, "a");
  await roles.add(name);
  assert.deepEqual(await users.grant(name, [name]), { user: name, roles: [name] });
  assert.deepEqual(await users.get(name), { user: name, roles: [name] });
  assert.deepEqual((await roles.get(name)).role, name);
  await roles.remove(name);
  assert.ok(isRoleNotFound(await rejection(users.get(name), EtcdError)));
  assert.ok((await users.list()).includes(name));
  await users.remove(name);
});

test("auth: permissions are granted and revoked, and etcd's error for a change without effect is passed on (1.7)", async () => {
  const { roles } = apis(as());
  await roles.add("r3");
  assert.deepEqual(await refusal(roles.add("r3")), [409, "auth: Role r3 already exists."]);
  const of = (read: readonly string[], write: readonly string[]): unknown => ({
    role: "r3",
    permissions: { kv: { read, write } },
  });
  assert.deepEqual(await roles.get("r3"), of([], []));
  assert.deepEqual(await roles.grantKV("r3", ["/a/*", "/b"], "read"), of(["/a/*", "/b"], []));
  assert.deepEqual(await roles.grantKV("r3", ["/a/*"], "write"), of(["/a/*", "/b"], ["/a/*"]));
  assert.deepEqual(await refusal(roles.grantKV("r3", ["/a/*"], "readWrite")), [
    409,
    "auth: Granting duplicate read permission /a/*",
  ]);
  assert.deepEqual(await roles.grantKV("r3", ["/c"], "readWrite"), of(["/a/*", "/b", "/c"], ["/a/*", "/c"]));
  assert.deepEqual(await roles.revokeKV("r3", ["/a/*", "/c"], "readWrite"), of(["/b"], []));
  assert.deepEqual(await refusal(roles.revokeKV("r3", ["/z"], "read")), [
    400,
    "auth: Role not updated. Use grant/revoke to update the role.",
  ]);
  assert.deepEqual(await roles.get("r3"), of(["/b"], []));
  assert.deepEqual(await roles.list(), ["r1", "r2", "r3", "root"]);
  assert.deepEqual(await refusal(roles.grantKV("root", ["/"], "read")), [
    403,
    "auth: Cannot modify role root: is root role.",
  ]);

  await roles.remove("r3");
  for (const call of [() => roles.get("r3"), () => roles.remove("r3"), () => roles.grantKV("r3", ["/"], "read")]) {
    // etcd takes a grant to a removed role for the creation of a role, and refuses its fields
    const error = await rejection(call(), EtcdError);
    assert.ok(isRoleNotFound(error) && !isUserNotFound(error), error.message);
  }
});

test("auth: once enabled, a wrong password and guest are refused, root may do everything, and disables it (A130)", async (t) => {
  const open = apis(as());
  assert.equal(await open.auth.status(), false);
  assert.deepEqual(await refusal(open.auth.disable()), [409, "auth: already disabled"]);
  assert.deepEqual(await refusal(open.auth.enable()), [409, "auth: No root user available, please create one"]);
  await open.users.add(root.username, root.password);
  await open.auth.enable();
  assert.equal(await open.auth.status(), true);

  const admin = apis(as(root));
  // enabling created a guest role that may do everything
  await admin.roles.revokeKV("guest", ["/*"], "readWrite");
  await admin.roles.grantKV("guest", ["/public/*"], "read");

  await t.test("root may do everything", async () => {
    assert.deepEqual(await refusal(admin.auth.enable()), [409, "auth: already enabled"]);
    await admin.keys.set("/public/k", "v");
    assert.equal((await admin.keys.get("/public/k")).node.value, "v");
    assert.deepEqual(await refusal(admin.users.remove("root")), [
      403,
      "auth: Cannot delete root user while auth is enabled.",
    ]);
    assert.ok((await admin.users.list()).includes("root"));
  });

  const wrong = apis(as({ ...root, password: "wrong" }));
  for (const [name, { keys, users, roles, auth, members }] of [
    ["guest", open],
    ["wrong password", wrong],
    ["unknown user", apis(as({ username: "nobody", password: "x" }))],
  ] as const) {
    await t.test(
      `${name}: keys are refused with 110, everything else with 401, and isUnauthorized is true`,
      async () => {
        for (const call of [
          () => keys.get("/private"),
          () => keys.set("/public/k", "w"),
          () => keys.watcher("/private").next(),
        ]) {
          const error = await rejection(call(), EtcdError);
          assert.deepEqual([error.status, error.errorCode, error.index], [401, EtcdErrorCode.unauthorized, 0]);
          assert.ok(isUnauthorized(error));
        }
        for (const call of [
          () => users.list(),
          () => users.add("eve", "e"),
          () => roles.list(),
          () => auth.enable(),
          () => auth.disable(),
          () => members.add("http://127.0.0.1:9"),
        ]) {
          const error = await rejection<EtcdError>(call(), EtcdError);
          assert.deepEqual([error.status, error.errorCode, error.serverMessage], [401, 0, "Insufficient credentials"]);
          assert.ok(isUnauthorized(error));
        }
        assert.equal(await auth.status(), true);
      },
    );
  }

  await t.test("guest may read what its role allows, a wrong password nothing", async () => {
    assert.equal((await open.keys.get("/public/k")).node.value, "v");
    assert.ok(isUnauthorized(await rejection(wrong.keys.get("/public/k"), EtcdError)));
  });

  await t.test("a user may do what its roles allow, with its latest password", async () => {
    await admin.roles.grantKV("r1", ["/bob/*"], "readWrite");
    const bob = apis(as({ username: "bob", password: "b3" }));
    await bob.keys.set("/bob/k", "v");
    assert.equal((await bob.keys.get("/bob/k")).node.value, "v");
    assert.equal((await bob.keys.get("/bob/", { recursive: true })).node.nodes.length, 1);
    for (const call of [() => bob.keys.set("/other", "v"), () => bob.users.list()])
      assert.ok(isUnauthorized(await rejection<EtcdError>(call(), EtcdError)));
    await admin.users.changePassword("bob", "b4");
    assert.ok(isUnauthorized(await rejection(bob.keys.get("/bob/k"), EtcdError)));
    assert.equal((await apis(as({ username: "bob", password: "b4" })).keys.get("/bob/k")).node.value, "v");
  });

  await t.test("sync, leader and version need no rights, and synced endpoints get the credentials", async () => {
    for (const client of [as(), as(root), as({ ...root, password: "wrong" })]) {
      // another spelling of the same endpoint, so that sync has something to replace
      client.setEndpoints(cluster.endpoints.map((url) => url.replace("127.0.0.1", "localhost")));
      await client.sync();
      assert.deepEqual(client.endpoints, cluster.endpoints);
      assert.match((await client.version()).server, /^3\./);
      assert.equal((await new MembersAPI(client).leader()).name, "m1");
    }
    const synced = as(root);
    synced.setEndpoints(cluster.endpoints.map((url) => url.replace("127.0.0.1", "localhost")));
    await synced.sync();
    await new KeysAPI(synced).set("/private", "v");
  });

  await t.test("autoSync continues with auth enabled", async () => {
    const client = as(root);
    client.setEndpoints(cluster.endpoints.map((url) => url.replace("127.0.0.1", "localhost")));
    const abort = new AbortController();
    const failures: unknown[] = [];
    const syncing = settled(client.autoSync(50, { signal: abort.signal, onError: (error) => failures.push(error) }));
    await until("autoSync has replaced the endpoints", () =>
      client.endpoints.every((url, i) => url === cluster.endpoints[i]),
    );
    abort.abort();
    assert.equal(await syncing, abort.signal.reason);
    assert.deepEqual(failures, []);
  });

  await t.test("no error contains a password", async () => {
    for (const call of [() => wrong.keys.get("/private"), () => wrong.users.add("eve", "eve-secret")]) {
      const error = await rejection<EtcdError>(call(), EtcdError);
      assert.doesNotMatch(`${String(error.stack)}${JSON.stringify(error)}`, /wrong|eve-secret/);
    }
    await cluster.members[0]?.terminate();
    const error = await rejection(admin.users.add("eve", "eve-secret"), ClusterError);
    assert.doesNotMatch(`${String(error.stack)}${JSON.stringify(error)}`, /eve-secret|root: pw/);
    await cluster.members[0]?.start();
  });

  await admin.auth.disable();
  assert.equal(await open.auth.status(), false);
  await open.keys.set("/private", "w");
});
