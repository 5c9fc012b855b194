import assert from "node:assert/strict";
import test from "node:test";
import type { ClientOptions } from "./client-options.js";
import { UsageError } from "../util/errors.js";
import { KeysAPI } from "./keys.js";
import type { KeysOptions } from "./keys-options.js";
import { clientOf, ok, okBody, reply, ScriptedServer, type SeenRequest } from "../test-kit/scripted-server.js";

interface Given {
  readonly answer?: object;
  readonly keys?: KeysOptions;
  readonly client?: Partial<ClientOptions>;
}

/** Makes one call to a server that accepts everything. Returns the request it received and the result of the call. */
async function exchangeOf<T>(
  call: (keys: KeysAPI) => Promise<T>,
  { answer = okBody, keys, client }: Given = {},
): Promise<[SeenRequest, T]> {
  await using server = await ScriptedServer.start(reply(200, answer));
  await using sender = clientOf([server], client);
  const result = await call(new KeysAPI(sender, keys));
  const [request] = server.requests;
  assert.ok(request !== undefined && server.requests.length === 1, `${String(server.requests.length)} requests`);
  return [request, result];
}

async function requestOf(call: (keys: KeysAPI) => Promise<unknown>, given?: Given): Promise<SeenRequest> {
  return (await exchangeOf(call, given))[0];
}

/** Asserts that the client refuses the call: the first request the server receives is a later one. */
async function refusal(call: (keys: KeysAPI) => Promise<unknown>): Promise<UsageError> {
  await using server = await ScriptedServer.start(ok());
  await using client = clientOf([server]);
  const keys = new KeysAPI(client);
  const error: unknown = await call(keys).then(
    () => assert.fail("it was not refused"),
    (reason: unknown) => reason,
  );
  assert.ok(error instanceof UsageError, String(error));
  assert.equal(error.code, "ERR_ARGUMENT");
  await keys.get("/afterwards");
  assert.deepEqual(
    server.requests.map(({ path }) => path),
    ["/v2/keys/afterwards"],
  );
  return error;
}

const formType = "application/x-www-form-urlencoded";

interface Expected {
  readonly method: string;
  readonly path: string;
  /** In alphabetical order. */
  readonly query?: readonly string[];
  readonly body?: string;
}

