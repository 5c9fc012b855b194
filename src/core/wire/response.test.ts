import assert from "node:assert/strict";
import test from "node:test";
import { EtcdError, isIndexCleared, isKeyNotFound, ResponseError, type EtcdErrorFields } from "../../util/errors.js";
import type { RawResponse, RequestSpec } from "../../http/exchange.js";
import { compareNodes } from "../types.js";
import { decodeKeys, decodeKeysSummary } from "./keys-response.js";
import { indexOf } from "./head.js";
import { requireStatus, serverError } from "./response.js";

const get: RequestSpec = { method: "GET", path: "/v2/keys/k" };
const put: RequestSpec = { method: "PUT", path: "/v2/keys/k" };

function raw(status: number, body: object | string, headers: RawResponse["headers"] = {}): RawResponse {
  return { status, headers, body: typeof body === "string" ? body : JSON.stringify(body) };
}

/** The response to a get whose node has the given fields. */
function withNode(fields: object): RawResponse {
  return raw(200, { action: "get", node: { key: "/k", value: "v", modifiedIndex: 7, createdIndex: 7, ...fields } });
}

const node = { key: "/k", value: "v", dir: false, nodes: [], createdIndex: 3, modifiedIndex: 8 };
const summary = { index: 0, clusterId: "" };
const expirationText = "2015-04-07T04:40:23.044979686Z";

const answers: readonly (readonly [string, RawResponse, object])[] = [
  [
    "a set (A37)",
    raw(
      201,
      { action: "set", node: { key: "/k", value: "v", modifiedIndex: 12, createdIndex: 12 } },
      { "x-etcd-index": "12", "x-etcd-cluster-id": "ab" },
    ),
    { action: "set", index: 12, clusterId: "ab", node: { ...node, createdIndex: 12, modifiedIndex: 12 } },
  ],
  [
    "a delete (A38)",
    raw(200, {
      action: "delete",
      node: { key: "/k", modifiedIndex: 9, createdIndex: 3 },
      prevNode: { key: "/k", value: "v", modifiedIndex: 8, createdIndex: 3 },
    }),
    { ...summary, action: "delete", node: { ...node, value: "", modifiedIndex: 9 }, prevNode: node },
  ],
  [
    "the root (A40)",
    raw(200, { action: "get", node: { dir: true } }),
    {
      ...summary,
      action: "get",
      node: { key: "/", value: "", dir: true, nodes: [], createdIndex: 0, modifiedIndex: 0 },
    },
  ],
  [
    "a negative ttl, an expiration in nanoseconds (A41)",
    withNode({ ttl: -3, expiration: expirationText, createdIndex: 3, modifiedIndex: 8 }),
    {
      ...summary,
      action: "get",
      node: { ...node, ttl: -3, expiration: new Date("2015-04-07T04:40:23.044Z"), expirationText },
    },
  ],
  [
    "nested nodes",
    raw(200, {
      action: "get",
      node: { dir: true, nodes: [{ key: "/a", dir: true, nodes: [{ key: "/a/b", value: "" }] }] },
    }),
    {
      ...summary,
      action: "get",
      node: {
        ...{ key: "/", value: "", dir: true, createdIndex: 0, modifiedIndex: 0 },
        nodes: [
          {
            ...node,
            key: "/a",
            value: "",
            dir: true,
            createdIndex: 0,
            modifiedIndex: 0,
            nodes: [{ ...node, key: "/a/b", value: "", createdIndex: 0, modifiedIndex: 0 }],
          },
        ],
      },
    },
  ],
  [
    "null as the zero value",
    raw(200, {
      action: "get",
      prevNode: null,
      node: {
        key: null,
        value: null,
        dir: null,
        nodes: null,
        ttl: null,
        expiration: null,
        createdIndex: null,
        modifiedIndex: null,
      },
    }),
    {
      ...summary,
      action: "get",
      node: { key: "/", value: "", dir: false, nodes: [], createdIndex: 0, modifiedIndex: 0 },
    },
  ],
  [
    "names case-sensitively, ignoring unknown ones",
    raw(200, {
      action: "get",
      node: { key: "/k", Value: "x", TTL: 5, Dir: true, modifiedIndex: 8, createdIndex: 3, more: 1 },
      PrevNode: {},
    }),
    { ...summary, action: "get", node: { ...node, value: "" } },
  ],
  [
    "duplicate names, of which the last wins",
    raw(200, '{"action":"get","action":"set","node":{}}\n'),
    { ...summary, action: "set", node: { ...node, key: "/", value: "", createdIndex: 0, modifiedIndex: 0 } },
  ],
];

