import assert from "node:assert/strict";
import test from "node:test";
import { AuthAPI } from "./auth.js";
import { Client } from "./client.js";
import type { ClientOptions } from "./client-options.js";
import { UsageError } from "../util/errors.js";
import { KeysAPI } from "./keys.js";
import type { SetOptions } from "./keys-options.js";
import { MembersAPI } from "./members.js";
import { clientOf, okBody, reply, ScriptedServer, type Answer } from "../test-kit/scripted-server.js";
import type { KeysResponse } from "./types.js";

const versions = { etcdserver: "3.4.23", etcdcluster: "3.4.0" };

/** An etcd that has nothing: every API gets an answer that it can read. */
function byPath(): Answer {
  return (response, request, socket) => {
    const body = request.path.endsWith("/version")
      ? versions
      : request.path.endsWith("/members")
        ? { members: [] }
        : request.path.includes("/auth/")
          ? { enabled: false }
          : okBody;
    return reply(200, body)(response, request, socket);
  };
}

async function callAll(client: Client): Promise<void> {
  await new KeysAPI(client).get("/k");
  await new MembersAPI(client).list();
  await new AuthAPI(client).status();
  await client.version();
}

for (const [name, options, authorization] of [
  ["A26: credentials go with every call, as UTF-8", { username: "rôot", password: "p:w" }, "Basic csO0b3Q6cDp3"],
  ["A26: a user without password", { username: "u" }, "Basic dTo="],
  ["A27: a password without user sends nothing", { password: "p" }, undefined],
  ["A27: neither does an empty user", { username: "", password: "p" }, undefined],
] as const) {
  test(name, async () => {
    await using server = await ScriptedServer.start(byPath());
    await using client = clientOf([server], options);
    await callAll(client);
    assert.deepEqual(
      server.requests.map(({ path, headers }) => [path, headers.authorization]),
      ["/v2/keys/k", "/v2/members", "/v2/auth/enable", "/version"].map((path) => [path, authorization]),
    );
  });
}

test("A24: a base path and a query of the endpoint go with every call", async () => {
  await using server = await ScriptedServer.start(byPath());
  await using client = new Client({ endpoints: [`${server.url}/etcd/?x=1`] });
  assert.deepEqual(client.endpoints, [`${server.url}/etcd?x=1`]);
  await callAll(client);
  assert.deepEqual(
    server.requests.map(({ target }) => target),
    [
      "/etcd/v2/keys/k?quorum=false&recursive=false&sorted=false&x=1",
      "/etcd/v2/members?x=1",
      "/etcd/v2/auth/enable?x=1",
      "/etcd/version?x=1",
    ],
  );
});

test("A28: version", async () => {
  await using server = await ScriptedServer.start(byPath());
  await using client = clientOf([server]);
  assert.deepEqual(await client.version(), { server: "3.4.23", cluster: "3.4.0" });
  assert.deepEqual(
    server.requests.map(({ method, path }) => [method, path]),
    [["GET", "/version"]],
  );
  server.script(reply(200, {}));
  assert.deepEqual(await client.version(), { server: "", cluster: "" });
});

for (const [name, answer, expected] of [
  ["a 2.0 server's sentence", reply(200, "etcd 2.0.13"), { code: "ERR_INVALID_JSON" }],
  ["an empty body", reply(200), { code: "ERR_EMPTY_BODY" }],
  ["a refusal", reply(401, { message: "Insufficient credentials" }), { code: "ERR_ETCD", status: 401 }],
] as const) {
  test(`A28: version answered with ${name}`, async () => {
    await using server = await ScriptedServer.start(answer);
    await using client = clientOf([server]);
    await assert.rejects(client.version(), expected);
  });
}

const endpoints = ["http://127.0.0.1:1"];

