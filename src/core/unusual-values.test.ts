import assert from "node:assert/strict";
import test from "node:test";
import type { Exchange, Sender } from "../http/exchange.js";
import { clusterOf, rejection, settled } from "../test-kit/scripted-cluster.js";
import {
  clientOf,
  closeUnanswered,
  event,
  ok,
  okBody,
  reply,
  ScriptedServer,
  type Answer,
} from "../test-kit/scripted-server.js";
import { patience } from "../test-kit/waiting.js";
import { ClusterError, EtcdError, ResponseError, UsageError } from "../util/errors.js";
import { AuthAPI, AuthRoleAPI, AuthUserAPI } from "./auth.js";
import { Client } from "./client.js";
import { KeysAPI } from "./keys.js";
import { MembersAPI } from "./members.js";
import { SrvDiscoverer } from "./srv-discoverer.js";
import type { KeyNode } from "./types.js";

const headers = { "x-etcd-index": "9" };

/** The response to a get of a tree with that many levels, as text: JSON.stringify would overflow the stack. */
function deepTree(levels: number): Answer {
  const file = '{"key":"/f","value":"v","modifiedIndex":7,"createdIndex":7}';
  const open = '{"key":"/d","dir":true,"modifiedIndex":7,"createdIndex":7,"nodes":[';
  return (response) => {
    response
      .writeHead(200, { "content-type": "application/json", ...headers })
      .end(`{"action":"get","node":${open.repeat(levels)}${file}${"]}".repeat(levels)}}`);
  };
}

for (const prefix of ["/v2/keys", "/v2/keys/app"]) {
  test(`unusual values: a tree of 100,000 levels is read, under ${prefix} (FF41)`, async (t) => {
    const levels = 100_000;
    const { client } = await clusterOf(t, [[deepTree(levels)]]);
    const { node } = await new KeysAPI(client, { prefix }).get("/d", { recursive: true });
    let [depth, at]: [number, KeyNode] = [0, node];
    for (let child = at.nodes[0]; child !== undefined; child = at.nodes[0]) [depth, at] = [depth + 1, child];
    assert.deepEqual([depth, at.value], [levels, "v"]);
  });
}

/** The response to a get of a directory with that many keys, of which the last has that value. */
function wideTree(dir: string, count: number, last: unknown): Answer {
  const nodes = Array.from({ length: count }, (_, i) => ({
    key: `${dir}/${String(i)}`,
    value: i === count - 1 ? last : "v".repeat(50),
    modifiedIndex: i + 1,
    createdIndex: 1,
  }));
  const half = { key: dir, dir: true, modifiedIndex: 1, createdIndex: 1 };
  return reply(200, { action: "get", node: { ...half, nodes }, prevNode: { ...half, nodes } }, headers);
}

for (const count of [100, 50_000]) {
  test(`unusual values: ${count.toLocaleString("en")} nodes are read whole and in order (FF41)`, async (t) => {
    const { client } = await clusterOf(t, [[wideTree("/app/d", count, "end")]]);
    const response = await new KeysAPI(client, { prefix: "/v2/keys/app" }).get("/d", { recursive: true });
    for (const tree of [response.node, response.prevNode]) {
      const nodes = tree?.nodes ?? [];
      assert.equal(tree?.key, "/d");
      assert.deepEqual(
        nodes.map(({ key }) => key),
        nodes.map((_, i) => `/d/${String(i)}`),
      );
      assert.equal(nodes.length, count);
      assert.deepEqual(nodes.at(-1), {
        ...nodes[0],
        key: `/d/${String(count - 1)}`,
        value: "end",
        modifiedIndex: count,
      });
    }
  });

  test(`unusual values: a bad one among ${count.toLocaleString("en")} nodes is a ResponseError (FF41)`, async (t) => {
    const { keys } = await clusterOf(t, [[wideTree("/d", count, 5)]]);
    const { code, message } = await rejection(keys.get("/d"), ResponseError);
    assert.equal(code, "ERR_INVALID_JSON");
    assert.match(message, /"value" is not a string(?:; is this an etcd\?)?$/);
  });
}

test("unusual values: an abort while a large response is decoded rejects with its reason (FF41)", async (t) => {
  const [abort, reason] = [new AbortController(), new Error("enough")];
  const { client } = await clusterOf(t, [[wideTree("/d", 50_000, "end")]]);
  // aborts once the response is there
  const sender: Sender = {
    send: async (spec, signal) => {
      const raw = await client.send(spec, signal);
      setImmediate(() => {
        abort.abort(reason);
      });
      return raw;
    },
  };
  await assert.rejects(new KeysAPI(sender).get("/d", { signal: abort.signal }), (error) => error === reason);
});

