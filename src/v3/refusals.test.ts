import assert from "node:assert/strict";
import test from "node:test";
import {
  AuthAPI,
  Client,
  ClusterError,
  EndpointError,
  EtcdError,
  isUnauthorized,
  KeysAPI,
  ResponseError,
  type Exchange,
  type KeysResponse,
} from "../core/index.js";
import { retryAfterOf } from "../util/transient.js";
import { base64 } from "./layout.js";
import { v3Protocol } from "./protocol.js";
import { headerAt, scriptedGateway, type Scripted, type SeenCall } from "./test-kit/scripted-gateway.js";

const formats = ["old", "new"] as const;

const put: Scripted = { header: headerAt(7), succeeded: true, responses: [{ response_put: {} }] };
const file = { key: base64("/k"), value: base64("v"), create_revision: "3", mod_revision: "5", version: "2" };
const found = { response_range: { kvs: [file], count: "1" } };
const none = { response_range: {} };
/** To a lean transaction: a compare failed, nothing is read. The whole one tells why. */
const failed: Scripted = { header: headerAt(9) };

/** What the gateway says to a call, and what the caller gets. */
const results: readonly {
  readonly name: string;
  readonly call: (keys: KeysAPI) => Promise<KeysResponse>;
  readonly says: readonly Scripted[];
  readonly gets: string;
}[] = [
  {
    name: "get",
    call: (keys) => keys.get("/k"),
    says: [{ header: headerAt(9), kvs: [file], count: "1" }],
    gets: "get /k=v 3 5 at 9",
  },
  { name: "set", call: (keys) => keys.set("/k", "w"), says: [put], gets: "set /k=w 7 7 at 7" },
  {
    name: "set over a file",
    call: (keys) => keys.set("/k", "w"),
    says: [{ header: headerAt(7), succeeded: true, responses: [{ response_put: { prev_kv: file } }] }],
    gets: "set /k=w 3 7 at 7 (v)",
  },
  {
    name: "create of what is there",
    call: (keys) => keys.create("/k", "w"),
    says: [failed, { header: headerAt(9), responses: [found, none] }],
    gets: "105 /k at 9",
  },
  {
    name: "a comparison",
    call: (keys) => keys.set("/k", "w", { prevIndex: 4 }),
    says: [failed, { header: headerAt(9), responses: [found, none] }],
    gets: "101 [4 != 5] at 9",
  },
  {
    name: "set below a file",
    call: (keys) => keys.set("/k/x", "w"),
    says: [{ header: headerAt(9), responses: [found, none, none, none] }],
    gets: "104 /k at 9",
  },
  {
    name: "delete",
    call: (keys) => keys.delete("/k"),
    says: [{ header: headerAt(9), succeeded: true, responses: [{ response_delete_range: { prev_kvs: [file] } }] }],
    gets: "delete /k= 3 9 at 9 (v)",
  },
  {
    name: "set with a TTL",
    call: (keys) => keys.set("/k", "w", { ttl: 1 }),
    says: [{ header: headerAt(6), ID: "77", TTL: "2" }, put],
    gets: "set /k=w 7 7 at 7 ttl 2",
  },
  {
    name: "set with a TTL whose lease ran out on the way",
    call: (keys) => keys.set("/k", "w", { ttl: 1 }),
    says: [
      { header: headerAt(6), ID: "77", TTL: "2" },
      { refusal: 5, words: "etcdserver: requested lease not found" },
      { header: headerAt(6), ID: "78", TTL: "2" },
      put,
    ],
    gets: "set /k=w 7 7 at 7 ttl 2",
  },
  {
    name: "set with a TTL whose lease ran out after the lean transaction",
    call: (keys) => keys.set("/k", "w", { ttl: 1, prevIndex: 5 }),
    says: [
      { header: headerAt(6), ID: "77", TTL: "2" },
      failed,
      { refusal: 5, words: "etcdserver: requested lease not found" },
      { header: headerAt(6), ID: "78", TTL: "2" },
      put,
    ],
    gets: "compareAndSwap /k=w 7 7 at 7 ttl 2",
  },
];