const bad: readonly (readonly [string, unknown, RegExp])[] = [
  ["A82: no endpoints", { endpoints: [] }, /^client: no endpoints available/],
  ["endpoints that are no list", { endpoints: "http://h:1" }, /options\.endpoints must be an array/],
  ["absent endpoints", {}, /options\.endpoints must be an array/],
  ["A84: an endpoint without scheme", { endpoints: [...endpoints, "localhost:2379"] }, /must begin with http/],
  ["A84: an ftp endpoint", { endpoints: ["ftp://h"] }, /must begin with http/],
  ["absent options", undefined, /needs options/],
  ["null options", null, /needs options, as in .*; got null/],
  ["options that are text", "http://h:1", /needs options, as in .*; got string/],
  ["an unknown option", { endpoints, timeout: 5 }, /no field "timeout"/],
  [
    "an unknown selectionMode",
    { endpoints, selectionMode: "leader" },
    /selectionMode must be one of random, prioritizeLeader/,
  ],
  ["a selectionMode that is null", { endpoints, selectionMode: null }, /selectionMode must be one of/],
  ["a username with a colon", { endpoints, username: "a:secret" }, /username must not contain ":"/],
  ["a username that is no text", { endpoints, username: 5 }, /username must be a string, got number/],
  [
    "a password that is no text",
    { endpoints, username: "u", password: ["secret"] },
    /password must be a string, got an array/,
  ],
  [
    "a lone surrogate in the password",
    { endpoints, username: "u", password: "secret\udc00" },
    /password contains a lone surrogate/,
  ],
  ...["headerTimeoutMs", "bodyIdleTimeoutMs", "bodyTimeoutMs", "watchIdleTimeoutMs"].flatMap((name) =>
    [0, -1, NaN, 2 ** 31, "5", null].map((ms): (typeof bad)[number] => [
      `${name} ${String(ms)} (${typeof ms})`,
      { endpoints, [name]: ms },
      new RegExp(`${name} must be a number of milliseconds`),
    ]),
  ),
  ...[-1, 1.5, NaN, "1", null].map((count): (typeof bad)[number] => [
    `maxRedirects ${String(count)} (${typeof count})`,
    { endpoints, maxRedirects: count },
    /maxRedirects must be a whole number from 0/,
  ]),
  ...[0, -1, 1.5, NaN, "1", null].map((count): (typeof bad)[number] => [
    `maxBodyBytes ${String(count)} (${typeof count})`,
    { endpoints, maxBodyBytes: count },
    /maxBodyBytes must be a whole number from 1/,
  ]),
  ...[null, "proxy", 5].map((agent): (typeof bad)[number] => [
    `an agent that is ${String(agent)}`,
    { endpoints, agent: { https: agent } },
    /options\.agent\.https must be an Agent of node:https/,
  ]),
  ["an unknown agent", { endpoints, agent: { ftp: {} } }, /options\.agent has no field "ftp"/],
  ...[0, -1, 1.5, NaN, "1", null].map((count): (typeof bad)[number] => [
    `maxInFlight ${String(count)} (${typeof count})`,
    { endpoints, maxInFlight: count },
    /maxInFlight must be a whole number from 1/,
  ]),
  ["quorumReads as text", { endpoints, quorumReads: "true" }, /quorumReads must be true or false/],
  ["a checkRedirect that is no function", { endpoints, checkRedirect: true }, /checkRedirect must be a function/],
  ["a transport that is no function", { endpoints, transport: {} }, /transport must be a function/],
  ["tls that is null", { endpoints, tls: null }, /tls must be an object/],
  ["an unknown field of tls", { endpoints, tls: { CA: "x" } }, /no field "CA"/],
  ["a ca that is a number", { endpoints, tls: { ca: 5 } }, /tls\.ca must be PEM text or a Buffer/],
  ["a ca list with a number", { endpoints, tls: { ca: ["pem", 5] } }, /tls\.ca must be PEM text or a Buffer/],
  ["a cert without key", { endpoints, tls: { cert: "pem" } }, /tls\.cert and options\.tls\.key go together/],
  ["a key without cert", { endpoints, tls: { key: "pem" } }, /tls\.cert and options\.tls\.key go together/],
  [
    "a passphrase that is a number",
    { endpoints, tls: { cert: "pem", key: "pem", passphrase: 5 } },
    /passphrase must be a string/,
  ],
  ["a servername that is a number", { endpoints, tls: { servername: 5 } }, /servername must be a string/],
  ["rejectUnauthorized 0", { endpoints, tls: { rejectUnauthorized: 0 } }, /rejectUnauthorized must be true or false/],
];

for (const [name, options, message] of bad) {
  test(`refused at construction: ${name}`, () => {
    assert.throws(
      () => new Client(options as ClientOptions),
      (error) =>
        error instanceof UsageError &&
        error.code === "ERR_ARGUMENT" &&
        message.test(error.message) &&
        !error.message.includes("secret"),
    );
  });
}