test("unusual values: a bad node at any depth is a ResponseError (FF41)", async (t) => {
  for (const nodes of [[5], [{ key: "/d/a", dir: true, nodes: [{ key: "/d/a/b", value: 5 }] }], [null], ["x"]]) {
    const { keys } = await clusterOf(t, [[reply(200, { action: "get", node: { key: "/d", dir: true, nodes } })]]);
    assert.equal((await rejection(keys.get("/d"), ResponseError)).code, "ERR_INVALID_JSON");
  }
});

test("unusual values: children keep their order at every level (FF41)", async (t) => {
  const leaf = (key: string): object => ({ key, value: key, modifiedIndex: 1, createdIndex: 1 });
  const dir = (key: string, nodes: readonly object[]): object => ({ key, dir: true, nodes });
  const tree = dir("/d", [dir("/d/a", [leaf("/d/a/1"), leaf("/d/a/2")]), leaf("/d/b"), dir("/d/c", [leaf("/d/c/1")])]);
  const { keys } = await clusterOf(t, [[reply(200, { action: "get", node: tree })]]);
  const { node } = await keys.get("/d", { recursive: true });
  const flat = (at: KeyNode): readonly string[] => [at.key, ...at.nodes.flatMap(flat)];
  assert.deepEqual(flat(node), ["/d", "/d/a", "/d/a/1", "/d/a/2", "/d/b", "/d/c", "/d/c/1"]);
});

for (const status of [408, 425, 429, 499]) {
  test(`unusual values: a read refused with ${String(status)} and a message has the outcome notApplied (FF44)`, async (t) => {
    const { client, keys } = await clusterOf(t, [[reply(status, { message: "slow down" })]]);
    for (const call of [
      () => keys.get("/k"),
      () => new MembersAPI(client).list(),
      () => new MembersAPI(client).leader(),
      () => new AuthUserAPI(client).get("eve"),
      () => new AuthRoleAPI(client).list(),
      () => new AuthAPI(client).status(),
      () => client.version(),
    ]) {
      assert.equal((await rejection(call(), EtcdError)).outcome, "notApplied");
    }
    assert.equal((await rejection(keys.set("/k", "v"), EtcdError)).outcome, "unknown");
  });
}

test("unusual values: every class of the core names the argument that is undefined or null (FF48)", () => {
  const client = new Client({ endpoints: ["http://127.0.0.1:1"] });
  for (const nothing of [undefined, null] as unknown as readonly never[]) {
    for (const make of [
      () => new Client(nothing),
      () => new KeysAPI(nothing),
      () => new MembersAPI(nothing),
      () => new AuthAPI(nothing),
      () => new AuthUserAPI(nothing),
      () => new AuthRoleAPI(nothing),
      () => new KeysAPI(client).watcher(nothing),
    ]) {
      assert.throws(make, (error) => error instanceof UsageError && /must|needs/.test(error.message), String(make));
    }
  }
  const none = null as unknown as undefined;
  for (const make of [
    () => new KeysAPI(client, none),
    () => new SrvDiscoverer(none),
    () => new KeysAPI(client).watcher("/k", none),
  ]) {
    assert.throws(make, { name: "UsageError" }, String(make));
  }
});

/** Errors of a transport, and whether they are programming errors. */
const thrown: readonly (readonly [string, unknown, boolean])[] = [
  ["a TypeError", new TypeError("undefined is not a function"), true],
  ["a ReferenceError", new ReferenceError("x is not defined"), true],
  ["a missing module", Object.assign(new Error("Cannot find module 'x'"), { code: "MODULE_NOT_FOUND" }), true],
  ["a missing ES module", Object.assign(new Error("Cannot find package 'x'"), { code: "ERR_MODULE_NOT_FOUND" }), true],
  ["a TypeError of another realm", { name: "TypeError", message: "x" }, true],
  [
    "what fetch throws",
    Object.assign(new TypeError("fetch failed", { cause: Object.assign(new Error("x"), { code: "ECONNREFUSED" }) })),
    false,
  ],
  ["a plain error", new Error("no route"), false],
  ["a system error", Object.assign(new Error("read ECONNRESET"), { code: "ECONNRESET" }), false],
  ["a string", "broken", false],
];
for (const [name, error, isProgram] of thrown) {
  test(`unusual values: a transport that rejects with ${name}: ${isProgram ? "unchanged" : "as a failure of the endpoint"} (FF52)`, async () => {
    for (const transport of [
      () => Promise.reject(error),
      () => {
        throw error;
      },
    ] as readonly Exchange[]) {
      await using client = new Client({ endpoints: ["http://127.0.0.1:1"], transport });
      const result = await settled(new KeysAPI(client).set("/k", "v"));
      if (isProgram) assert.equal(result, error);
      else assert.ok(result instanceof ClusterError && result.outcome === "unknown", String(result));
    }
  });
}

