import assert from "node:assert/strict";
import test from "node:test";
import { AuthAPI, AuthRoleAPI, AuthUserAPI, PermissionType } from "./auth.js";
import {
  ClusterError,
  EtcdError,
  isRoleNotFound,
  isUnauthorized,
  isUserNotFound,
  ResponseError,
  UsageError,
} from "../util/errors.js";
import type { RawResponse, RequestSpec, Sender } from "../http/exchange.js";
import { clusterOf, rejection } from "../test-kit/scripted-cluster.js";
import { closeUnanswered, reply, ScriptedServer, type Answer, type SeenRequest } from "../test-kit/scripted-server.js";

interface Apis {
  readonly auth: AuthAPI;
  readonly users: AuthUserAPI;
  readonly roles: AuthRoleAPI;
}

async function authOf(
  t: test.TestContext,
  ...answers: readonly Answer[]
): Promise<Apis & { readonly seen: () => readonly SeenRequest[] }> {
  const { client, seen } = await clusterOf(t, [answers]);
  return { ...apisOf(client), seen: () => seen(0) };
}

function apisOf(sender: Sender): Apis {
  return { auth: new AuthAPI(sender), users: new AuthUserAPI(sender), roles: new AuthRoleAPI(sender) };
}

const none = { kv: { read: null, write: null } };
const role = { role: "r1", permissions: none };
const user = { user: "eve", roles: ["r1"] };
const list = ["/a/*", "/b"];

for (const [name, call, method, path, body, answer] of [
  [
    "add a user (A33)",
    ({ users }: Apis) => users.add("eve", "p"),
    "PUT",
    "users/eve",
    { user: "eve", password: "p", roles: null },
    user,
  ],
  [
    "change a password (A33)",
    ({ users }: Apis) => users.changePassword("eve", "p"),
    "PUT",
    "users/eve",
    { user: "eve", password: "p", roles: null },
    user,
  ],
  [
    "grant roles to a user (A34)",
    ({ users }: Apis) => users.grant("eve", ["r1"]),
    "PUT",
    "users/eve",
    { user: "eve", roles: null, grant: ["r1"] },
    user,
  ],
  [
    "revoke roles of a user (A34)",
    ({ users }: Apis) => users.revoke("eve", ["r1"]),
    "PUT",
    "users/eve",
    { user: "eve", roles: null, revoke: ["r1"] },
    user,
  ],
  ["get a user (1.7)", ({ users }: Apis) => users.get("eve"), "GET", "users/eve", undefined, user],
  ["remove a user (1.7)", ({ users }: Apis) => users.remove("eve"), "DELETE", "users/eve", undefined, ""],
  ["list users (1.7)", ({ users }: Apis) => users.list(), "GET", "users", undefined, { users: [] }],
  ["add a role (1.7)", ({ roles }: Apis) => roles.add("r1"), "PUT", "roles/r1", role, role],
  [
    "grant write (A35)",
    ({ roles }: Apis) => roles.grantKV("r1", list, "write"),
    "PUT",
    "roles/r1",
    { ...role, grant: { kv: { read: null, write: list } } },
    role,
  ],
  [
    "grant read (A35)",
    ({ roles }: Apis) => roles.grantKV("r1", list, "read"),
    "PUT",
    "roles/r1",
    { ...role, grant: { kv: { read: list, write: null } } },
    role,
  ],
  [
    "grant both (A35)",
    ({ roles }: Apis) => roles.grantKV("r1", list, PermissionType.readWrite),
    "PUT",
    "roles/r1",
    { ...role, grant: { kv: { read: list, write: list } } },
    role,
  ],
  [
    "revoke write (A35)",
    ({ roles }: Apis) => roles.revokeKV("r1", list, "write"),
    "PUT",
    "roles/r1",
    { ...role, revoke: { kv: { read: null, write: list } } },
    role,
  ],
  ["get a role (1.7)", ({ roles }: Apis) => roles.get("r1"), "GET", "roles/r1", undefined, role],
  ["remove a role (1.7)", ({ roles }: Apis) => roles.remove("r1"), "DELETE", "roles/r1", undefined, ""],
  ["list roles (1.7)", ({ roles }: Apis) => roles.list(), "GET", "roles", undefined, { roles: [] }],
  ["enable (A36)", ({ auth }: Apis) => auth.enable(), "PUT", "enable", undefined, ""],
  ["disable (A36)", ({ auth }: Apis) => auth.disable(), "DELETE", "enable", undefined, ""],
  ["status (1.7)", ({ auth }: Apis) => auth.status(), "GET", "enable", undefined, { enabled: true }],
] as const) {
  test(`auth: ${method} /v2/auth/${path} for ${name}`, async (t) => {
    const { seen, ...apis } = await authOf(t, reply(200, answer));
    await call(apis);
    const [request, ...others] = seen();
    assert.deepEqual(others, []);
    assert.deepEqual([request?.method, request?.target], [method, `/v2/auth/${path}`]);
    assert.deepEqual(request?.body === "" ? undefined : JSON.parse(request?.body ?? ""), body);
    assert.equal(request?.headers["content-type"], body === undefined ? undefined : "application/json");
  });
}