test("every option is taken, undefined ones as absent", async () => {
  const limits = {
    headerTimeoutMs: Infinity,
    bodyIdleTimeoutMs: 2 ** 31 - 1,
    watchIdleTimeoutMs: 0.5,
    maxRedirects: 0,
    maxInFlight: Infinity,
  };
  const absent = Object.fromEntries(
    [
      "selectionMode",
      "username",
      "password",
      "quorumReads",
      "checkRedirect",
      "tls",
      "transport",
      ...Object.keys(limits),
    ].map((name) => [name, undefined]),
  );
  const pem = "-----BEGIN CERTIFICATE-----";
  const given: readonly Partial<ClientOptions>[] = [
    absent,
    limits,
    { selectionMode: "prioritizeLeader", tls: { ca: [pem, Buffer.from(pem)], rejectUnauthorized: false } },
  ];
  for (const options of given) {
    await using client = new Client({ endpoints: [new URL("http://127.0.0.1:1")], ...options });
    assert.deepEqual(client.endpoints, endpoints);
  }
});

test("A83: setEndpoints with a bad one throws, and the old ones stay in use", async () => {
  await using server = await ScriptedServer.start(byPath());
  await using client = clientOf([server]);
  for (const list of [[server.url, "localhost:2379"], [], [undefined], "http://127.0.0.1:1"]) {
    assert.throws(
      () => {
        client.setEndpoints(list as string[]);
      },
      { name: "UsageError", code: "ERR_ARGUMENT" },
    );
  }
  assert.deepEqual(client.endpoints, [server.url]);
  await client.version();
  assert.equal(server.requests.length, 1);
});

test("setEndpoints moves later calls; the list is copied and handed out as a snapshot", async () => {
  await using old = await ScriptedServer.start(byPath());
  await using server = await ScriptedServer.start(byPath());
  await using client = clientOf([old]);
  const before = client.endpoints;
  const list = [server.url];
  client.setEndpoints(list);
  list.push("nonsense");
  await client.version();
  assert.deepEqual([old.requests.length, server.requests.length], [0, 1]);
  assert.deepEqual([before, client.endpoints], [[old.url], [server.url]]);
});

test("A85: every endpoint is as likely as the others to be the first, and every order to come up", async () => {
  const three = ["http://127.0.0.1:1", "http://127.0.0.1:2", "http://127.0.0.1:3"];
  const orders = new Map<string, number>();
  for (let i = 0; i < 3_000; i++) {
    await using client = new Client({ endpoints: three });
    const order = client.endpoints.join(" ");
    orders.set(order, (orders.get(order) ?? 0) + 1);
  }
  assert.equal(orders.size, 6);
  for (const url of three) {
    const first = [...orders].filter(([order]) => order.startsWith(url)).reduce((sum, [, count]) => sum + count, 0);
    assert.ok(first > 3_000 * 0.28 && first < 3_000 * 0.38, `${url} was first ${String(first)} times`);
  }
});

test("a closed client refuses every call", async () => {
  await using server = await ScriptedServer.start(byPath());
  const client = clientOf([server]);
  await Promise.all([client.close(), client.close(), client[Symbol.asyncDispose]()]);
  for (const call of [
    () => client.version(),
    () => client.sync(),
    () => client.autoSync(1_000),
    () => new KeysAPI(client).get("/k"),
    () => new KeysAPI(client).watcher("/k").next(),
  ]) {
    await assert.rejects(call, { name: "UsageError", code: "ERR_CLOSED" });
  }
  assert.equal(server.requests.length, 0);
});

test("abort and close() end every call, also over a transport that does not listen", async () => {
  const client = new Client({ endpoints: ["http://127.0.0.1:1"], transport: () => new Promise(() => undefined) });
  const keys = new KeysAPI(client);
  const reason = new Error("enough");
  const abort = new AbortController();
  const calls = [keys.get("/k", { signal: abort.signal }), keys.watcher("/k").next(abort.signal)];
  abort.abort(reason);
  for (const call of calls) await assert.rejects(call, (error) => error === reason);
  const pending = [keys.get("/k"), keys.watcher("/k").next()];
  await client.close();
  for (const call of pending) await assert.rejects(call, { code: "ERR_CLOSED" });
  // an abort comes before all else
  await assert.rejects(client.version(abort.signal), (error) => error === reason);
});

test("options in a variable of their type make the same answer as options in place", async () => {
  const body = '{"action":"set","node":{"key":"/k","value":"v","modifiedIndex":7,"createdIndex":7}}';
  await using client = new Client({
    endpoints: ["http://127.0.0.1:1"],
    transport: () => Promise.resolve({ status: 200, headers: {}, body }),
  });
  const options: SetOptions = { ttl: 1 };
  const response: KeysResponse = await new KeysAPI(client).set("/k", "v", options);
  assert.equal(response.node.value, "v");
});