for (const [name, answer, expected] of answers) {
  test(`keys response: reads ${name}`, () => {
    assert.deepEqual(decodeKeys(answer, get), expected);
  });
}

test("keys response: with noValueOnSuccess it has only an action (A39)", () => {
  assert.deepEqual(decodeKeysSummary(raw(200, { action: "set" }, { "x-etcd-index": "5" }), put), {
    action: "set",
    index: 5,
    clusterId: "",
  });
  assert.throws(() => decodeKeys(raw(200, { action: "set" }), put), { code: "ERR_INVALID_JSON" });
});

for (const body of ["null", "{}", '{"errorCode":100,"message":"Key not found"}', '{"Action":"set"}']) {
  test(`keys response: with noValueOnSuccess, ${body} is refused (A48)`, () => {
    assert.throws(() => decodeKeysSummary(raw(200, body), put), {
      name: "ResponseError",
      code: "ERR_INVALID_JSON",
      outcome: "unknown",
    });
  });
}

const notFound = { errorCode: 100, message: "Key not found", cause: "/foo", index: 18 };

const foreign: readonly (readonly [string, RawResponse, ResponseError["code"]])[] = [
  ["an empty body (A44)", raw(200, ""), "ERR_EMPTY_BODY"],
  ["HTML (A45)", raw(200, "<html>"), "ERR_INVALID_JSON"],
  ["an empty 404 (A45)", raw(404, ""), "ERR_INVALID_JSON"],
  ["an array as 404 (A45)", raw(404, "[]"), "ERR_INVALID_JSON"],
  [
    "a server without the v2 API (A46)",
    raw(404, "404 page not found\n", { "content-type": "text/plain; charset=utf-8" }),
    "ERR_STATUS",
  ],
  ["a page of some other server", raw(404, "<html>no</html>"), "ERR_STATUS"],
  ["a success body with 202 (A47)", raw(202, { action: "get", node: {} }), "ERR_STATUS"],
  ["an empty 204 (A47)", raw(204, ""), "ERR_STATUS"],
  ["an error body with 202", raw(202, notFound), "ERR_STATUS"],
  ["null (A48)", raw(200, "null"), "ERR_INVALID_JSON"],
  ["an empty object (A48)", raw(200, {}), "ERR_INVALID_JSON"],
  ["an error body with 200 (A48)", raw(200, notFound), "ERR_INVALID_JSON"],
  ["a node without action (A48)", raw(200, { node: {} }), "ERR_INVALID_JSON"],
  ["a success body with 404", raw(404, { action: "get", node: {} }), "ERR_INVALID_JSON"],
  ["garbage after the body (A49)", raw(200, '{"action":"get","node":{}}x'), "ERR_INVALID_JSON"],
  ["two objects (A49)", raw(200, '{"action":"get","node":{}}{"action":"get","node":{}}'), "ERR_INVALID_JSON"],
  ["a byte order mark", raw(200, '\ufeff{"action":"get","node":{}}'), "ERR_INVALID_JSON"],
  ["a string", raw(200, '"x"'), "ERR_INVALID_JSON"],
  ["names in the wrong case", raw(200, { Action: "get", Node: {} }), "ERR_INVALID_JSON"],
  ...["poo", "-1", "1.5", "0x10", "9007199254740993"].map((text): (typeof foreign)[number] => [
    `X-Etcd-Index ${text} (A50)`,
    raw(200, { action: "get", node: {} }, { "x-etcd-index": text }),
    "ERR_INVALID_JSON",
  ]),
  [
    "an index that a double cannot hold (A51)",
    raw(200, '{"action":"get","node":{"modifiedIndex":9007199254740993}}'),
    "ERR_INVALID_JSON",
  ],
  [
    "such a createdIndex in a child (A51)",
    raw(200, '{"action":"get","node":{"nodes":[{"createdIndex":18446744073709551615}]}}'),
    "ERR_INVALID_JSON",
  ],
  [
    "such an index in an error (A51)",
    raw(400, '{"errorCode":401,"message":"m","index":9007199254740993}'),
    "ERR_INVALID_JSON",
  ],
  ["an action that is a number", raw(200, { action: 1, node: {} }), "ERR_INVALID_JSON"],
  ["a node that is an array", raw(200, { action: "get", node: [] }), "ERR_INVALID_JSON"],
  ["a prevNode that is a string", raw(200, { action: "set", node: {}, prevNode: "x" }), "ERR_INVALID_JSON"],
  ...Object.entries({
    key: 1,
    value: 1,
    dir: "true",
    nodes: {},
    ttl: "5",
    createdIndex: "5",
    modifiedIndex: -1,
    expiration: 5,
  }).map(([field, value]): (typeof foreign)[number] => [
    `a node's ${field} of the wrong type`,
    withNode({ [field]: value }),
    "ERR_INVALID_JSON",
  ]),
  ["a fractional index", withNode({ modifiedIndex: 7.5 }), "ERR_INVALID_JSON"],
  ["a null among the nodes", withNode({ nodes: [null] }), "ERR_INVALID_JSON"],
  ...["", "yesterday", "2015-04-07", "2015-04-07T04:40:23", "2015-13-07T04:40:23Z"].map(
    (expiration): (typeof foreign)[number] => [
      `the expiration ${JSON.stringify(expiration)}`,
      withNode({ expiration }),
      "ERR_INVALID_JSON",
    ],
  ),
  ...Object.entries({ errorCode: "100", message: 5, cause: {}, index: "18" }).map(
    ([field, value]): (typeof foreign)[number] => [
      `an error's ${field} of the wrong type`,
      raw(404, { ...notFound, [field]: value }),
      "ERR_INVALID_JSON",
    ],
  ),
];