test("auth: names are encoded once in the path, and sent unchanged in the body (1.7)", async (t) => {
  const { users, seen } = await authOf(t, reply(201, {}));
  await users.add("rô ot%?#&", 'p:w"é');
  const [request] = seen();
  assert.equal(request?.target, "/v2/auth/users/r%C3%B4%20ot%25%3F%23%26");
  assert.deepEqual(JSON.parse(request.body), { user: "rô ot%?#&", password: 'p:w"é', roles: null });
});

test("auth: roles of a user that are objects are read as their names, without empty ones (A57)", async (t) => {
  const roles = ["a", "b"].map((name) => ({ role: name, permissions: { kv: { read: ["/a/*"], write: [] } } }));
  const { users } = await authOf(t, reply(200, { user: "bob", roles }));
  assert.deepEqual(await users.get("bob"), { user: "bob", roles: ["a", "b"] });
});

for (const [roles, expected] of [
  [
    ["a", "b"],
    ["a", "b"],
  ],
  [undefined, []],
  [null, []],
] as const) {
  test(`auth: the roles ${JSON.stringify(roles)} of a user are read as ${JSON.stringify(expected)} (A58)`, async (t) => {
    const { users } = await authOf(t, reply(200, { user: "bob", roles }));
    assert.deepEqual(await users.get("bob"), { user: "bob", roles: expected });
  });
}

test("auth: no users is an empty list; users and roles, objects or strings, are read as their names (A59)", async (t) => {
  const bodies = [{ users: null }, {}, { users: [{ user: "bob", roles: null }, "eve"] }, { roles: [role, "root"] }];
  const { users, roles } = await authOf(t, ...bodies.map((body) => reply(200, body)));
  assert.deepEqual(await users.list(), []);
  assert.deepEqual(await users.list(), []);
  assert.deepEqual(await users.list(), ["bob", "eve"]);
  assert.deepEqual(await roles.list(), ["r1", "root"]);
});

test("auth: a role's permissions may be null, absent or arrays (1.7)", async (t) => {
  const { roles } = await authOf(
    t,
    reply(200, role),
    reply(200, { role: "r1" }),
    reply(200, { role: "r1", permissions: { kv: { read: ["/a"], write: [] } } }),
  );
  const empty = { role: "r1", permissions: { kv: { read: [], write: [] } } };
  assert.deepEqual([await roles.get("r1"), await roles.get("r1")], [empty, empty]);
  assert.deepEqual((await roles.get("r1")).permissions.kv, { read: ["/a"], write: [] });
});

