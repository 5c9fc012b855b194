import assert from "node:assert/strict";
import test from "node:test";
import { inspect } from "node:util";
import {
  ClusterError,
  EndpointError,
  EtcdError,
  EtcdErrorCode,
  isCompareFailed,
  isIndexCleared,
  isKeyNotFound,
  isNodeExist,
  isRoleNotFound,
  isUnauthorized,
  isUserNotFound,
  ResponseError,
  SdkError,
  UsageError,
  type EtcdErrorFields,
  type Outcome,
} from "./errors.js";

function etcdError(fields: Partial<EtcdErrorFields> = {}): EtcdError {
  return new EtcdError({
    status: 404,
    errorCode: 100,
    serverMessage: "Key not found",
    serverCause: "/foo",
    index: 18,
    ...fields,
  });
}

function endpointError(outcome: Outcome, cause?: Error): EndpointError {
  return new EndpointError(
    "ERR_NETWORK",
    "endpoint http://h:1 failed: reset",
    { endpoint: "http://h:1", outcome },
    cause && { cause },
  );
}

const one: readonly (readonly [SdkError, string, string])[] = [
  [new UsageError("ERR_BUSY", "m"), "UsageError", "ERR_BUSY"],
  [etcdError(), "EtcdError", "ERR_ETCD"],
  [endpointError("unknown"), "EndpointError", "ERR_NETWORK"],
  [new ClusterError("ERR_NO_ENDPOINTS"), "ClusterError", "ERR_NO_ENDPOINTS"],
  [new ResponseError("ERR_STATUS", "m", { status: 202, outcome: "unknown" }), "ResponseError", "ERR_STATUS"],
];

for (const [error, name, code] of one) {
  test(`errors: name, code, class and stack of a ${name}`, () => {
    assert.ok(error instanceof SdkError && error instanceof Error);
    assert.deepEqual([error.name, error.code, error.constructor.name], [name, code, name]);
    // that of an EndpointError is one line: it is created inside a socket event
    assert.equal(error.stack?.split("\n    at ", 1)[0], `${name}: ${error.message}`);
    assert.equal(error.stack.includes("\n    at "), !(error instanceof EndpointError));
    assert.ok(!Object.keys(error).includes("name"), "the name is on the prototype");
    const json = error.toJSON();
    assert.deepEqual([json["name"], json["code"], json["message"]], [name, code, error.message]);
  });
}

test("errors: the message of an EtcdError (A42)", () => {
  assert.equal(etcdError().message, "100: Key not found (/foo) [18]");
  assert.equal(etcdError({ serverCause: "", index: 0 }).message, "100: Key not found () [0]");
  assert.equal(
    etcdError({ errorCode: 0, status: 409, serverMessage: "auth: already enabled" }).message,
    "auth: already enabled [status 409]",
  );
});

test("errors: the message of a ClusterError names every attempt, in order", () => {
  const unavailable = "client: etcd cluster is unavailable or misconfigured";
  assert.equal(new ClusterError("ERR_NO_ENDPOINTS").message, "client: no endpoints available");
  assert.equal(new ClusterError("ERR_NO_LEADER_ENDPOINT").message, "client: no leader endpoint available");
  assert.equal(
    new ClusterError("ERR_CLUSTER_UNAVAILABLE", [endpointError("unknown"), etcdError()]).message,
    `${unavailable}; error #0: endpoint http://h:1 failed: reset; error #1: 100: Key not found (/foo) [18]`,
  );
});

test("errors: a ClusterError copies its errors, and its cause is the first", () => {
  const errors = [endpointError("notApplied"), endpointError("unknown")];
  const error = new ClusterError("ERR_CLUSTER_UNAVAILABLE", errors);
  assert.equal(error.cause, errors[0]);
  errors.pop();
  assert.equal(error.errors.length, 2);
  assert.ok(!("cause" in new ClusterError("ERR_NO_ENDPOINTS")));
});

for (const [outcomes, expected] of [
  [[], "notApplied"],
  [["notApplied"], "notApplied"],
  [["notApplied", "notApplied"], "notApplied"],
  [["unknown"], "unknown"],
  [["unknown", "notApplied"], "unknown"],
  [["notApplied", "unknown"], "unknown"],
] as const) {
  test(`errors: the outcome of a ClusterError over [${outcomes.join(", ")}] is ${expected}`, () => {
    assert.equal(
      new ClusterError(
        "ERR_CLUSTER_UNAVAILABLE",
        outcomes.map((outcome) => endpointError(outcome)),
      ).outcome,
      expected,
    );
  });
}

test("errors: a ClusterError takes over the outcome of a ResponseError or a nested ClusterError", () => {
  const strange = new ResponseError("ERR_STATUS", "m", { status: 202, outcome: "unknown" });
  const nested = new ClusterError("ERR_CLUSTER_UNAVAILABLE", [strange]);
  assert.deepEqual(
    [nested.outcome, new ClusterError("ERR_NO_LEADER_ENDPOINT", [nested]).outcome],
    ["unknown", "unknown"],
  );
  assert.equal(new ClusterError("ERR_NO_LEADER_ENDPOINT", [etcdError()]).outcome, "notApplied");
});