for (const [prefix, key, answered, expected] of [
  ["/v2/keys/app", "/d/f", "/app/d/f", "/d/f"],
  ["/v2/keys/app/", "/d/f", "/app/d/f", "/d/f"],
  ["/v2/keys/a/b", "/f", "/a/b/f", "/f"],
  ["/v2/keys/app", "/", "/app", "/"],
  ["/v2/keys", "/app/f", "/app/f", "/app/f"],
  ["/proxy/keys", "/f", "/f", "/f"],
] as const) {
  test(`unusual values: under the prefix ${prefix} a response to ${key} has a key that can be used again (FF54)`, async (t) => {
    const node = { key: answered, value: "v", modifiedIndex: 7, createdIndex: 7 };
    const answer = reply(200, { action: "set", node, prevNode: node }, headers);
    const { client, server } = await clusterOf(t, [[answer]]);
    const keys = new KeysAPI(client, { prefix });
    const set = await keys.set(key, "v");
    assert.deepEqual([set.node.key, set.prevNode?.key], [expected, expected]);
    await keys.get(set.node.key);
    const [first, second] = server(0).requests.map(({ path }) => path.replace(/\/$/, ""));
    assert.equal(first, second);
  });
}

test("unusual values: under a prefix that is a namespace, events have keys that can be used again (FF54)", async () => {
  const node = (key: string): object => ({ node: { key, value: "v", modifiedIndex: 7, createdIndex: 7 } });
  for (const [key, expected] of [
    ["/app/d/f", "/d/f"],
    ["/app", "/"],
  ] as const) {
    await using server = await ScriptedServer.start(event(7, {}, node(key)));
    await using client = clientOf([server]);
    const keys = new KeysAPI(client, { prefix: "/v2/keys/app" });
    const watcher = keys.watcher("/d", { afterIndex: 6, recursive: true });
    assert.equal((await watcher.next(patience())).node.key, expected);
  }
});

test("unusual values: a response has its member's raft index and term if the server sends them", async (t) => {
  const raft = { ...headers, "x-raft-index": "42", "x-raft-term": "3" };
  const { keys, server } = await clusterOf(t, [[reply(200, okBody, raft)]]);
  assert.deepEqual((await keys.get("/k")).raft, { index: 42, term: 3 });
  const summary = await keys.set("/k", "v", { noValueOnSuccess: true });
  assert.deepEqual(summary.raft, { index: 42, term: 3 });
  for (const odd of [
    {},
    { "x-raft-index": "poo", "x-raft-term": "3" },
    { "x-raft-index": "5" },
    { "x-raft-index": "0" },
  ]) {
    server(0).script(reply(200, okBody, { ...headers, ...odd }));
    assert.equal("raft" in (await keys.get("/k")), "x-raft-index" in odd && odd["x-raft-index"] === "5");
  }
});

test("unusual values: a plain write to a single endpoint is sent once more on a new connection if the kept one was closed", async (t) => {
  for (const [call, times] of [
    [(keys: KeysAPI) => keys.set("/k", "v"), 3],
    [(keys: KeysAPI) => keys.update("/k", "v"), 3],
    [(keys: KeysAPI) => keys.create("/k", "v"), 2],
    [(keys: KeysAPI) => keys.delete("/k"), 2],
  ] as const) {
    const { keys, counts } = await clusterOf(t, [[ok(), closeUnanswered(), ok()]]);
    await keys.get("/k");
    const result = await settled(call(keys));
    if (times === 3) assert.ok(!(result instanceof Error), String(result));
    else assert.ok(result instanceof ClusterError && result.outcome === "unknown");
    assert.deepEqual(counts(), [times]);
  }
});

test("unusual values: a plain write to a single endpoint is sent at most twice, and its outcome is then unknown", async (t) => {
  const { keys, server, counts } = await clusterOf(t, [[ok(), closeUnanswered()]]);
  await keys.get("/k");
  const error = await rejection(keys.set("/k", "v"), ClusterError);
  assert.deepEqual([error.outcome, error.errors.length, counts()], ["unknown", 2, [3]]);
  server(0).script(
    ok(),
    closeUnanswered(),
    reply(404, { errorCode: 100, message: "Key not found", cause: "/k", index: 5 }),
  );
  await keys.get("/k");
  assert.equal((await rejection(keys.update("/k", "v"), EtcdError)).outcome, "unknown");
});

test("unusual values: messages quote only the beginning of a long server message", async (t) => {
  const long = "secret".repeat(5_000);
  for (const [status, body] of [
    [403, { errorCode: 102, message: long, cause: long, index: 5 }],
    [409, { message: long }],
    [500, { errorCode: 300, message: long, cause: long, index: 5 }],
  ] as const) {
    const { keys } = await clusterOf(t, [[reply(status, body)]]);
    const error = await settled(keys.delete("/k"));
    assert.ok(error instanceof Error && error.message.length < 2_000, String((error as Error).message.length));
  }
  const { keys } = await clusterOf(t, [[reply(404, "<html>", { "content-type": `text/${long.slice(0, 8_000)}` })]]);
  assert.ok((await rejection(keys.get("/k"), ResponseError)).message.length < 1_000);
});