for (const [name, answer, code] of foreign) {
  test(`keys response: ${code} for ${name}`, () => {
    for (const [spec, outcome] of [
      [get, "notApplied"],
      [put, name.endsWith("(A46)") ? "notApplied" : "unknown"],
    ] as const) {
      assert.throws(
        () => decodeKeys(answer, spec),
        (error) => {
          assert.ok(error instanceof ResponseError, String(error));
          assert.deepEqual(
            { code: error.code, status: error.status, outcome: error.outcome },
            { code, status: answer.status, outcome },
          );
          assert.ok(!isKeyNotFound(error));
          assert.match(
            error.message,
            name.endsWith("(A46)")
              ? /\/v2\/keys\/k.*v2 API is probably not enabled.*--enable-v2/
              : /^(GET|PUT) \/v2\/keys\/k was answered/,
          );
          return true;
        },
      );
    }
  });
}

test("keys response: a ResponseError names the endpoint and never quotes the body", () => {
  const answer = { ...raw(200, "<p>secret</p>", { "content-type": "text/html" }), endpoint: "http://h:1/base" };
  assert.throws(() => decodeKeys(answer, get), {
    message:
      "GET http://h:1/base/v2/keys/k was answered 200 (text/html, 13 characters): the body is not a JSON object; is this an etcd?",
  });
});

test("keys response: if an earlier endpoint may have applied the write, the outcome is still unknown (A46)", () => {
  const answer = { ...raw(404, "404 page not found\n"), maybeApplied: true };
  assert.throws(() => decodeKeys(answer, put), { code: "ERR_STATUS", outcome: "unknown" });
  assert.throws(() => decodeKeys(answer, get), { code: "ERR_STATUS", outcome: "notApplied" });
});

const compare = "[secret1 != secret2]";

const refusals: readonly (readonly [string, RawResponse, Partial<EtcdErrorFields>])[] = [
  [
    "key not found (A42)",
    raw(404, notFound, { "x-etcd-index": "99" }),
    { status: 404, errorCode: 100, serverMessage: "Key not found", serverCause: "/foo", index: 18 },
  ],
  [
    "no cause (A43)",
    raw(412, { errorCode: 101, message: "Compare failed", index: 15 }),
    { status: 412, errorCode: 101, serverCause: "", index: 15 },
  ],
  [
    "null fields",
    raw(400, { errorCode: 203, message: null, cause: null, index: null }),
    { errorCode: 203, serverMessage: "", serverCause: "", index: 0 },
  ],
  [
    "an error without a number, as from members and auth",
    raw(401, { message: "Insufficient credentials" }),
    { status: 401, errorCode: 0, serverMessage: "Insufficient credentials" },
  ],
  [
    "the cause of a comparison by index",
    raw(412, { errorCode: 101, message: "Compare failed", cause: compare, index: 3 }),
    { serverCause: compare },
  ],
];

for (const [name, answer, fields] of refusals) {
  test(`keys response: an EtcdError for ${name}`, () => {
    assert.throws(() => decodeKeys(answer, put), { name: "EtcdError", code: "ERR_ETCD", ...fields });
    assert.throws(() => decodeKeysSummary(answer, put), { name: "EtcdError", ...fields });
  });
}

test("keys response: an EtcdError has etcd's text and is recognized by its guard (A42)", () => {
  assert.throws(
    () => decodeKeys(raw(404, notFound), get),
    (error) => isKeyNotFound(error) && (error as Error).message === "100: Key not found (/foo) [18]",
  );
  assert.throws(() => decodeKeys(raw(400, { ...notFound, errorCode: 401 }), get), isIndexCleared);
});

