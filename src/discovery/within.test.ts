import assert from "node:assert/strict";
import test from "node:test";
import { rejectWhenAborted } from "../util/signals.js";
import { within } from "./within.js";

const never = new AbortController().signal;

test("within: a step that is done in time gives its result", async () => {
  const limits = { ms: 30_000, what: "it", failure: () => undefined };
  assert.equal(await within(limits, never, () => Promise.resolve(1)), 1);
  assert.equal(await within({ ...limits, ms: Infinity }, never, () => Promise.resolve(2)), 2);
});

test("within: a step that takes too long is aborted, and rejects with the last failure as its cause", async () => {
  const cause = new Error("refused");
  const limits = { ms: 5, what: 'host "k"', failure: () => cause };
  await assert.rejects(
    within(limits, never, (signal) => rejectWhenAborted(signal)),
    { code: "ERR_REGISTRATION_TIMEOUT", message: 'host "k" could not be written within 5 ms', cause },
  );
});

test("within: an abort of the parent rejects with its reason", async () => {
  const parent = new AbortController();
  const reason = new Error("enough");
  const limits = { ms: 30_000, what: "it", failure: () => undefined };
  const step = within(limits, parent.signal, (signal) => rejectWhenAborted(signal));
  parent.abort(reason);
  await assert.rejects(step, reason);
});
