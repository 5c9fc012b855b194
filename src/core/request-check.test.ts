import assert from "node:assert/strict";
import test from "node:test";
import { rejection } from "../test-kit/scripted-cluster.js";
import { clientOf, ok, ScriptedServer } from "../test-kit/scripted-server.js";
import { UsageError } from "../util/errors.js";
import { KeysAPI } from "./keys.js";
import type { RequestSpec } from "../http/exchange.js";

const path = "/v2/keys/k";
const get = { method: "GET", path };
const put = { method: "PUT", path };

const bad: readonly (readonly [string, unknown, RegExp])[] = [
  ["undefined", undefined, /spec must be an object with "method" and "path", got undefined/],
  ["null", null, /spec must be an object with "method" and "path", got null/],
  ["a string", "GET /k", /spec must be an object with "method" and "path", got string/],
  ["an array", [get], /spec must be an object with "method" and "path", got an array/],
  ["no path", { method: "GET" }, /spec\.path must be a string, got undefined/],
  ["no method", { path }, /spec\.method must be one of GET, PUT, POST, DELETE, got undefined/],
  ["an unknown method", { method: "PATCH", path }, /spec\.method must be one of .*, got "PATCH"/],
  ["a method in lower case", { method: "get", path }, /spec\.method must be one of .*, got "get"/],
  ["a path that changes the port", { method: "GET", path: "1/x" }, /spec\.path must begin with one "\/"/],
  ["a path that changes the host", { method: "GET", path: "@secret.example/x" }, /spec\.path must begin with one "\/"/],
  [
    "a path that continues the host",
    { method: "GET", path: ".secret.example/x" },
    /spec\.path must begin with one "\/"/,
  ],
  ["an empty path", { method: "GET", path: "" }, /spec\.path must begin with one "\/"/],
  ["two slashes", { method: "GET", path: "//secret.example/x" }, /spec\.path must begin with one "\/"/],
  ["a backslash", { method: "GET", path: "/\\secret.example/x" }, /spec\.path must be percent-encoded/],
  ["a query in the path", { method: "GET", path: `${path}?quorum=true` }, /its query belongs in spec\.query/],
  ["a fragment", { method: "GET", path: `${path}#secret` }, /spec\.path must be percent-encoded/],
  ["a line break", { method: "GET", path: `${path}\r\nsecret: x` }, /spec\.path must be percent-encoded/],
  ["a letter that is not ASCII", { method: "GET", path: `${path}é` }, /spec\.path must be percent-encoded/],
  ["a dot segment", { method: "GET", path: "/v2/keys/../members" }, /must not contain a segment "\." or "\.\."/],
  ["an encoded dot segment", { method: "GET", path: "/v2/keys/%2e%2E/x" }, /must not contain a segment/],
  ["a path that is a number", { method: "GET", path: 5 }, /spec\.path must be a string, got number/],
  ["a query that is an object", { ...get, query: { a: "secret" } }, /spec\.query must be a string, got object/],
  ["a query with a fragment", { ...get, query: "a=b#secret" }, /spec\.query must be percent-encoded/],
  ["headers that are a list", { ...get, headers: ["a: secret"] }, /spec\.headers must be an object, got an array/],
  [
    "a header with a line break",
    { ...get, headers: { a: "b\r\nsecret: c" } },
    /spec\.headers\["a"\] contains a character/,
  ],
  ["a header that is a number", { ...get, headers: { a: 5 } }, /spec\.headers\["a"\] must be a string, got number/],
  ["a header name in upper case", { ...get, headers: { Authorization: "secret" } }, /must be in lower case/],
  ["a header name with a space", { ...get, headers: { "a b": "secret" } }, /a name that HTTP does not allow/],
  ["a body that is an object", { ...put, body: { value: "secret" } }, /spec\.body must be a string, got object/],
  ["a body that is a number", { ...put, body: 5 }, /spec\.body must be a string, got number/],
  ["a body with a lone surrogate", { ...put, body: "secret\ud800" }, /spec\.body contains a lone surrogate/],
  ["bytes that are a string", { ...put, bytes: "secret" }, /spec\.bytes must be a Uint8Array, got string/],
  ["body and bytes", { ...put, body: "a", bytes: Buffer.from("b") }, /body and bytes/],
  ["a GET with a body", { ...get, body: "secret" }, /a GET request has no body/],
  ["oneShot as text", { ...put, oneShot: "yes" }, /spec\.oneShot must be true or false/],
  ["longPoll as a number", { ...get, longPoll: 1 }, /spec\.longPoll must be true or false/],
  [
    "limits without idleMs",
    { ...get, limits: { headersMs: 5 } },
    /spec\.limits\.idleMs must be a number of milliseconds/,
  ],
  ["limits of 0", { ...get, limits: { headersMs: 0, idleMs: 5 } }, /spec\.limits\.headersMs must be a number/],
  ["onHeaders that is not a function", { ...get, onHeaders: {} }, /spec\.onHeaders must be a function/],
  ["an unknown field", { ...get, url: "http://secret" }, /spec has no field "url"/],
];

for (const [name, spec, message] of bad) {
  test(`Client.send: ${name} is refused before any I/O (FF9)`, async () => {
    await using server = await ScriptedServer.start(ok());
    await using client = clientOf([server], { username: "root", password: "secret" });
    const error = await rejection(client.send(spec as RequestSpec), UsageError);
    assert.equal(error.code, "ERR_ARGUMENT");
    assert.match(error.message, message);
    assert.doesNotMatch(error.message, /secret/);
    assert.equal(server.connections, 0);
  });
}

test("Client.send: a request with every field is sent (FF9)", async () => {
  await using server = await ScriptedServer.start(ok());
  await using client = clientOf([server]);
  const heads: number[] = [];
  const spec: RequestSpec = {
    method: "POST",
    path: "/v2/keys/a%20b/~!$&'()*+,;=:@",
    query: "a=b%20c&d=e+f",
    headers: { "content-type": "text/plain", "x-a": "é" },
    bytes: new Uint8Array([1, 2]),
    oneShot: true,
    limits: { headersMs: Infinity, idleMs: 60_000 },
    onHeaders: ({ status }) => void heads.push(status),
    note: "for the log",
  };
  assert.equal((await client.send(spec)).status, 200);
  assert.deepEqual(heads, [200]);
  assert.equal(server.requests[0]?.target, `${spec.path}?${spec.query ?? ""}`);
});

test("Client.send: what is made of a request of KeysAPI is checked, and so is a later one (FF9)", async () => {
  await using server = await ScriptedServer.start(ok());
  await using client = clientOf([server]);
  const keys = new KeysAPI(client);
  const changing = keys.wrapped((sender) => ({
    send: (spec, signal) => sender.send({ ...spec, path: "1/x" }, signal),
  }));
  await rejection(changing.get("/k"), UsageError);
  const kept: RequestSpec[] = [];
  const keeping = keys.wrapped((sender) => ({
    send: (spec, signal) => {
      kept.push(spec);
      return sender.send(spec, signal);
    },
  }));
  await keeping.get("/k");
  const [spec] = kept;
  assert.ok(spec !== undefined);
  await rejection(client.send(Object.assign(spec, { path: "1/x" })), UsageError);
  assert.equal(server.requests.length, 1);
});