test("errors: toJSON has all fields, plain causes and nested errors", () => {
  const cause = Object.assign(new Error("read ECONNRESET"), { code: "ECONNRESET", options: { password: "secret" } });
  const json: unknown = JSON.parse(
    JSON.stringify(
      new ClusterError("ERR_CLUSTER_UNAVAILABLE", [
        endpointError("unknown", cause),
        new EndpointError(
          "ERR_SERVER",
          "m",
          { endpoint: "e", outcome: "unknown", status: 500, errorCode: 300, serverCause: "c" },
          { cause: etcdError() },
        ),
      ]),
    ),
  );
  const first = {
    name: "EndpointError",
    message: "endpoint http://h:1 failed: reset",
    code: "ERR_NETWORK",
    endpoint: "http://h:1",
    outcome: "unknown",
    cause: { name: "Error", message: "read ECONNRESET", code: "ECONNRESET" },
  };
  const refusal = {
    name: "EtcdError",
    message: "100: Key not found (/foo) [18]",
    code: "ERR_ETCD",
    status: 404,
    errorCode: 100,
    serverMessage: "Key not found",
    serverCause: "/foo",
    index: 18,
    outcome: "notApplied",
  };
  assert.deepEqual(json, {
    name: "ClusterError",
    message:
      "client: etcd cluster is unavailable or misconfigured; error #0: endpoint http://h:1 failed: reset; error #1: m",
    code: "ERR_CLUSTER_UNAVAILABLE",
    outcome: "unknown",
    errors: [
      first,
      {
        name: "EndpointError",
        message: "m",
        code: "ERR_SERVER",
        endpoint: "e",
        outcome: "unknown",
        status: 500,
        errorCode: 300,
        serverCause: "c",
        cause: refusal,
      },
    ],
    cause: first,
  });
});

test("errors: inspect leaves out the fields that an EndpointError lacks", () => {
  const text = inspect(endpointError("unknown"));
  assert.doesNotMatch(text, /status|errorCode|serverCause/);
  assert.match(text, /outcome: 'unknown'/);
});

const noUser = { errorCode: 0, status: 404 };

const guards: readonly (readonly [
  (error: unknown) => boolean,
  readonly Partial<EtcdErrorFields>[],
  readonly Partial<EtcdErrorFields>[],
])[] = [
  [isKeyNotFound, [{ errorCode: 100 }], [{ errorCode: 101 }, { errorCode: 0, status: 404 }]],
  [isNodeExist, [{ errorCode: 105 }], [{ errorCode: 100 }]],
  [isCompareFailed, [{ errorCode: 101 }], [{ errorCode: 105, status: 412 }]],
  [
    isIndexCleared,
    [{ errorCode: 401, status: 400 }, { errorCode: 400 }],
    [
      { errorCode: 110, status: 401 },
      { errorCode: 0, status: 401 },
    ],
  ],
  [
    isUnauthorized,
    [{ errorCode: 110 }, { errorCode: 0, status: 401 }],
    [
      { errorCode: 401, status: 400 },
      { errorCode: 0, status: 403 },
    ],
  ],
  [
    isUserNotFound,
    [
      { ...noUser, serverMessage: "auth: User x does not exist." },
      { ...noUser, serverMessage: "auth: User x does not exist" },
      { ...noUser, serverMessage: "auth: User two\nlines does not exist" },
    ],
    [
      { ...noUser, serverMessage: "auth: Role x does not exist." },
      { ...noUser, status: 400, serverMessage: "auth: User x does not exist." },
      { errorCode: 100 },
    ],
  ],
  [
    isRoleNotFound,
    [
      { ...noUser, serverMessage: "auth: Role x does not exist." },
      { ...noUser, serverMessage: "auth: Role x doesn't exist." },
    ],
    [
      { ...noUser, serverMessage: "auth: User x does not exist." },
      { ...noUser, serverMessage: "auth: Role x is in use" },
    ],
  ],
];

for (const [guard, yes, no] of guards) {
  const id = guard === isUserNotFound || guard === isRoleNotFound ? " (A60)" : "";
  test(`errors: ${guard.name} looks at the error, and inside a ClusterError${id}`, () => {
    for (const [list, expected] of [
      [yes, true],
      [no, false],
    ] as const) {
      for (const fields of list) {
        const error = etcdError(fields);
        const text = JSON.stringify(fields);
        assert.equal(guard(error), expected, text);
        assert.equal(
          guard(new ClusterError("ERR_NO_LEADER_ENDPOINT", [endpointError("unknown"), error])),
          expected,
          text,
        );
        assert.equal(
          guard(new ClusterError("ERR_CLUSTER_UNAVAILABLE", [endpointError("unknown", error)])),
          expected,
          text,
        );
      }
    }
    for (const other of [
      undefined,
      null,
      "100",
      100,
      {},
      { errorCode: 100 },
      new Error("Key not found"),
      endpointError("unknown"),
      new ClusterError("ERR_NO_ENDPOINTS"),
    ]) {
      assert.equal(guard(other), false, inspect(other));
    }
  });
}

test("errors: EtcdErrorCode has every number of the servers", () => {
  assert.deepEqual(
    Object.values(EtcdErrorCode),
    [100, 101, 102, 104, 105, 107, 108, 110, 201, 202, 203, 209, 210, 211, 212, 300, 301, 400, 401],
  );
  assert.deepEqual(
    [EtcdErrorCode.keyNotFound, EtcdErrorCode.compareFailed, EtcdErrorCode.nodeExist, EtcdErrorCode.eventIndexCleared],
    [100, 101, 105, 401],
  );
});