const requests: readonly (readonly [string, (keys: KeysAPI) => Promise<unknown>, Expected])[] = [
  [
    "a get sends all three of its flags (A1)",
    (k) => k.get("/color"),
    { method: "GET", path: "/color", query: ["quorum=false", "recursive=false", "sorted=false"] },
  ],
  [
    "a recursive quorum get (A2)",
    (k) => k.get("/color", { recursive: true, quorum: true }),
    { method: "GET", path: "/color", query: ["quorum=true", "recursive=true", "sorted=false"] },
  ],
  [
    "a sorted get (A2)",
    (k) => k.get("/color", { sort: true }),
    { method: "GET", path: "/color", query: ["quorum=false", "recursive=false", "sorted=true"] },
  ],
  ["a set (A3)", (k) => k.set("/color", "red"), { method: "PUT", path: "/color", body: "value=red" }],
  ["an empty value is sent (A4)", (k) => k.set("/color", ""), { method: "PUT", path: "/color", body: "value=" }],
  [
    "a value is form-encoded as UTF-8 (A5)",
    (k) => k.set("/k", "a b+c&d=e;f/é😀\n\0"),
    { method: "PUT", path: "/k", body: "value=a%20b%2Bc%26d%3De%3Bf%2F%C3%A9%F0%9F%98%80%0A%00" },
  ],
  [
    "all conditions of a set (A6)",
    (k) => k.set("/k", "v", { prevValue: "p v+&", prevIndex: 5, prevExist: true, ttl: 90, noValueOnSuccess: true }),
    {
      method: "PUT",
      path: "/k",
      query: ["noValueOnSuccess=true", "prevExist=true", "prevIndex=5", "prevValue=p v+&"],
      body: "ttl=90&value=v",
    },
  ],
  [
    "a directory has no value (A7)",
    (k) => k.set("/k", "", { dir: true, ttl: 5 }),
    { method: "PUT", path: "/k", query: ["dir=true"], body: "ttl=5" },
  ],
  [
    "a directory with conditions (A8)",
    (k) => k.set("/k", "", { dir: true, prevIndex: 3, prevExist: true }),
    { method: "PUT", path: "/k", query: ["dir=true", "prevExist=true", "prevIndex=3"], body: "" },
  ],
  [
    "a set with refresh (A9)",
    (k) => k.set("/k", "", { refresh: true, ttl: 10, prevExist: true }),
    { method: "PUT", path: "/k", query: ["prevExist=true"], body: "refresh=true&ttl=10" },
  ],
  [
    "refresh() sends the same (A9)",
    (k) => k.refresh("/k", 9.5),
    { method: "PUT", path: "/k", query: ["prevExist=true"], body: "refresh=true&ttl=10" },
  ],
  [
    "a ttl of 0.4 s becomes 1 (A11)",
    (k) => k.set("/k", "v", { ttl: 0.4 }),
    { method: "PUT", path: "/k", body: "ttl=1&value=v" },
  ],
  [
    "a ttl of 2.1 s becomes 3 (A11)",
    (k) => k.set("/k", "v", { ttl: 2.1 }),
    { method: "PUT", path: "/k", body: "ttl=3&value=v" },
  ],
  [
    "a ttl of 2 s stays (A11)",
    (k) => k.set("/k", "v", { ttl: 2 }),
    { method: "PUT", path: "/k", body: "ttl=2&value=v" },
  ],
  [
    "create (A13)",
    (k) => k.create("/k", "v"),
    { method: "PUT", path: "/k", query: ["prevExist=false"], body: "value=v" },
  ],
  [
    "update (A14)",
    (k) => k.update("/k", "v"),
    { method: "PUT", path: "/k", query: ["prevExist=true"], body: "value=v" },
  ],
  [
    "createInOrder (A15)",
    (k) => k.createInOrder("/jobs", "j", { ttl: 61 }),
    { method: "POST", path: "/jobs", body: "ttl=61&value=j" },
  ],
  ["delete (A16)", (k) => k.delete("/k"), { method: "DELETE", path: "/k" }],
  [
    "delete with everything (A17)",
    (k) => k.delete("/k", { dir: true, recursive: true, prevIndex: 4, prevValue: "a b" }),
    { method: "DELETE", path: "/k", query: ["dir=true", "prevIndex=4", "prevValue=a b", "recursive=true"] },
  ],
  [
    "a watcher's first request (A18)",
    (k) => k.watcher("/k").next(),
    { method: "GET", path: "/k", query: ["recursive=false", "wait=true", "waitIndex=0"] },
  ],
  [
    "a watcher after an index (A19)",
    (k) => k.watcher("/k", { afterIndex: 6, recursive: true }).next(),
    { method: "GET", path: "/k", query: ["recursive=true", "wait=true", "waitIndex=7"] },
  ],
];

for (const [name, call, { method, path, query = [], body = "" }] of requests) {
  test(`keys: ${name}`, async () => {
    const seen = await requestOf(call);
    assert.deepEqual(
      { method: seen.method, path: seen.path, query: seen.query, body: seen.body, type: seen.headers["content-type"] },
      { method, path: `/v2/keys${path}`, query, body, type: method === "GET" ? undefined : formType },
    );
  });
}

const paths: readonly (readonly [string, string, string])[] = [
  ["A20", "", "/v2/keys"],
  ["A20", "/", "/v2/keys/"],
  ["A20", "x", "/v2/keys/x"],
  ["A20", "x/y/", "/v2/keys/x/y/"],
  ["A20", "//x//y", "/v2/keys/x/y"],
  ["A22", "/q?r#s t%25", "/v2/keys/q%3Fr%23s%20t%2525"],
  ["A22", "/a%2Fb", "/v2/keys/a%252Fb"],
  ["A22", "/...", "/v2/keys/..."],
  ["A22", "/%2e%2e/x", "/v2/keys/%252e%252e/x"],
  ["A23", "/a\\b", "/v2/keys/a%5Cb"],
  ["A23", "/naïve", "/v2/keys/na%C3%AFve"],
  ["A23", "/😀", "/v2/keys/%F0%9F%98%80"],
];

