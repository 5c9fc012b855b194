import assert from "node:assert/strict";
import { test } from "node:test";
import { UsageError } from "../core/index.js";
import * as election from "./index.js";

test("etcd2/election exports these names, and no others", () => {
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
});

test("createEtcdCandidate: bad options are UsageErrors (FF48)", () => {
  for (const options of [undefined, null, {}, { client: {} }]) {
    assert.throws(() => election.createEtcdCandidate(options as never), UsageError);
  }
});

test("election: an error of the program ends a participation at once (FF19)", async () => {
  let calls = 0;
  const client = { send: () => Promise.reject(new TypeError(`a bug, ${String(++calls)}`)) };
  const candidate = election.createEtcdCandidate({ client });
  const session = await candidate.participate({ key: "k", contactInfo: "" }, () => undefined);
  await assert.rejects(
    Promise.resolve(session.closed).then((error) => Promise.reject(error as Error)),
    TypeError,
  );
  await assert.rejects(
    candidate.run({ key: "k", contactInfo: "" }, () => undefined),
    TypeError,
  );
  assert.ok(calls <= 4, `${String(calls)} calls`);
});