for (const [name, call, message, is] of [
  ["remove a user", ({ users }: Apis) => users.remove("x"), "auth: User x does not exist", isUserNotFound],
  ["get a user", ({ users }: Apis) => users.get("x"), "auth: User x does not exist.", isUserNotFound],
  ["grant", ({ users }: Apis) => users.grant("x", ["r"]), "auth: User x does not exist.", isUserNotFound],
  ["remove a role", ({ roles }: Apis) => roles.remove("x"), "auth: Role x doesn't exist.", isRoleNotFound],
  ["get a role", ({ roles }: Apis) => roles.get("x"), "auth: Role x does not exist.", isRoleNotFound],
  [
    "get a user whose role is gone",
    ({ users }: Apis) => users.get("x"),
    "auth: Role r2 does not exist.",
    isRoleNotFound,
  ],
] as const) {
  test(`auth: ${is.name} is true for ${name} with 404 "${message}" (A60)`, async (t) => {
    const { seen: _, ...apis } = await authOf(t, reply(404, { message }));
    const error = await rejection<EtcdError>(call(apis), EtcdError);
    assert.deepEqual(
      [isUserNotFound, isRoleNotFound].filter((guard) => guard(error)),
      [is],
    );
    assert.deepEqual([error.status, error.serverMessage], [404, message]);
  });
}

test("auth: isUserNotFound and isRoleNotFound are false for another status or message (A60)", async (t) => {
  const { users } = await authOf(
    t,
    reply(403, { message: "auth: User x does not exist." }),
    reply(404, { message: "No such user" }),
  );
  for (let i = 0; i < 2; i++) {
    const error = await rejection(users.get("x"), EtcdError);
    assert.ok(!isUserNotFound(error) && !isRoleNotFound(error));
  }
});

test("auth: enable rejects with a ResponseError that has the status of a 405 in plain text (A61)", async (t) => {
  const { auth } = await authOf(t, reply(405, "Method Not Allowed"));
  const error = await rejection(auth.enable(), ResponseError);
  assert.deepEqual([error.code, error.status], ["ERR_STATUS", 405]);
  assert.match(error.message, /PUT .*\/v2\/auth\/enable was answered 405/);
});

test("auth: changePassword resolves to the user after 201, when the user is new (A62)", async (t) => {
  const { users } = await authOf(t, reply(201, { user: "eve", roles: null }));
  assert.deepEqual(await users.changePassword("eve", "p"), { user: "eve", roles: [] });
});

for (const [name, call, status, message] of [
  ["enable", ({ auth }: Apis) => auth.enable(), 409, "auth: already enabled"],
  ["listRoles", ({ roles }: Apis) => roles.list(), 500, "Internal Server Error"],
  ["listUsers", ({ users }: Apis) => users.list(), 400, "auth: something"],
  ["addUser", ({ users }: Apis) => users.add("u", "p"), 400, "auth: something"],
] as const) {
  test(`auth: after ${String(status)}, ${name} rejects with an error that has status and message (D14)`, async (t) => {
    const { seen: _, ...apis } = await authOf(t, reply(status, { message }));
    const error = await rejection<EtcdError | ClusterError>(call(apis), status < 500 ? EtcdError : ClusterError);
    assert.ok(error.message.includes(message) && error.message.includes(String(status)), error.message);
  });
}

for (const call of [
  ({ auth }: Apis) => auth.enable(),
  ({ users }: Apis) => users.list(),
  ({ users }: Apis) => users.add("u", "p"),
  ({ roles }: Apis) => roles.get("r"),
  ({ roles }: Apis) => roles.grantKV("r", ["/"], "read"),
]) {
  test(`auth: isUnauthorized is true after 401 for ${String(call)} (D17)`, async (t) => {
    const { seen: _, ...apis } = await authOf(t, reply(401, { message: "Insufficient credentials" }));
    assert.ok(isUnauthorized(await rejection<EtcdError>(call(apis), EtcdError)));
  });
}

