import assert from "node:assert/strict";
import test from "node:test";
import { epochViolations, foreignViolations, mirrorViolations, silentLosses, type Epoch } from "./epochs.js";
import type { CallRecord, KeyEvent, WatcherRecord } from "./fault-history.js";

function event(index: number, value: string): KeyEvent {
  return { action: "set", key: `/${value}`, value, index };
}

function call(value: string, startMs: number, index: number, fields: Partial<CallRecord> = {}): CallRecord {
  const base = { kind: "set", key: `/${value}`, attempts: 1, openAttempts: 0, result: "acknowledged" } as const;
  return { ...base, value, startMs, endMs: startMs + 10, index, clusterId: startMs < 100 ? "A" : "B", ...fields };
}

function epoch(clusterId: string, startMs: number, events: readonly KeyEvent[], afterIndex = 0): Epoch {
  const final = events.map(({ key, value, index }) => ({ key, value, index }));
  return { clusterId, startMs, endMs: startMs + 80, events, afterIndex, final };
}

const epochs = [
  epoch("A", 0, [event(11, "a"), event(12, "b"), event(13, "c")], 10),
  epoch("B", 100, [event(6, "d"), event(7, "e")], 5),
];
const calls = [call("a", 0, 11), call("b", 20, 12), call("c", 75, 13), call("d", 110, 6), call("e", 130, 7)];

function watcher(
  events: readonly KeyEvent[],
  ...restarts: readonly { at: number; afterIndex: number }[]
): WatcherRecord {
  return { name: "w", events, restarts, errors: {}, fromNowOn: false };
}

test("epochs: writes of a cluster that starts over have no violation", () => {
  assert.deepEqual(epochViolations(calls, epochs), []);
  // a write on its way while the cluster starts over may be in either epoch
  const [late, early] = [call("d", 70, 6, { endMs: 120, clusterId: "B" }), call("c", 75, 13, { endMs: 120 })];
  assert.deepEqual(epochViolations([...calls.slice(0, 2), early, late, call("e", 130, 7)], epochs), []);
});

test("epochs: finds acknowledged writes that are not in their epoch, or came from another cluster", () => {
  const lost = call("x", 140, 12);
  assert.match(epochViolations([...calls, lost], epochs).join(), /^epoch 2: set \/x=x .* acknowledged at 12, and lost/);
  // acknowledged by the new state, and only in the old one
  assert.match(epochViolations([...calls.slice(0, 2), call("c", 115, 13), ...calls.slice(3)], epochs).join(), /lost/);
  const foreign = calls.map((each) => (each.value === "e" ? { ...each, clusterId: "S" } : each));
  assert.match(epochViolations(foreign, epochs).join(), /^epoch 2: set \/e was executed by the cluster S$/);
  assert.equal(foreignViolations(foreign, ["A", "B"]).length, 1);
});

test("epochs: a watcher that reports the loss, reads and goes on has no violation", () => {
  const [[a, b, c] = [], [d, e] = []] = epochs.map(({ events }) => events);
  assert.ok(a && b && c && d && e);
  assert.deepEqual(silentLosses(watcher([a, b, d, e], { at: 2, afterIndex: 5 }), epochs), []);
  assert.deepEqual(silentLosses(watcher([b, c, e], { at: 2, afterIndex: 6 }), epochs), []);
  assert.deepEqual(silentLosses(watcher([a, d, e], { at: 1, afterIndex: 10 }, { at: 1, afterIndex: 5 }), epochs), []);
});

test("epochs: finds a watcher that lost events without a report", () => {
  const [[a, b, c] = [], [d, e] = []] = epochs.map(({ events }) => events);
  assert.ok(a && b && c && d && e);
  const wrong = [
    // goes on in the new state as if nothing had happened
    watcher([a, b, c, d, e]),
    watcher([a, b, c, e]),
    // never sees the new state
    watcher([a, b, c]),
    // gaps, before and after an error
    watcher([a, c, d, e], { at: 2, afterIndex: 5 }),
    watcher([a, b, e], { at: 2, afterIndex: 5 }),
    watcher([a, b, d], { at: 2, afterIndex: 5 }),
    // an event twice, an event of no epoch
    watcher([a, b, d, d, e], { at: 2, afterIndex: 5 }),
    watcher([a, event(12, "stranger"), d, e], { at: 2, afterIndex: 5 }),
  ];
  for (const each of wrong) assert.equal(silentLosses(each, epochs).length, 1, JSON.stringify(each));
});

test("epochs: finds a mirror whose updates do not give what is in etcd", () => {
  const set = (key: string, value?: string): { key: string; value?: string } => ({
    key,
    ...(value !== undefined && { value }),
  });
  const final = [{ key: "/d", value: "2", index: 7 }];
  const folded = (...changes: { key: string; value?: string }[]): readonly string[] =>
    mirrorViolations({ updates: [{ kind: "list", changes }] }, final);
  assert.deepEqual(folded(set("/a", "1"), set("/d", "1"), set("/a"), set("/d", "2")), []);
  assert.match(folded(set("/a", "1"), set("/d", "2")).join(), /^\/a is undefined, and by the mirror's updates 1$/);
  assert.match(folded(set("/d", "1")).join(), /^\/d is 2, and by the mirror's updates 1$/);
  assert.match(folded(set("/a"), set("/d", "2")).join(), /^\/a was removed from the mirror, but did not exist$/);
});
