import assert from "node:assert/strict";
import test from "node:test";
import { ClusterError, EndpointError, EtcdError, ResponseError, UsageError } from "./errors.js";
import { isTransient, isTransientStatus, parseRetryAfter, retryAfterOf } from "./transient.js";

const endpoint = new EndpointError("ERR_NETWORK", "x", { endpoint: "http://a", outcome: "unknown" });

function response(status: number, code: ResponseError["code"] = "ERR_STATUS"): ResponseError {
  return new ResponseError(code, "x", { status, outcome: "notApplied" });
}

function etcd(errorCode: number, status: number): EtcdError {
  return new EtcdError({ errorCode, status, serverMessage: "m", serverCause: "", index: 0 });
}

const cases: readonly (readonly [what: string, error: unknown, expected: boolean])[] = [
  ["no endpoint answered", new ClusterError("ERR_CLUSTER_UNAVAILABLE", [endpoint]), true],
  ["no endpoints known", new ClusterError("ERR_NO_ENDPOINTS"), true],
  ["one endpoint failed", endpoint, true],
  ...[403, 404, 408, 421, 425, 429, 500, 502, 503, 504, 599].flatMap((status) => [
    [`a proxy's ${String(status)}`, response(status), true] as const,
    [`a gateway's ${String(status)} with a JSON message`, etcd(0, status), true] as const,
  ]),
  ["an HTML page with status 200", response(200, "ERR_INVALID_JSON"), true],
  ["an empty body with status 200", response(200, "ERR_EMPTY_BODY"), true],
  ...[400, 401, 405, 407, 410, 413].map((status) => [`status ${String(status)}`, response(status), false] as const),
  ["etcd: key not found", etcd(100, 404), false],
  ["etcd: not allowed", etcd(110, 401), false],
  ["etcd: members refuse", etcd(0, 401), false],
  ["a bad argument", new UsageError("ERR_ARGUMENT", "x"), false],
  ["a closed client", new UsageError("ERR_CLOSED", "x"), false],
  ["an error of the program (FF19)", new TypeError("x"), false],
  ["nothing", undefined, false],
  ["a string", "x", false],
];

for (const [what, error, expected] of cases) {
  test(`transient: ${what} is ${expected ? "worth another try" : "final"} (FF7)`, () => {
    assert.equal(isTransient(error), expected);
  });
}

test("transient: errors of another copy of the package count the same (FF38)", () => {
  const copy = Object.create(null, {
    [Symbol.for("etcd2.ResponseError")]: { value: true },
    code: { value: "ERR_STATUS" },
    message: { value: "x" },
    status: { value: 429 },
  }) as unknown;
  assert.equal(isTransient(copy), true);
});

test("transient: a response that is too large will not get smaller", () => {
  const tooLarge = Object.assign(response(200), { code: "ERR_BODY_TOO_LARGE" });
  assert.equal(isTransient(tooLarge), false);
});

test("transient: a status alone", () => {
  for (const status of [403, 404, 429, 503]) assert.equal(isTransientStatus(status), true);
  for (const status of [200, 400, 401, undefined, "503"]) assert.equal(isTransientStatus(status), false);
});

test("retry-after: taken from the error, or the shortest of a cluster error's endpoints, up to 5 minutes", () => {
  const withMs = (ms: number): Error =>
    new ResponseError("ERR_STATUS", "x", { status: 429, outcome: "notApplied", retryAfterMs: ms });
  assert.equal(retryAfterOf(withMs(1_500)), 1_500);
  assert.equal(retryAfterOf({ errors: [endpoint, withMs(7_000), withMs(2_000)] }), 2_000);
  assert.equal(retryAfterOf(withMs(86_400_000)), 300_000);
  for (const error of [endpoint, new ClusterError("ERR_NO_ENDPOINTS"), withMs(-1), undefined, "x"]) {
    assert.equal(retryAfterOf(error), 0);
  }
});

test("retry-after: the header is seconds, or a date", () => {
  const nowMs = Date.parse("2026-01-01T00:00:00Z");
  for (const [header, ms] of [
    ["0", 0],
    [" 120 ", 120_000],
    ["Thu, 01 Jan 2026 00:00:03 GMT", 3_000],
    ["Wed, 31 Dec 2025 23:00:00 GMT", 0],
    ["-1", undefined],
    ["1.5", undefined],
    ["soon", undefined],
    ["", undefined],
    [undefined, undefined],
  ] as const) {
    assert.equal(parseRetryAfter(header, nowMs), ms, header);
  }
});
