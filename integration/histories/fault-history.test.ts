import assert from "node:assert/strict";
import test from "node:test";
import { timeViolations } from "./call-times.js";
import {
  queueViolations,
  registerViolations,
  watcherViolations,
  writeViolations,
  type CallRecord,
  type FinalNode,
  type KeyEvent,
  type WatcherRecord,
} from "./fault-history.js";

type Short = Pick<CallRecord, "kind" | "key" | "result"> & Partial<CallRecord>;

/** Consecutive calls of 10 ms each. */
function calls(...short: readonly Short[]): readonly CallRecord[] {
  return short.map((call, i) => ({
    startMs: i * 20,
    endMs: i * 20 + 10,
    attempts: 1,
    openAttempts: call.result === "unknown" ? 1 : 0,
    ...call,
  }));
}

function event(index: number, action: string, key: string, value = "", prevIndex?: number): KeyEvent {
  return { index, action, key, value, prevIndex };
}

/** What a good run may record. */
const good = {
  calls: calls(
    { kind: "create", key: "/r", value: "a", result: "acknowledged", index: 1 },
    { kind: "read", key: "/r", value: "a", result: "acknowledged", index: 1 },
    { kind: "swap", key: "/r", value: "b", expected: "a", expectedIndex: 1, result: "acknowledged", index: 2 },
    { kind: "swap", key: "/r", value: "c", expected: "a", expectedIndex: 1, result: "refused" },
    { kind: "swap", key: "/r", value: "d", expected: "b", expectedIndex: 2, result: "unknown" },
    { kind: "set", key: "/s", value: "e", result: "unknown", openAttempts: 2 },
    { kind: "set", key: "/s", value: "f", result: "notApplied" },
    { kind: "createInOrder", key: "/q", value: "g", result: "acknowledged", index: 3, made: "/q/03" },
    { kind: "createInOrder", key: "/q", value: "h", result: "unknown" },
    { kind: "createInOrder", key: "/q", value: "i", result: "unknown" },
    { kind: "read", key: "/r", value: "d", result: "acknowledged", index: 4 },
    { kind: "remove", key: "/r", expected: "d", expectedIndex: 4, result: "acknowledged", index: 7 },
    { kind: "set", key: "/once", value: "j", result: "acknowledged", index: 8 },
  ),
  events: [
    event(1, "create", "/r", "a"),
    event(2, "compareAndSwap", "/r", "b", 1),
    event(3, "create", "/q/03", "g"),
    event(4, "compareAndSwap", "/r", "d", 2),
    event(5, "create", "/q/05", "h"),
    event(6, "set", "/s", "e"),
    event(7, "compareAndDelete", "/r", "", 4),
    event(8, "set", "/once", "j"),
    event(9, "set", "/s", "e", 6),
  ],
  final: [
    { key: "/q/03", value: "g", index: 3 },
    { key: "/q/05", value: "h", index: 5 },
    { key: "/once", value: "j", index: 8 },
    { key: "/s", value: "e", index: 9 },
  ],
} as const satisfies { calls: readonly CallRecord[]; events: readonly KeyEvent[]; final: readonly FinalNode[] };

test("fault history: a good history has no violation", () => {
  assert.deepEqual(writeViolations(good.calls, good.events, good.final), []);
  assert.deepEqual(queueViolations(good.calls, good.final), []);
  assert.deepEqual(registerViolations(good.calls, good.final), []);
  assert.deepEqual(timeViolations(good.calls, [], { headerTimeoutMs: 0, bodyIdleTimeoutMs: 0 }), []);
});

/** The good history with one change. */
function changed(change: {
  readonly value?: string;
  readonly result?: CallRecord["result"];
  readonly index?: number;
  readonly without?: number;
  readonly more?: KeyEvent;
  readonly final?: readonly FinalNode[];
  readonly removal?: CallRecord["result"];
}): readonly string[] {
  const { value, result, index, without, more, final = good.final, removal } = change;
  const bent = good.calls.map((call: CallRecord) => {
    if (value !== undefined && call.value === value)
      return { ...call, ...(result !== undefined && { result }), ...(index !== undefined && { index }) };
    return call.kind === "remove" && removal !== undefined ? { ...call, result: removal } : call;
  });
  const events = good.events.filter((each: KeyEvent) => each.index !== without);
  return writeViolations(bent, more === undefined ? events : [...events, more], final);
}

