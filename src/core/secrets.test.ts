import assert from "node:assert/strict";
import test from "node:test";
import { inspect } from "node:util";
import { ClusterError, EndpointError, SdkError } from "../util/errors.js";
import { startChild } from "../test-kit/child.js";
import { failures, passwordForms, planted, secretForms } from "../test-kit/planted.js";
import { settled } from "../test-kit/scripted-cluster.js";

/** Every way to print an error, including its causes and attempts. */
function printed(error: SdkError): ReadonlyMap<string, string> {
  const texts = new Map([
    ["inspect", inspect(error, { depth: 10 })],
    ["inspect with hidden fields", inspect(error, { depth: 10, showHidden: true, maxStringLength: Infinity })],
    ["JSON", JSON.stringify(error)],
    ["string", String(error)],
  ]);
  for (const [i, each] of chain(error).entries()) {
    texts.set(`message ${String(i)}`, each.message);
    texts.set(`stack ${String(i)}`, each.stack ?? "");
    texts.set(`fields ${String(i)}`, JSON.stringify(Object.entries(each)));
  }
  return texts;
}

function chain(error: Error): readonly Error[] {
  const inner = error instanceof ClusterError ? error.errors.flatMap(chain) : [];
  return [error, ...(error.cause instanceof Error ? chain(error.cause) : []), ...inner];
}

function found(text: string, secrets: readonly string[]): readonly string[] {
  return secrets.filter((secret) => text.toLowerCase().includes(secret.toLowerCase()));
}

function kindOf(error: SdkError): string {
  const first = error instanceof ClusterError ? error.errors[0] : undefined;
  const own = `${error.name} ${error.code}`;
  return first instanceof EndpointError ? `${own}: ${kindOf(first)}` : own;
}

for (const { name, error: kind, run } of failures) {
  test(`secrets: ${name} rejects with ${kind}, which contains none`, async () => {
    const error = await settled(run());
    assert.ok(error instanceof SdkError, inspect(error));
    assert.equal(kindOf(error), kind);
    for (const [where, text] of printed(error)) assert.deepEqual(found(text, secretForms), [], `${where}: ${text}`);
  });
}

test("secrets: the failures cover every class and code", () => {
  const kinds = new Set(failures.flatMap(({ error }) => error.split(": ")));
  for (const kind of [
    "EtcdError ERR_ETCD",
    "UsageError ERR_ARGUMENT",
    "UsageError ERR_CLOSED",
    ...["ERR_NO_ENDPOINTS", "ERR_CLUSTER_UNAVAILABLE", "ERR_NO_LEADER_ENDPOINT"].map((code) => `ClusterError ${code}`),
    ...[
      "ERR_NETWORK",
      "ERR_HEADER_TIMEOUT",
      "ERR_BODY_TIMEOUT",
      "ERR_SERVER",
      "ERR_BAD_REDIRECT",
      "ERR_TOO_MANY_REDIRECTS",
    ].map((code) => `EndpointError ${code}`),
    ...["ERR_EMPTY_BODY", "ERR_INVALID_JSON", "ERR_STATUS"].map((code) => `ResponseError ${code}`),
  ]) {
    assert.ok(kinds.has(kind), kind);
  }
});

test("secrets: no debug channel except etcd2:curl prints any", async (t) => {
  const { status, stdout, stderr } = await startChild(t, "exercise-planted.js", [], {
    env: { DEBUG: "etcd2:*,-etcd2:curl" },
  }).ended;
  assert.deepEqual([status, stdout], [0, "done"], stderr);
  for (const channel of ["http", "client", "sync"]) assert.match(stderr, new RegExp(`etcd2:${channel} `));
  assert.ok(!stderr.includes("etcd2:curl"));
  for (const line of stderr.split("\n")) assert.deepEqual(found(line, secretForms), [], line);
});

test("secrets: etcd2:curl prints values, but never a password (A119)", async (t) => {
  const { status, stdout, stderr } = await startChild(t, "exercise-planted.js", [], { env: { DEBUG: "etcd2:curl" } })
    .ended;
  assert.deepEqual([status, stdout], [0, "done"], stderr);
  assert.ok(stderr.includes(`-u ${planted.username}:***`));
  assert.ok(stderr.includes(`value=${planted.value}`));
  assert.match(stderr, /v2\/auth\/users\/bob.*\*\*\*/);
  for (const line of stderr.split("\n")) assert.deepEqual(found(line, passwordForms), [], line);
});

test("secrets: without DEBUG nothing is printed at all", async (t) => {
  const { status, stdout, stderr } = await startChild(t, "exercise-planted.js").ended;
  assert.deepEqual([status, stdout, stderr], [0, "done", ""]);
});
