/** An operation on a register that holds a value or nothing (undefined), and its result. */
export type RegisterCall =
  | { readonly type: "read"; readonly found: string | undefined }
  | { readonly type: "write"; readonly value: string | undefined }
  /** `swapped: false`: it was refused, since the register held something else. True if the outcome is unknown. */
  | {
      readonly type: "swap";
      readonly expected: string | undefined;
      readonly value: string | undefined;
      readonly swapped: boolean;
    };

/** One call, between two moments of one monotonic clock. */
export interface Operation {
  readonly call: RegisterCall;
  readonly startMs: number;
  /** `Infinity`: the outcome is unknown; it may have happened at any time after its start, once, or never. */
  readonly endMs: number;
}

export interface Verdict {
  /** `undecided`: the search ended after `maxSteps`. */
  readonly result: "linearizable" | "notLinearizable" | "undecided";
  /** The farthest state of the search: the register's value, and the calls of which none could come next. */
  readonly stuck: { readonly held: string | undefined; readonly next: readonly Operation[] } | undefined;
  /** How many states were visited. */
  readonly steps: number;
}

/**
 * Whether the calls have an order that respects real time (a call that ended before another began comes first) and in
 * which one register, executing one call at a time, gives the same results. Exact: Wing and Gong's search, with a memo of the
 * states that led nowhere.
 */
export function checkRegister(
  history: readonly Operation[],
  { initial, maxSteps = 2_000_000 }: { readonly initial?: string | undefined; readonly maxSteps?: number } = {},
): Verdict {
  const byStart = [...history].sort((a, b) => a.startMs - b.startMs);
  const certain = byStart.filter(({ endMs }) => endMs !== Infinity);
  const optional = byStart.filter(({ endMs }) => endMs === Infinity);
  const seen = new Set<string>();
  const stack: State[] = [{ held: initial, first: 0, beyond: [], used: [] }];
  let steps = 0;
  let farthest: State | undefined;
  for (;;) {
    const popped = stack.pop();
    if (popped === undefined) break;
    const state = settled(certain, popped);
    if (state.first === certain.length) return { result: "linearizable", stuck: undefined, steps };
    const name = nameOf(state);
    if (seen.has(name)) continue;
    seen.add(name);
    if (++steps > maxSteps) return { result: "undecided", stuck: stuckAt(certain, farthest), steps };
    if (farthest === undefined || progress(state) >= progress(farthest)) farthest = state;
    stack.push(...successors(certain, optional, state));
  }
  return { result: "notLinearizable", stuck: stuckAt(certain, farthest), steps };
}

/** The calls executed so far: the certain ones before `first` and in `beyond`, and the optional ones in `used`. */
interface State {
  readonly held: string | undefined;
  readonly first: number;
  /** Sorted, as is `used`. */
  readonly beyond: readonly number[];
  readonly used: readonly number[];
}

/** The certain calls that may come next: none of the others ended before they began. */
function openCalls(
  certain: readonly Operation[],
  { first, beyond }: State,
): { readonly indexes: readonly number[]; readonly untilMs: number } {
  const done = new Set(beyond);
  let untilMs = Infinity;
  const indexes: number[] = [];
  for (let i = first; i < certain.length; i++) {
    const operation = certain[i];
    if (operation === undefined || operation.startMs > untilMs) break;
    if (done.has(i)) continue;
    untilMs = Math.min(untilMs, operation.endMs);
    indexes.push(i);
  }
  return { indexes: indexes.filter((i) => startOf(certain, i) <= untilMs), untilMs };
}

/** Executes calls that change nothing as soon as possible: postponing them could not help. */
function settled(certain: readonly Operation[], from: State): State {
  let state = from;
  for (;;) {
    const { indexes } = openCalls(certain, state);
    const quiet = indexes.find(
      (i) => certain[i] !== undefined && isQuiet(certain[i].call) && after(certain[i].call, state.held) !== refused,
    );
    if (quiet === undefined) return state;
    state = withDone(state, quiet, state.held);
  }
}

/** Sorts the likely calls last, since the search takes from the end. */
function successors(certain: readonly Operation[], optional: readonly Operation[], state: State): readonly State[] {
  const { indexes, untilMs } = openCalls(certain, state);
  const open = indexes.flatMap((i) => certain[i] ?? []);
  const used = new Set(state.used);
  const next: State[] = [];
  const waiting = optional.flatMap((operation, i) =>
    operation.startMs <= untilMs && !used.has(i) ? [{ call: operation.call, i }] : [],
  );
  for (const { call, i } of waiting) {
    const held = after(call, state.held);
    if (held === refused || held === state.held) continue;
    // A call whose effect is not seen at once may as well happen later, or never.
    const others = [
      ...open.map((operation) => operation.call),
      ...waiting.filter((other) => other.i !== i).map((other) => other.call),
    ];
    if (!others.some((other) => notices(other, state.held, held))) continue;
    next.push({ ...state, held, used: withNumber(state.used, i) });
  }
  for (const i of [...indexes].sort((a, b) => endOf(certain, b) - endOf(certain, a))) {
    const operation = certain[i];
    const held = operation === undefined ? refused : after(operation.call, state.held);
    if (held !== refused) next.push(withDone(state, i, held));
  }
  return next;
}

/** Whether a call is possible with `now` but was not with `before`. */
function notices(call: RegisterCall, before: string | undefined, now: string | undefined): boolean {
  if (call.type === "write") return false;
  return after(call, now) !== refused && after(call, before) === refused;
}

const refused = Symbol("it could not have had this result");

/** The register's value after the call, or that the result does not fit its value before. */
function after(call: RegisterCall, held: string | undefined): string | undefined | typeof refused {
  switch (call.type) {
    case "read":
      return call.found === held ? held : refused;
    case "write":
      return call.value;
    case "swap":
      if ((call.expected === held) !== call.swapped) return refused;
      return call.swapped ? call.value : held;
  }
}

function isQuiet(call: RegisterCall): boolean {
  return call.type === "read" || (call.type === "swap" && !call.swapped);
}

function withDone({ first, beyond, used }: State, i: number, held: string | undefined): State {
  if (i !== first) return { held, first, beyond: withNumber(beyond, i), used };
  let next = first + 1;
  let taken = 0;
  while (beyond[taken] === next) {
    next++;
    taken++;
  }
  return { held, first: next, beyond: beyond.slice(taken), used };
}

function withNumber(sorted: readonly number[], i: number): readonly number[] {
  const at = sorted.findIndex((other) => other > i);
  return at === -1 ? [...sorted, i] : [...sorted.slice(0, at), i, ...sorted.slice(at)];
}

function nameOf({ held, first, beyond, used }: State): string {
  return JSON.stringify([held ?? null, first, beyond, used]);
}

function progress({ first, beyond }: State): number {
  return first + beyond.length;
}

function stuckAt(certain: readonly Operation[], state: State | undefined): Verdict["stuck"] {
  return state && { held: state.held, next: openCalls(certain, state).indexes.flatMap((i) => certain[i] ?? []) };
}

function startOf(operations: readonly Operation[], i: number): number {
  return operations[i]?.startMs ?? Infinity;
}

function endOf(operations: readonly Operation[], i: number): number {
  return operations[i]?.endMs ?? Infinity;
}
