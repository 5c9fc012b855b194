import assert from "node:assert/strict";
import test from "node:test";
import { checkRegister, type Operation, type RegisterCall, type Verdict } from "./linearizability.js";
import { Random } from "../../src/test-kit/random.js";

type Step = readonly [startMs: number, endMs: number, call: RegisterCall];

function read(found: string | undefined): RegisterCall {
  return { type: "read", found };
}

function write(value: string | undefined): RegisterCall {
  return { type: "write", value };
}

function swap(expected: string | undefined, value: string | undefined, swapped = true): RegisterCall {
  return { type: "swap", expected, value, swapped };
}

function operation([startMs, endMs, call]: Step): Operation {
  return { startMs, endMs, call };
}

const good: Readonly<Record<string, readonly Step[]>> = {
  "nothing at all": [],
  "one after the other": [
    [0, 1, read(undefined)],
    [2, 3, write("a")],
    [4, 5, read("a")],
    [6, 7, swap("a", "b")],
    [8, 9, read("b")],
  ],
  "a read during a write sees the old value, a later one the new": [
    [0, 1, write("a")],
    [2, 10, write("b")],
    [3, 4, read("a")],
    [5, 6, read("b")],
  ],
  "writes side by side, in the order of the reads": [
    [0, 10, write("a")],
    [0, 10, write("b")],
    [11, 12, read("a")],
  ],
  "of two swaps of one value one is refused": [
    [0, 1, write("a")],
    [2, 9, swap("a", "b")],
    [2, 9, swap("a", "c", false)],
    [10, 11, read("b")],
  ],
  "made, removed, made again": [
    [0, 1, swap(undefined, "a")],
    [2, 3, swap("a", undefined)],
    [4, 5, read(undefined)],
    [6, 7, swap(undefined, "b")],
    [8, 9, swap(undefined, "c", false)],
  ],
  "what is unknown never happened": [
    [0, 1, write("a")],
    [2, Infinity, write("b")],
    [3, 4, read("a")],
    [50, 51, read("a")],
  ],
  "what is unknown happened late": [
    [0, 1, write("a")],
    [2, Infinity, write("b")],
    [3, 4, read("a")],
    [50, 51, read("b")],
  ],
  "an unknown swap happened between two reads": [
    [0, 1, write("a")],
    [2, Infinity, swap("a", "b")],
    [3, 4, read("a")],
    [50, 51, read("b")],
    [52, 53, swap("b", "c")],
  ],
  "unknown swaps in a chain": [
    [0, 1, write("a")],
    [2, Infinity, swap("a", "b")],
    [3, Infinity, swap("b", "c")],
    [50, 51, read("c")],
  ],
  "what nobody read made a swap fail": [
    [0, 1, write("a")],
    [2, Infinity, write("b")],
    [3, 4, swap("a", "c", false)],
    [5, 6, write("d")],
  ],
  "an acknowledged write and its late twin": [
    [0, 1, write("a")],
    [0, Infinity, write("a")],
    [2, 3, write("b")],
    [4, 5, read("b")],
    [6, 7, read("a")],
  ],
};

const bad: Readonly<Record<string, readonly Step[]>> = {
  "a value that nobody wrote": [
    [0, 1, write("a")],
    [2, 3, read("x")],
  ],
  "a lost write": [
    [0, 1, write("a")],
    [2, 3, write("b")],
    [4, 5, read("a")],
  ],
  "a stale read": [
    [0, 1, write("a")],
    [2, 10, write("b")],
    [3, 4, read("b")],
    [5, 6, read("a")],
  ],
  "a read before its write": [
    [0, 1, read("a")],
    [2, 3, write("a")],
  ],
  "two swaps of one value": [
    [0, 1, write("a")],
    [2, 9, swap("a", "b")],
    [2, 9, swap("a", "c")],
  ],
  "made twice": [
    [0, 9, swap(undefined, "a")],
    [0, 9, swap(undefined, "b")],
  ],
  "refused although it was what was expected": [
    [0, 1, write("a")],
    [2, 3, swap("a", "b", false)],
  ],
  "unknown, seen before it began": [
    [0, 1, write("a")],
    [2, 3, read("b")],
    [4, Infinity, write("b")],
  ],
  "unknown, seen, then gone": [
    [0, 1, write("a")],
    [2, Infinity, write("b")],
    [3, 4, read("b")],
    [5, 6, read("a")],
  ],
  "unknown, once, yet seen twice": [
    [0, 1, write("a")],
    [2, Infinity, write("b")],
    [3, 4, read("b")],
    [5, 6, write("c")],
    [7, 8, read("c")],
    [9, 10, read("b")],
  ],
  "an acknowledged write that came back without a twin": [
    [0, 1, write("a")],
    [2, 3, write("b")],
    [4, 5, read("b")],
    [6, 7, read("a")],
  ],
  "removed, and still there": [
    [0, 1, write("a")],
    [2, 3, swap("a", undefined)],
    [4, 5, read("a")],
  ],
};