for (const [id, key, target] of paths) {
  test(`keys: the key ${JSON.stringify(key)} is sent as ${target} (${id})`, async () => {
    assert.equal((await requestOf((keys) => keys.delete(key))).target, target);
  });
}

for (const [prefix, key, path] of [
  ["/pfx/", "k", "/pfx/k"],
  ["pfx", "/k", "/pfx/k"],
  ["/a//b", "k/", "/a/b/k/"],
  ["", "/k", "/k"],
  ["/v2/keys/app", "", "/v2/keys/app"],
] as const) {
  test(`keys: the prefix ${JSON.stringify(prefix)} with the key ${JSON.stringify(key)} (A25)`, async () => {
    const given = { keys: { prefix } };
    assert.equal((await requestOf((keys) => keys.delete(key), given)).target, path);
    assert.equal((await requestOf((keys) => keys.watcher(key).next(), given)).path, path);
  });
}

/** A value that UTF-8 cannot encode. Values must not appear in messages. */
const lone = "secret\ud800";

const refusals: readonly (readonly [string, (keys: KeysAPI) => Promise<unknown>, RegExp])[] = [
  ["a refresh with a value (A10)", (k) => k.set("/k", "v", { refresh: true, ttl: 5 }), /refresh keeps the value/],
  ["a refresh without ttl (D22)", (k) => k.set("/k", "", { refresh: true }), /refresh needs options\.ttl/],
  ...[-1, 0, NaN, Infinity, 7e9 + 1, "5", null].flatMap((ttl): typeof refusals => [
    [
      `set with the ${typeof ttl} ${String(ttl)} as ttl (A12)`,
      (k) => k.set("/k", "v", { ttl: ttl as never }),
      /options\.ttl must be/,
    ],
    [`refresh with the ${typeof ttl} ${String(ttl)} as ttl (A12)`, (k) => k.refresh("/k", ttl as never), /ttl must be/],
    [
      `createInOrder with the ${typeof ttl} ${String(ttl)} as ttl (A12)`,
      (k) => k.createInOrder("/k", "v", { ttl: ttl as never }),
      /options\.ttl must be/,
    ],
  ]),
  ...["/../x", "/a/../../x", "..", ".", "a/./b", "a/.."].map((key): (typeof refusals)[number] => [
    `the key ${key} (A21)`,
    (k) => k.get(key),
    /segment/,
  ]),
  ["set with an empty prevValue (D21)", (k) => k.set("/k", "v", { prevValue: "" }), /prevIndex/],
  ["delete with an empty prevValue (D21)", (k) => k.delete("/k", { prevValue: "" }), /prevIndex/],
  ["update with prevIndex 0 (D21)", (k) => k.update("/k", "v", { prevIndex: 0 }), /prevIndex 0/],
  ["delete with prevIndex 0 (D21)", (k) => k.delete("/k", { prevIndex: 0 }), /prevIndex 0/],
  ["prevIndex 1.5", (k) => k.set("/k", "v", { prevIndex: 1.5 }), /prevIndex must be/],
  ["a prevIndex above 2^53", (k) => k.set("/k", "v", { prevIndex: 2 ** 53 }), /prevIndex must be/],
  ["prevExist false with prevIndex", (k) => k.set("/k", "v", { prevExist: false, prevIndex: 4 }), /prevExist false/],
  ["prevExist false with prevValue", (k) => k.set("/k", "v", { prevExist: false, prevValue: "p" }), /prevExist false/],
  ["prevExist as a string", (k) => k.set("/k", "v", { prevExist: "true" as never }), /prevExist must be true or false/],
  ["dir as a string", (k) => k.delete("/k", { dir: "true" as never }), /dir must be true or false/],
  ["a value that is a number", (k) => k.set("/k", 5 as never), /value must be a string, got number/],
  ["a missing key", (k) => k.get(undefined as never), /key must be a string, got undefined/],
  ["an invalid signal", (k) => k.get("/k", { signal: {} as never }), /options\.signal must be an AbortSignal/],
  ["options that are a string", (k) => k.get("/k", "recursive" as never), /options must be an object, got string/],
  ["a lone surrogate in a key", (k) => k.get(`/${lone}`), /key contains a lone surrogate/],
  ["a lone surrogate in a value", (k) => k.set("/k", lone), /value contains a lone surrogate/],
  ["a lone surrogate in a value in order", (k) => k.createInOrder("/k", lone), /value contains a lone surrogate/],
  [
    "a lone surrogate in prevValue of set",
    (k) => k.set("/k", "v", { prevValue: lone }),
    /prevValue contains a lone surrogate/,
  ],
  [
    "a lone surrogate in prevValue of delete",
    (k) => k.delete("/k", { prevValue: lone }),
    /prevValue contains a lone surrogate/,
  ],
  ["unknown option of get", (k) => k.get("/k", { sorted: true } as never), /no field "sorted"/],
  ["unknown option of set", (k) => k.set("/k", "v", { prevvalue: "p" } as never), /no field "prevvalue"/],
  ["unknown option of create", (k) => k.create("/k", "v", { prevIndex: 5 } as never), /no field "prevIndex"/],
  ["unknown option of update", (k) => k.update("/k", "v", { prevExist: false } as never), /no field "prevExist"/],
  ["unknown option of refresh", (k) => k.refresh("/k", 5, { value: "v" } as never), /no field "value"/],
  [
    "unknown option of createInOrder",
    (k) => k.createInOrder("/k", "v", { prevIndex: 5 } as never),
    /no field "prevIndex"/,
  ],
  ["a value with dir", (k) => k.set("/k", "v", { dir: true }), /a directory has no value/],
  ["create: a value with dir", (k) => k.create("/k", "v", { dir: true }), /a directory has no value/],
  ["update: a value with dir", (k) => k.update("/k", "v", { dir: true }), /a directory has no value/],
  ["createInOrder: a value with dir", (k) => k.createInOrder("/k", "v", { dir: true }), /a directory has no value/],
  ["prevValue with dir", (k) => k.set("/k", "", { dir: true, prevValue: "p" }), /prevValue cannot be combined.*dir/],
  ["refresh: prevValue with dir", (k) => k.refresh("/k", 5, { dir: true, prevValue: "p" }), /prevValue cannot be/],
  ["resend with prevValue", (k) => k.set("/k", "v", { resend: true, prevValue: "p" }), /resend is for writes without/],
  ["resend with prevIndex", (k) => k.update("/k", "v", { resend: true, prevIndex: 4 }), /resend is for writes without/],
  ["resend with prevExist false", (k) => k.set("/k", "v", { resend: true, prevExist: false }), /resend is for writes/],
  [
    "resend when creating a directory",
    (k) => k.set("/k", "", { resend: true, dir: true }),
    /resend is for writes without/,
  ],
  ["resend as a string", (k) => k.refresh("/k", 5, { resend: "yes" as never }), /resend must be true or false/],
  ["unknown option of delete", (k) => k.delete("/k", { prevExist: true } as never), /no field "prevExist"/],
  [
    "delete with a prevValue of 5 kB (D23)",
    (k) => k.delete("/k", { prevValue: "secret".repeat(1_000) }),
    /request line would have 6\d{3} bytes, etcd takes 4096.*prevIndex/,
  ],
  ["get of a key of 5 kB (D23)", (k) => k.get("k".repeat(5_000)), /request line would have/],
  ["set of a key of 5 kB (D23)", (k) => k.set("k".repeat(5_000), "v"), /request line would have/],
];

