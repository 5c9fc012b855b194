import assert from "node:assert/strict";
import test from "node:test";
import type { CallRecord, KeyEvent } from "./fault-history.js";
import { undoneViolations } from "./overwrites.js";

/** A set of `/own` that took 10 ms. */
function set(value: string, startMs: number, fields: Partial<CallRecord> = {}): CallRecord {
  const endMs = startMs + 10;
  return {
    kind: "set",
    key: "/own",
    value,
    startMs,
    endMs,
    result: "acknowledged",
    attempts: 1,
    openAttempts: 0,
    ...fields,
  };
}

/** One event for each value, at the indices 1, 2, 3 and so on. */
function events(...values: readonly string[]): readonly KeyEvent[] {
  return values.map((value, i) => ({ action: "set", key: "/own", value, index: i + 1 }));
}

test("overwrites: sets that come in the order of their calls have no violation", () => {
  assert.deepEqual(undoneViolations([set("a", 0), set("b", 20), set("c", 40)], events("a", "b", "c")), []);
});

test("overwrites: finds the second sending of an acknowledged set that undoes a newer one", () => {
  const calls = [set("a", 0), set("b", 20), set("c", 40)];
  assert.match(
    undoneViolations(calls, events("a", "b", "a", "c")).join(),
    /^\/own=a came at 3 over b: it was .* 10 ms/,
  );
  // it is undone at the end as well, and by a write that is older than the one before
  assert.match(undoneViolations(calls, events("a", "b", "c", "a")).join(), /^\/own=a came at 4 over c/);
  assert.equal(undoneViolations(calls, events("a", "c", "b", "a")).length, 2);
});

test("overwrites: finds an acknowledged set whose only event comes after a newer one", () => {
  assert.match(undoneViolations([set("a", 0), set("b", 20)], events("b", "a")).join(), /^\/own=a came at 2 over b/);
});

test("overwrites: a write reported as unknown may undo others", () => {
  const late = set("a", 0, { result: "unknown", openAttempts: 1 });
  assert.deepEqual(undoneViolations([late, set("b", 20), set("c", 40)], events("b", "c", "a")), []);
});

test("overwrites: of sets that overlap either may come last, a second sending of the older one too", () => {
  const calls = [set("a", 0), set("b", 5)];
  assert.deepEqual(undoneViolations(calls, events("a", "b", "a")), []);
  assert.deepEqual(undoneViolations(calls, events("b", "a", "b")), []);
});

test("overwrites: keys are independent of each other, and removals restore nothing", () => {
  const calls = [set("a", 0, { key: "/other" }), set("b", 20)];
  const other: KeyEvent = { action: "set", key: "/other", value: "a", index: 2 };
  assert.deepEqual(undoneViolations(calls, [...events("b"), other]), []);
  const removal: KeyEvent = { action: "delete", key: "/own", value: "", index: 3 };
  assert.deepEqual(undoneViolations(calls, [...events("b"), removal]), []);
});