for (const format of formats) {
  test(`keys: calls bring v2's results over a scripted gateway, ${format} format (V3)`, async () => {
    for (const { name, call, says, gets } of results) {
      const left = [...says];
      const { keys } = scriptedGateway(() => left.shift() ?? assert.fail(`${name}: one request too many`), { format });
      assert.equal(await call(keys).then(textOf, errorText), gets, name);
      assert.deepEqual(left, [], `${name}: all was asked`);
    }
  });

  test(`keys: a refusal is recognized by its code, not by its status; words tell only two meanings of 8 apart, ${format} format (V3, V20)`, async () => {
    const authOff: Scripted = { refusal: 9, words: "etcdserver: authentication is not enabled" };
    const said = (refusal: number, words: string) => (call: SeenCall) =>
      call.path === "/v3/auth/authenticate" ? authOff : { refusal, words };
    const write = async (code: number, words = "any words"): Promise<unknown> =>
      scriptedGateway(said(code, words), { format })
        .keys.create("/k", "v")
        .catch((error: unknown) => error);
    for (const code of [7, 16]) assert.ok(isUnauthorized(await write(code)), String(code));
    const larger = "grpc: received message larger than max (2097185 vs. 2097152)";
    for (const [code, words] of [
      [3, "any words"],
      [8, larger],
    ] as const) {
      const error = await write(code, words);
      assert.ok(error instanceof EtcdError);
      assert.deepEqual([error.errorCode, error.outcome], [210, "notApplied"], String(code));
      assert.ok(error.serverCause.startsWith(`${words} (the server's limit is --max-request-bytes`));
    }
    // 1: the server is being stopped; 8: it is overloaded, or has no space, which it says of writes that it has carried out, too
    for (const code of [1, 2, 8, 14]) {
      const error = await write(code);
      assert.ok(error instanceof ClusterError);
      const [first] = error.errors;
      assert.ok(first instanceof EndpointError);
      const told = [first.code, first.errorCode, first.serverCause, error.outcome];
      assert.deepEqual(told, ["ERR_SERVER", 300, "any words", "unknown"], String(code));
    }
    for (const code of [5, 9, 11]) {
      const error = await write(code);
      assert.ok(error instanceof ResponseError, String(code));
      assert.deepEqual([error.code, error.outcome], ["ERR_STATUS", "notApplied"]);
    }
    const aborted = await write(10);
    assert.ok(aborted instanceof ResponseError && aborted.outcome === "unknown", "of a code that etcd does not use");
  });

  test(`keys: without credentials, while authentication is on, a bad request is a missing user, ${format} format (V3)`, async () => {
    const { keys, calls } = scriptedGateway(
      ({ path }) => (path === "/v3/auth/authenticate" ? { refusal: 3 } : { refusal: 3, words: "any words" }),
      { format },
    );
    const error: unknown = await keys.get("/k").catch((each: unknown) => each);
    assert.ok(isUnauthorized(error));
    assert.deepEqual(
      calls.map(({ path }) => path),
      ["/v3/kv/range", "/v3/auth/authenticate"],
    );
  });
}

test("keys: an error of the gateway has the time that a proxy asks to wait (V3)", async () => {
  for (const [code, status] of [
    [14, 503],
    [429, 429],
  ] as const) {
    const transport: Exchange = () => {
      const body = JSON.stringify({ code, message: "busy" });
      return Promise.resolve({ status, headers: { "retry-after": "7" }, body });
    };
    await using client = new Client({ endpoints: ["http://gateway:2379"], transport, protocol: v3Protocol() });
    const error: unknown = await new KeysAPI(client).get("/k").catch((each: unknown) => each);
    assert.equal(retryAfterOf(error), 7_000, String(error));
  }
});

test("auth: whether it is on is not told by a server that cannot know", async () => {
  const status = (code: number): Promise<boolean> =>
    new AuthAPI(scriptedGateway(() => ({ refusal: code, words: "any words" })).client).status();
  assert.deepEqual([await status(3), await status(9)], [true, false]);
  for (const code of [1, 2, 14]) await assert.rejects(status(code), (error) => error instanceof ClusterError);
});

test("keys: an index above 2^53 is an error, never rounded (V3)", async () => {
  const { keys } = scriptedGateway(() => ({
    header: { ...headerAt(1), revision: "9007199254740993" },
    succeeded: true,
    responses: [{ response_put: {} }],
  }));
  await assert.rejects(keys.set("/k", "v"), (error) => error instanceof ResponseError && error.outcome === "unknown");
});

test("keys: an empty object in place of a response is an error, not a compare that failed or an empty directory (V3)", async () => {
  const calls: Readonly<Record<string, (keys: KeysAPI) => Promise<KeysResponse>>> = {
    create: (keys) => keys.create("/k", "v"),
    createInOrder: (keys) => keys.createInOrder("/d", "v"),
    delete: (keys) => keys.delete("/k"),
    get: (keys) => keys.get("/"),
  };
  const outcomes: unknown[] = [];
  for (const [name, call] of Object.entries(calls)) {
    const look = { header: headerAt(9), responses: [none] };
    // a key in order looks for the marker first
    const { keys, calls: seen } = scriptedGateway(({ body }) =>
      name === "createInOrder" && !("compare" in body) ? look : {},
    );
    const error: unknown = await call(keys).catch((each: unknown) => each);
    assert.ok(error instanceof ResponseError, name);
    outcomes.push(`${name} ${error.code} ${error.outcome} ${String(seen.length)}`);
  }
  assert.deepEqual(outcomes, [
    "create ERR_INVALID_JSON unknown 1",
    "createInOrder ERR_INVALID_JSON unknown 2",
    "delete ERR_INVALID_JSON unknown 1",
    "get ERR_INVALID_JSON notApplied 1",
  ]);
});

function textOf({ action, node, prevNode, index }: KeysResponse): string {
  const { key, value, createdIndex, modifiedIndex, ttl } = node;
  const before = prevNode === undefined ? "" : ` (${prevNode.value})`;
  const time = ttl === undefined ? "" : ` ttl ${String(ttl)}`;
  return `${action} ${key}=${value} ${String(createdIndex)} ${String(modifiedIndex)} at ${String(index)}${before}${time}`;
}

function errorText(error: unknown): string {
  assert.ok(error instanceof EtcdError, String(error));
  return `${String(error.errorCode)} ${error.serverCause} at ${String(error.index)}`;
}