for (const [name, call, message] of refusals) {
  test(`keys: refused before any I/O: ${name}`, async () => {
    const error = await refusal(call);
    assert.match(error.message, message);
    assert.doesNotMatch(error.message, /secret/);
  });
}

test("keys: watcher() throws on bad arguments", async () => {
  await using client = clientOf(["http://127.0.0.1:1"]);
  const keys = new KeysAPI(client);
  const bad: readonly (() => unknown)[] = [
    () => keys.watcher("a/../b"),
    () => keys.watcher(lone),
    () => keys.watcher("/k", { afterIndex: -1 }),
    () => keys.watcher("/k", { afterIndex: 2 ** 53 }),
    () => keys.watcher("/k", { recursive: 1 as never }),
    () => keys.watcher("/k", { waitIndex: 5 } as never),
    () => new KeysAPI(client, { prefix: "/v2/../x" }),
    () => new KeysAPI(client, { prefix: lone }),
    () => new KeysAPI(client, { Prefix: "/x" } as never),
    () => new KeysAPI(undefined as never),
    () => new KeysAPI({} as never),
  ];
  for (const make of bad) assert.throws(make, { name: "UsageError", code: "ERR_ARGUMENT" }, String(make));
});

test("keys: a prevValue of 20 kB is sent in the form of a PUT (D23)", async () => {
  const prevValue = "ü&=%".repeat(5_000);
  for (const call of [
    (k: KeysAPI) => k.set("/k", "v", { prevValue, prevIndex: 3 }),
    (k: KeysAPI) => k.update("/k", "v", { prevValue, prevIndex: 3 }),
  ]) {
    const { query, form } = await requestOf(call);
    assert.deepEqual(
      query.filter((field) => !field.startsWith("prevExist")),
      ["prevIndex=3"],
    );
    assert.deepEqual(form, [`prevValue=${prevValue}`, "value=v"]);
  }
});