for (const call of [
  ({ users }: Apis) => users.add("", "p"),
  ({ users }: Apis) => users.add("a/b", "p"),
  ({ users }: Apis) => users.add("a:b", "p"),
  ({ users }: Apis) => users.add("u", ""),
  ({ users }: Apis) => users.add("u", undefined as never),
  ({ users }: Apis) => users.changePassword("u", ""),
  ({ users }: Apis) => users.get("."),
  ({ users }: Apis) => users.remove(".."),
  ({ users }: Apis) => users.grant("u", []),
  ({ users }: Apis) => users.revoke("u", "r" as never),
  ({ users }: Apis) => users.grant("u", [1] as never),
  ({ roles }: Apis) => roles.add(""),
  ({ roles }: Apis) => roles.remove("a/b"),
  ({ roles }: Apis) => roles.get(""),
  ({ roles }: Apis) => roles.grantKV("r", [], "read"),
  ({ roles }: Apis) => roles.grantKV("r", ["/"], "both" as never),
  ({ roles }: Apis) => roles.revokeKV("", ["/"], "read"),
  ({ auth }: Apis) => auth.status({} as never),
]) {
  test(`auth: refused without a request: ${String(call)} (1.7)`, async (t) => {
    const { seen, ...apis } = await authOf(t, reply(500));
    await rejection<UsageError>(call(apis), UsageError);
    assert.deepEqual(seen(), []);
  });
}

for (const [name, call] of [
  ["enable", ({ auth }: Apis) => auth.enable()],
  ["disable", ({ auth }: Apis) => auth.disable()],
  ["addUser", ({ users }: Apis) => users.add("u", "p")],
  ["removeUser", ({ users }: Apis) => users.remove("u")],
  ["grantUser", ({ users }: Apis) => users.grant("u", ["r"])],
  ["addRole", ({ roles }: Apis) => roles.add("r")],
  ["removeRole", ({ roles }: Apis) => roles.remove("r")],
  ["grantRoleKV", ({ roles }: Apis) => roles.grantKV("r", ["/"], "read")],
] as const) {
  test(`auth: ${name} is sent only once if it may have been applied (2.4)`, async (t) => {
    const { client, counts } = await clusterOf(t, [[closeUnanswered()], [reply(200)]]);
    const error = await rejection<ClusterError>(call(apisOf(client)), ClusterError);
    assert.equal(error.outcome, "unknown");
    assert.deepEqual(counts(), [1, 0]);
  });
}

test("auth: a password is not redirected to a host that is not an endpoint (1.7)", async (t) => {
  const elsewhere = await ScriptedServer.start(reply(201, user));
  t.after(() => elsewhere.close());
  const { users } = await authOf(t, reply(307, "", { location: `${elsewhere.url}/v2/auth/users/eve` }));
  const error = await rejection(users.add("eve", "secret-word"), ClusterError);
  assert.match(error.message, /will not send a password/);
  assert.doesNotMatch(error.message, /secret-word/);
  assert.deepEqual(elsewhere.requests, []);
});

test("auth: works with any sender (1.7)", async () => {
  const specs: RequestSpec[] = [];
  const sender: Sender = {
    send(spec): Promise<RawResponse> {
      specs.push(spec);
      return Promise.resolve({ status: 200, headers: {}, body: '{"enabled":false}' });
    },
  };
  assert.equal(await new AuthAPI(sender).status(), false);
  assert.deepEqual(specs, [{ method: "GET", path: "/v2/auth/enable", call: { kind: "authStatus" } }]);
  assert.throws(() => new AuthUserAPI({} as never), UsageError);
});

test("auth: a response that is not a user, role or status is ERR_INVALID_JSON (1.7)", async (t) => {
  for (const [call, body] of [
    [({ users }: Apis) => users.get("u"), { user: 1 }],
    [({ users }: Apis) => users.get("u"), { user: "u", roles: "r" }],
    [({ users }: Apis) => users.get("u"), { user: "u", roles: [{}] }],
    [({ roles }: Apis) => roles.get("r"), { role: "r", permissions: { kv: { read: [1] } } }],
    [({ auth }: Apis) => auth.status(), {}],
  ] as const) {
    const { seen: _, ...apis } = await authOf(t, reply(200, body));
    assert.equal((await rejection<ResponseError>(call(apis), ResponseError)).code, "ERR_INVALID_JSON");
  }
});