const wrongs: Readonly<Record<string, readonly [pattern: RegExp, violations: readonly string[]]>> = {
  "an acknowledged write that never happened": [/=b at 40 ms: acknowledged at 2, and lost/, changed({ without: 2 })],
  "an acknowledged entry that never happened": [/=g at .*lost/, changed({ without: 3 })],
  "an acknowledged write at an index where another happened": [
    /acknowledged at 4, where compareAndSwap \/r=d/,
    changed({ value: "b", index: 4 }),
  ],
  "two writes acknowledged at one index": [/2 writes were acknowledged at 8/, changed({ value: "b", index: 8 })],
  "a write that was notApplied, and happened": [
    /=f at .*: applied once, 0 times at most/,
    changed({ more: event(10, "set", "/s", "f") }),
  ],
  "a swap that was refused, and happened": [
    /=c at .*: applied once, 0 times at most/,
    changed({ more: event(10, "compareAndSwap", "/r", "c") }),
  ],
  "a write whose outcome was unknown, and is then notApplied": [
    /=d at .*: applied once, 0 times at most/,
    changed({ value: "d", result: "notApplied" }),
  ],
  "an entry made twice": [
    /=h at .*: applied 2 times, once at most/,
    changed({ more: event(10, "create", "/q/10", "h") }),
  ],
  "a set that was applied more often than it was sent": [
    /=e at .*: applied 3 times, 2 times at most/,
    changed({ more: event(10, "set", "/s", "e") }),
  ],
  "a value that nobody wrote": [/\/x=y at 10: nobody wrote that/, changed({ more: event(10, "set", "/x", "y") })],
  "a removal that was notApplied, and happened": [
    /nobody removed the node of index 4/,
    changed({ removal: "notApplied" }),
  ],
  "a removal that no call requested": [
    /nobody removed the node of index 8/,
    changed({ more: event(10, "delete", "/once", "", 8) }),
  ],
  "a key that its events do not explain": [
    /\/once is undefined, and by its events j at 8/,
    changed({ final: good.final.filter(({ key }) => key !== "/once") }),
  ],
  "an acknowledged write that is absent at the end": [
    /=j at .*: acknowledged, but absent at the end/,
    changed({ final: good.final.filter(({ key }) => key !== "/once") }),
  ],
};

for (const [name, [pattern, violations]] of Object.entries(wrongs)) {
  test(`fault history: finds ${name}`, () => {
    assert.ok(
      violations.some((line) => pattern.test(line)),
      violations.join("\n"),
    );
  });
}

test("fault history: finds more or fewer entries than the calls can explain", () => {
  const entries = (count: number): readonly FinalNode[] =>
    Array.from({ length: count }, (_, i) => ({ key: `/q/${String(i)}`, value: "", index: i + 1 }));
  for (const [count, problems] of [
    [0, 1],
    [1, 0],
    [3, 0],
    [4, 1],
  ] as const) {
    assert.equal(queueViolations(good.calls, entries(count)).length, problems, String(count));
  }
});

test("fault history: finds a register that went back", () => {
  const stale = calls(
    { kind: "read", key: "/r", result: "acknowledged" },
    { kind: "set", key: "/r", value: "a", result: "acknowledged", index: 1 },
    { kind: "set", key: "/r", value: "b", result: "acknowledged", index: 2 },
    { kind: "read", key: "/r", value: "a", result: "acknowledged", index: 1 },
  );
  const final = [{ key: "/r", value: "b", index: 2 }];
  assert.match(registerViolations(stale, final).join(), /^\/r: notLinearizable/);
  // a set that may be applied once more explains the read, and what is there at the end
  const twin = stale.map((call) => (call.value === "a" && call.kind === "set" ? { ...call, openAttempts: 1 } : call));
  assert.equal(registerViolations(twin, final).length, 1);
  assert.deepEqual(registerViolations(twin, [{ key: "/r", value: "a", index: 3 }]), []);
});

test("fault history: finds calls that took too long, not counting time in which the process did not run", () => {
  const [call = assert.fail()] = calls({ kind: "list", key: "/", result: "acknowledged" });
  const limits = { headerTimeoutMs: 1_500, bodyIdleTimeoutMs: 1_000 };
  const slow = { ...call, startMs: 1_000, endMs: 6_001, attempts: 2 };
  assert.equal(timeViolations([slow], [], limits).length, 1);
  assert.equal(
    timeViolations(
      [slow],
      [
        { startMs: 0, endMs: 1_000 },
        { startMs: 7_000, endMs: 9_000 },
      ],
      limits,
    ).length,
    1,
  );
  assert.deepEqual(timeViolations([slow], [{ startMs: 5_900, endMs: 9_000 }], limits), []);
  assert.deepEqual(
    timeViolations(
      [
        { ...slow, endMs: 6_000 },
        { ...slow, attempts: 3 },
      ],
      [],
      limits,
    ),
    [],
  );
});

test("fault history: finds a watcher that skipped, repeated, swapped or invented an event, or fell behind", () => {
  const watcher = (events: readonly KeyEvent[], fields: Partial<WatcherRecord> = {}): WatcherRecord => ({
    name: "w",
    events,
    errors: {},
    fromNowOn: false,
    ...fields,
  });
  const events: readonly KeyEvent[] = good.events;
  const [first = assert.fail(), second = assert.fail(), ...rest] = events;
  assert.deepEqual(watcherViolations(watcher(events), events), []);
  assert.deepEqual(watcherViolations(watcher(rest, { fromNowOn: true }), events), []);
  const wrong = [
    [second, ...rest],
    [first, ...rest],
    [first, second, ...rest.slice(0, -1)],
    [first, first, second, ...rest],
    [second, first, ...rest],
    [...events, event(10, "set", "/x", "y")],
    [],
  ];
  for (const told of wrong) assert.equal(watcherViolations(watcher(told), events).length, 1, JSON.stringify(told));
  assert.equal(watcherViolations(watcher([second, ...rest.slice(1)], { fromNowOn: true }), events).length, 1);
  assert.equal(watcherViolations(watcher([], { fromNowOn: true }), events).length, 1);
  assert.match(watcherViolations(watcher(events, { errors: { cleared: 1 } }), events).join(), /fell behind/);
});
