import assert from "node:assert/strict";
import test from "node:test";
import type { RequestSpec } from "../http/exchange.js";
import { EndpointError, ResponseError } from "../util/errors.js";
import { baseOf, Gateway, GatewayError } from "./gateway.js";

test("gateway: origin, base path and the endpoint's own query are taken from a URL, and nothing else", () => {
  const cases: readonly (readonly [url: string, path: string, query: string | undefined, base: string, own: string])[] =
    [
      ["http://h:1/v2/keys/a", "/v2/keys/a", undefined, "http://h:1", ""],
      ["http://h:1/base/v2/keys/a%20b?quorum=true", "/v2/keys/a%20b", "quorum=true", "http://h:1/base", ""],
      ["http://h:1/v2/keys/a?quorum=true&token=x", "/v2/keys/a", "quorum=true", "http://h:1", "token=x"],
      ["http://h:1/v2/keys/a?a=1&a=1&b=2", "/v2/keys/a", "a=1&b=2", "http://h:1", "a=1"],
    ];
  for (const [url, path, query, base, own] of cases) {
    assert.deepEqual(baseOf(new URL(url), { method: "GET", path, query }), { url: base, query: own }, url);
  }
});

const answering = (
  status: number,
  body: string,
  seen: RequestSpec[] = [],
  headers: Readonly<Record<string, string>> = {},
): Gateway =>
  new Gateway(
    (_url, spec) => {
      seen.push(spec);
      return Promise.resolve({ status, headers, body });
    },
    { url: "http://h:1", query: "token=x" },
  );

test("gateway: a refusal is known by its code, in the old and the new format", async () => {
  const bodies = [
    '{"error":"etcdserver: requested lease not found","message":"etcdserver: requested lease not found","code":5}',
    '{"code":5, "message":"etcdserver: requested lease not found"}',
  ];
  for (const body of bodies) {
    await assert.rejects(answering(404, body).post("/v3/kv/put", {}, { signal: undefined }), (error) => {
      assert.ok(error instanceof GatewayError);
      assert.deepEqual(
        [error.code, error.message, error.readOnly],
        [5, "etcdserver: requested lease not found", false],
      );
      return true;
    });
  }
});

test("gateway: the error for a server without a gateway names the flag, and nothing was applied (V64)", async () => {
  for (const body of ["404 page not found\n", ""]) {
    await assert.rejects(answering(404, body).post("/v3/kv/txn", {}, { signal: undefined }), (error) => {
      assert.ok(error instanceof ResponseError);
      assert.match(error.message, /--enable-grpc-gateway.*configuration file/);
      assert.equal(error.outcome, "notApplied");
      return true;
    });
  }
});

test("gateway: a proxy's error is one of the endpoint; its outcome depends on what was asked", async () => {
  for (const [readOnly, outcome] of [
    [true, "notApplied"],
    [false, "unknown"],
  ] as const) {
    await assert.rejects(answering(502, "<html>").post("/v3/kv/txn", {}, { signal: undefined, readOnly }), (error) => {
      assert.ok(error instanceof EndpointError);
      assert.deepEqual([error.code, error.status, error.outcome], ["ERR_SERVER", 502, outcome]);
      return true;
    });
  }
});

test("gateway: a proxy's page for a missing path proves nothing about a write", async () => {
  const page = answering(404, "<html>").post("/v3/kv/txn", {}, { signal: undefined });
  await assert.rejects(page, (error) => error instanceof ResponseError && error.outcome === "unknown");
});

test("gateway: an error has the time that the server asks to wait, whatever its body is", async () => {
  const bodies = ["<html>", '{"code":14,"message":"busy"}'];
  for (const status of [408, 429, 503]) {
    for (const body of bodies) {
      const refused = answering(status, body, [], { "retry-after": "7" });
      await assert.rejects(refused.post("/v3/kv/range", {}, { signal: undefined }), { retryAfterMs: 7_000 });
    }
  }
});

test("gateway: a request is a POST of JSON with the bare token, a line for people and the endpoint's query", async () => {
  const seen: RequestSpec[] = [];
  const gateway = answering(200, '{"header":{"revision":"2"},"succeeded":true}', seen);
  const json = await gateway.post(
    "/v3/kv/txn",
    { a: 1 },
    { signal: undefined, token: "t.1", note: "set /a", readOnly: true },
  );
  assert.deepEqual(json, { header: { revision: "2" }, succeeded: true });
  const [spec] = seen;
  assert.deepEqual(
    [spec?.method, spec?.path, spec?.query, spec?.body, spec?.headers, spec?.note, spec?.readOnly],
    [
      "POST",
      "/v3/kv/txn",
      "token=x",
      '{"a":1}',
      { "content-type": "application/json", authorization: "t.1" },
      "set /a",
      true,
    ],
  );
});