test("keys response: the cause of a 101 is withheld if the value was compared, that of another error is kept", () => {
  const failed = raw(412, { errorCode: 101, message: "Compare failed", cause: compare, index: 3 });
  for (const decode of [decodeKeys, decodeKeysSummary]) {
    assert.throws(
      () => decode(failed, { ...put, comparesValue: true }),
      (error) =>
        error instanceof EtcdError &&
        error.errorCode === 101 &&
        !JSON.stringify([error, error.message]).includes("secret"),
    );
  }
  assert.throws(() => decodeKeys(raw(404, notFound), { ...put, comparesValue: true }), { serverCause: "/foo" });
});

test("X-Etcd-Index: absent or empty is 0; if repeated, the first one counts", () => {
  const index = (text: string | undefined): number | undefined => indexOf({ headers: { "x-etcd-index": text } });
  assert.deepEqual([undefined, "", "12", "12, 13", "9007199254740991", "poo", "9007199254740992"].map(index), [
    0,
    0,
    12,
    12,
    9007199254740991,
    undefined,
    undefined,
  ]);
});

const raft = { errorCode: 300, message: "Raft Internal Error", cause: "etcdserver: request timed out", index: 4 };

for (const [name, answer, expected] of [
  [
    "etcd's own 500 (A86)",
    raw(500, raft),
    {
      status: 500,
      errorCode: 300,
      serverCause: raft.cause,
      message: "endpoint http://h:1 answered 500: 300: Raft Internal Error (etcdserver: request timed out) [4]",
    },
  ],
  [
    "a 503 of members, without number",
    raw(503, { message: "During election" }),
    {
      status: 503,
      errorCode: 0,
      serverCause: "",
      message: "endpoint http://h:1 answered 503: During election [status 503]",
    },
  ],
  [
    "a proxy's 502",
    raw(502, "<html>secret</html>"),
    { status: 502, errorCode: undefined, serverCause: undefined, message: "endpoint http://h:1 answered 502" },
  ],
  [
    "an empty 599",
    raw(599, ""),
    { status: 599, errorCode: undefined, serverCause: undefined, message: "endpoint http://h:1 answered 599" },
  ],
] as const) {
  test(`serverError: ${name}`, () => {
    for (const [spec, outcome] of [
      [get, "notApplied"],
      [put, "unknown"],
    ] as const) {
      const { code, endpoint, status, errorCode, serverCause, message, cause, ...rest } = serverError(
        answer,
        spec,
        "http://h:1",
      );
      assert.deepEqual({ status, errorCode, serverCause, message }, expected);
      assert.deepEqual([code, endpoint, rest.outcome], ["ERR_SERVER", "http://h:1", outcome]);
      assert.equal(cause instanceof EtcdError, errorCode !== undefined);
    }
  });
}

test("requireStatus: a message of members or auth becomes an EtcdError, whatever the status", () => {
  const check = (answer: RawResponse): void => {
    requireStatus(answer, put, [201]);
  };
  check(raw(201, ""));
  assert.throws(
    () => {
      check(raw(409, { message: "membership: peerURL exists" }));
    },
    { name: "EtcdError", status: 409, message: "membership: peerURL exists [status 409]" },
  );
  assert.throws(
    () => {
      check(raw(200, { message: "no" }));
    },
    { name: "ResponseError", code: "ERR_STATUS", status: 200 },
  );
  assert.throws(
    () => {
      check(raw(405, "Method Not Allowed"));
    },
    { name: "ResponseError", code: "ERR_STATUS", status: 405 },
  );
  assert.throws(
    () => {
      check(raw(401, ""));
    },
    { name: "ResponseError", code: "ERR_INVALID_JSON", status: 401 },
  );
});

test("compareNodes: nodes are ordered by the bytes of their keys (A63)", () => {
  const keys = ["/😀", "/\uffff", "/a", "/A"].map((key) => ({ key }));
  assert.deepEqual(
    keys.toSorted(compareNodes).map(({ key }) => key),
    ["/A", "/a", "/\uffff", "/😀"],
  );
});

test("keys response: an EtcdError has the outcome unknown if an earlier endpoint may have applied the write", () => {
  const raw = { status: 404, headers: {}, body: '{"errorCode":100,"message":"Key not found","cause":"/k","index":1}' };
  const spec = { method: "PUT", path: "/v2/keys/k" } as const;
  for (const [maybeApplied, outcome] of [
    [true, "unknown"],
    [undefined, "notApplied"],
  ] as const) {
    assert.throws(
      () => decodeKeys({ ...raw, maybeApplied }, spec),
      (error) => error instanceof EtcdError && error.outcome === outcome,
    );
  }
});