for (const [histories, result] of [
  [good, "linearizable"],
  [bad, "notLinearizable"],
] as const) {
  for (const [name, steps] of Object.entries(histories)) {
    test(`linearizability: ${name} is ${result === "linearizable" ? "good" : "bad"}`, () => {
      const verdict = checkRegister(steps.map(operation));
      assert.equal(verdict.result, result);
      assert.equal(verdict.stuck === undefined, result === "linearizable");
    });
  }
}

test("linearizability: the register may have an initial value", () => {
  const history = [operation([0, 1, read("a")])];
  assert.equal(checkRegister(history, { initial: "a" }).result, "linearizable");
  assert.equal(checkRegister(history).result, "notLinearizable");
});

test("linearizability: a bad verdict reports where the search got stuck", () => {
  const late = operation([4, 5, read("a")]);
  const { stuck } = checkRegister([operation([0, 1, write("a")]), operation([2, 3, write("b")]), late]);
  assert.deepEqual(stuck, { held: "b", next: [late] });
});

test("linearizability: the search gives up after maxSteps", () => {
  const history = Array.from({ length: 12 }, (_, i) => operation([0, 100, write(String(i))]));
  assert.equal(checkRegister([...history, operation([101, 102, read("x")])], { maxSteps: 100 }).result, "undecided");
});

test("linearizability: for small random histories the verdict equals that of trying every order", () => {
  const random = new Random(1);
  const counts = new Map<Verdict["result"], number>();
  for (let i = 0; i < 3_000; i++) {
    const history = Array.from({ length: random.whole(1, 6) }, () => anyOperation(random));
    const expected = linearizesByTrying(history, undefined) ? "linearizable" : "notLinearizable";
    assert.equal(checkRegister(history).result, expected, JSON.stringify(history));
    counts.set(expected, (counts.get(expected) ?? 0) + 1);
  }
  // neither kind is rare
  for (const result of ["linearizable", "notLinearizable"] as const)
    assert.ok((counts.get(result) ?? 0) > 300, JSON.stringify([...counts]));
});

test("linearizability: long histories of a real register are good, and bad once two reads are swapped", () => {
  for (let seed = 1; seed <= 2; seed++) {
    const history = historyOf(new Random(seed), 2_000);
    const verdict = checkRegister(history);
    assert.equal(verdict.result, "linearizable", JSON.stringify(verdict.stuck));
    const reads = history.filter(({ call, endMs }) => call.type === "read" && endMs !== Infinity);
    const early = reads[10] ?? assert.fail();
    const late = reads.at(-10) ?? assert.fail();
    const bent = history.map((each) => (each === late ? { ...late, call: early.call } : each));
    assert.equal(checkRegister(bent).result, "notLinearizable");
  }
});

function anyOperation(random: Random): Operation {
  const startMs = random.whole(0, 8);
  const values = [undefined, "a", "b"];
  const value = values[random.whole(0, 2)];
  const expected = values[random.whole(0, 2)];
  const type = random.whole(0, 3);
  const unknown = type > 0 && random.chance(0.25);
  const call =
    type === 0 ? read(value) : type === 1 ? write(value) : swap(expected, value, unknown || random.chance(0.7));
  return { call, startMs, endMs: unknown ? Infinity : startMs + random.whole(0, 6) };
}

/** Every order of the calls, with every choice of the unknown ones. */
function linearizesByTrying(left: readonly Operation[], held: string | undefined): boolean {
  const certain = left.filter(({ endMs }) => endMs !== Infinity);
  if (certain.length === 0) return true;
  return left.some((candidate) => {
    if (certain.some((other) => other !== candidate && other.endMs < candidate.startMs)) return false;
    const { call } = candidate;
    if (call.type === "read" && call.found !== held) return false;
    if (call.type === "swap" && (call.expected === held) !== call.swapped) return false;
    const changes = call.type === "write" || (call.type === "swap" && call.swapped);
    return linearizesByTrying(
      left.filter((other) => other !== candidate),
      changes ? call.value : held,
    );
  });
}

/** What eight callers of one register see. Each call takes effect between its start and end; some get no response. */
function historyOf(random: Random, count: number): readonly Operation[] {
  const calls = Array.from({ length: count }, (_, i) => {
    const startMs = i * 2 + random.next();
    const lost = random.chance(0.05);
    const momentMs = startMs + random.next() * (lost ? 400 : 15);
    return { i, startMs, momentMs, endMs: lost ? Infinity : momentMs + random.next() * 15, kind: random.whole(0, 3) };
  });
  let held: string | undefined;
  const answers = new Map<number, RegisterCall>();
  for (const { i, kind, endMs } of [...calls].sort((a, b) => a.momentMs - b.momentMs)) {
    const value = `v${String(i)}`;
    const [before, never] = [held, endMs === Infinity && random.chance(0.5)];
    if (kind < 2) answers.set(i, read(before));
    else if (kind === 2) answers.set(i, write(value));
    else answers.set(i, random.chance(0.3) ? swap("stale", value, endMs === Infinity) : swap(before, value));
    const call = answers.get(i);
    if (!never && (call?.type === "write" || (call?.type === "swap" && call.swapped && call.expected === held)))
      held = value;
  }
  return calls.flatMap(({ i, startMs, endMs }) => {
    const call = answers.get(i) ?? assert.fail();
    return call.type === "read" && endMs === Infinity ? [] : [{ call, startMs, endMs }];
  });
}