test("keys: with noValueOnSuccess a set resolves to a summary, whether or not the server sends the node", async () => {
  for (const answer of [{ action: "set" }, { ...okBody, action: "set" }]) {
    const [, summary] = await exchangeOf((keys) => keys.set("/k", "v", { noValueOnSuccess: true }), { answer });
    assert.deepEqual(summary, { action: "set", index: 0, clusterId: "" });
  }
});

test("keys: without noValueOnSuccess a response without node is an error", async () => {
  await assert.rejects(
    requestOf((keys) => keys.set("/k", "v"), { answer: { action: "set" } }),
    { name: "ResponseError", code: "ERR_INVALID_JSON", outcome: "unknown" },
  );
});

for (const [quorumReads, quorum, sent] of [
  [true, undefined, true],
  [true, false, false],
  [false, true, true],
  [undefined, undefined, false],
] as const) {
  test(`keys: quorumReads ${String(quorumReads)} of the client and quorum ${String(quorum)} of the call send quorum=${String(sent)}`, async () => {
    const { query } = await requestOf((keys) => keys.get("/k", { quorum }), { client: { quorumReads } });
    assert.ok(query.includes(`quorum=${String(sent)}`), query.join("&"));
  });
}

test("keys: the error of a failed comparison by value does not contain the stored value", async () => {
  const refused = { errorCode: 101, message: "Compare failed", cause: "[mine != stored-secret]", index: 9 };
  await using server = await ScriptedServer.start(reply(412, refused));
  await using client = clientOf([server]);
  const keys = new KeysAPI(client);
  for (const call of [
    () => keys.set("/k", "v", { prevValue: "mine" }),
    () => keys.update("/k", "v", { prevValue: "mine" }),
    () => keys.delete("/k", { prevValue: "mine" }),
  ]) {
    await assert.rejects(call, (error: Error) => {
      assert.doesNotMatch(JSON.stringify(error) + String(error.stack), /stored-secret/);
      assert.match(error.message, /^101: Compare failed/);
      return true;
    });
  }
  await assert.rejects(() => keys.delete("/k", { prevIndex: 3 }), { serverCause: refused.cause });
});

test("keys: the compiler knows what each method returns: it is not any", () => {
  // @ts-expect-error a response is not a number
  const response: Awaited<ReturnType<KeysAPI["get"]>> = 1;
  // @ts-expect-error a watcher is not a number
  const watcher: ReturnType<KeysAPI["watcher"]> = 1;
  // @ts-expect-error a method takes no callback
  const withCallback = (keys: KeysAPI): unknown => keys.get("/k", {}, () => undefined);
  assert.deepEqual([response, watcher, withCallback.length], [1, 1, 1]);
});
