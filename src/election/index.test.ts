import assert from "node:assert/strict";
import { test } from "node:test";
import { UsageError, type Sender } from "../core/index.js";
import * as election from "./index.js";

test("election: exports exactly these names", () => {
  assert.deepEqual(Object.keys(election).sort(), [
    "ElectionError",
    "createCandidate",
    "createEtcdCandidate",
    "observe",
    "requestMs",
    "resolveLeadership",
  ]);
});

test("observe: rejects bad arguments at once, and does not retry errors of the program (FF19)", async () => {
  const client = { send: () => Promise.reject(new TypeError("a bug")) };
  for (const [what, key] of [
    [undefined, "k"],
    [{}, "k"],
    [client, undefined],
  ]) {
    await assert.rejects(election.observe(what as never, key as never).next(), UsageError);
  }
  await assert.rejects(election.observe(client, "k").next(), TypeError);
});

test("createEtcdCandidate: bad options are UsageErrors (FF48)", () => {
  for (const options of [undefined, null, {}, { client: {} }]) {
    assert.throws(() => election.createEtcdCandidate(options as never), UsageError);
  }
});

test("election: an error of the program ends it at once (FF19)", async () => {
  let calls = 0;
  let isBroken = true;
  const client: Sender = {
    send: (spec) => {
      calls++;
      if (isBroken || spec.method !== "GET") return Promise.reject(new TypeError("a bug"));
      return Promise.resolve({ status: 404, headers: { "x-etcd-index": "5" }, body: '{"errorCode":100}' });
    },
  };
  const candidate = election.createEtcdCandidate({ client });
  const config = { key: "k", contactInfo: "" };
  await assert.rejects(
    candidate.participate(config, () => undefined),
    TypeError,
  );
  await assert.rejects(
    candidate.run(config, () => undefined),
    TypeError,
  );
  assert.equal(calls, 2);
  isBroken = false;
  const session = await candidate.participate(config, () => undefined);
  assert.ok((await session.closed) instanceof TypeError);
  // the first contact, the create, and the delete after it, since its outcome is not known
  assert.equal(calls, 5);
});
