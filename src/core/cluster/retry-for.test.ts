import assert from "node:assert/strict";
import test from "node:test";
import { KeysAPI } from "../keys.js";
import type { Exchange, RawResponse } from "../../http/exchange.js";
import {
  EndpointError,
  isNodeExist,
  ResponseError,
  SdkError,
  type ClusterError,
  type Outcome,
} from "../../util/errors.js";
import { clientOf, ok, raftTimeout, reply, resetUnanswered, ScriptedServer } from "../../test-kit/scripted-server.js";

const retryForMs = 60_000;
const created = reply(201, { action: "create", node: { key: "/k", value: "v", modifiedIndex: 7, createdIndex: 7 } });

test("retryForMs: a read is tried again until an endpoint answers", async () => {
  await using server = await ScriptedServer.start(reply(503), resetUnanswered(), raftTimeout(), ok());
  await using client = clientOf([server], { retryForMs });
  assert.equal((await new KeysAPI(client).get("/k")).node.value, "v");
  assert.equal(server.requests.length, 4);
});

test("retryForMs: without it a call is tried once", async () => {
  await using server = await ScriptedServer.start(reply(503), ok());
  await using client = clientOf([server]);
  await assert.rejects(new KeysAPI(client).get("/k"), { code: "ERR_CLUSTER_UNAVAILABLE" });
  assert.equal(server.requests.length, 1);
});

test("retryForMs: a call's own budget counts, in both directions", async () => {
  await using server = await ScriptedServer.start(reply(503), reply(503), ok(), reply(503));
  await using client = clientOf([server]);
  const keys = new KeysAPI(client);
  await keys.get("/k", { retryForMs });
  assert.equal(server.requests.length, 3);
  await using patient = clientOf([server], { retryForMs });
  await assert.rejects(new KeysAPI(patient).get("/k", { retryForMs: 0 }), { code: "ERR_CLUSTER_UNAVAILABLE" });
  assert.equal(server.requests.length, 4);
});

test("retryForMs: an etcd error is final and is not retried", async () => {
  const refusal = { errorCode: 105, message: "Key already exists", cause: "/k", index: 9 };
  await using server = await ScriptedServer.start(reply(412, refusal));
  await using client = clientOf([server], { retryForMs });
  await assert.rejects(new KeysAPI(client).create("/k", "v"), isNodeExist);
  assert.equal(server.requests.length, 1);
});

test("retryForMs: a one-shot write that may have been sent is not sent again", async () => {
  await using server = await ScriptedServer.start(resetUnanswered(), created);
  await using client = clientOf([server], { retryForMs });
  await assert.rejects(new KeysAPI(client).create("/k", "v"), { outcome: "unknown" });
  assert.equal(server.requests.length, 1);
});

test("retryForMs: a plain write that may still be applied later is sent again only with resend", async () => {
  await using server = await ScriptedServer.start(raftTimeout(), raftTimeout(), ok());
  await using client = clientOf([server], { retryForMs });
  const keys = new KeysAPI(client);
  await assert.rejects(keys.set("/k", "v"), { outcome: "unknown" });
  assert.equal(server.requests.length, 1);
  await keys.set("/k", "v", { resend: true });
  assert.equal(server.requests.length, 3);
});

/** Fails with the given outcome until `isUp`. */
function failing(outcome: Outcome, isUp: () => boolean): Exchange {
  return (url) => {
    if (!isUp()) return Promise.reject(new EndpointError("ERR_NETWORK", "refused", { endpoint: url.origin, outcome }));
    return Promise.resolve({
      status: 201,
      headers: {},
      body: JSON.stringify({ action: "create", node: { key: "/k", modifiedIndex: 7, createdIndex: 7 } }),
    });
  };
}

test("retryForMs: a one-shot write is retried if nothing was sent", async () => {
  let attempts = 0;
  await using client = clientOf(["http://a", "http://b"], {
    retryForMs,
    transport: failing("notApplied", () => ++attempts > 5),
  });
  assert.equal((await new KeysAPI(client).create("/k", "v")).action, "create");
  assert.equal(attempts, 6);
});

test("retryForMs: when the budget is spent the last failure is the rejection; no attempt begins after it", async () => {
  const begunMs: number[] = [];
  const startMs = performance.now();
  await using client = clientOf(["http://a"], {
    retryForMs: 400,
    transport: failing("notApplied", () => {
      begunMs.push(performance.now() - startMs);
      return false;
    }),
  });
  await assert.rejects(
    new KeysAPI(client).get("/k"),
    (error: ClusterError) => error.code === "ERR_CLUSTER_UNAVAILABLE" && error.errors.length === 1,
  );
  assert.ok(begunMs.length > 1);
});

test("retryForMs: a write that may have been applied once stays unknown, whatever its last attempt says", async () => {
  const failed = (outcome: Outcome) => (): never => {
    throw new EndpointError("ERR_NETWORK", "broken", { endpoint: "http://a", outcome });
  };
  const notEtcd = (): never => {
    throw new ResponseError("ERR_STATUS", "not etcd", { status: 404, outcome: "notApplied" });
  };
  const refusal = { errorCode: 102, message: "Not a file", cause: "/k", index: 9 };
  const refused = (): RawResponse => ({ status: 403, headers: {}, body: JSON.stringify(refusal) });
  for (const [last, name] of [
    [failed("notApplied"), "ClusterError"],
    [notEtcd, "ResponseError"],
    [refused, "EtcdError"],
  ] as const) {
    // the second attempt is a retry, or a failover
    for (const endpoints of [["http://a"], ["http://a", "http://b"]]) {
      for (const first of ["unknown", "notApplied"] as const) {
        let attempts = 0;
        const transport: Exchange = async () => (await Promise.resolve(), ++attempts === 1 ? failed(first)() : last());
        await using client = clientOf(endpoints, { retryForMs: 300, transport });
        const error: unknown = await new KeysAPI(client).set("/k", "v").catch((each: unknown) => each);
        assert.ok(error instanceof SdkError && "outcome" in error);
        assert.deepEqual([error.name, error.outcome], [name, first], `${String(endpoints.length)} endpoints`);
        assert.ok(attempts > 1);
      }
    }
  }
});

test("retryForMs: an abort ends the pause with its reason, and close() with ERR_CLOSED", async () => {
  const reason = new Error("enough");
  let attempts = 0;
  const abort = new AbortController();
  const client = clientOf(["http://a"], {
    retryForMs: Infinity,
    transport: failing("notApplied", () => {
      if (++attempts === 3) abort.abort(reason);
      return false;
    }),
  });
  await assert.rejects(new KeysAPI(client).get("/k", { signal: abort.signal }), (error) => error === reason);
  const waiting = assert.rejects(new KeysAPI(client).get("/k"), { code: "ERR_CLOSED" });
  await client.close();
  await waiting;
});

test("retryForMs: a bad budget is refused", async () => {
  assert.throws(() => clientOf(["http://a"], { retryForMs: -1 }), { message: /options\.retryForMs/ });
  await using client = clientOf(["http://a"]);
  await assert.rejects(new KeysAPI(client).get("/k", { retryForMs: Number.NaN }), { message: /options\.retryForMs/ });
});
