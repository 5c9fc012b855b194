import type { MirrorRecord } from "./epochs.js";
import { checkRegister, type Operation, type RegisterCall } from "./linearizability.js";

/** What a fault run recorded about one call. */
export interface CallRecord {
  /** `read`: a quorum read of a register; `list`: any other read, which proves nothing; `swap` and `remove` compare; `set` may be sent twice. */
  readonly kind: "read" | "list" | "set" | "create" | "swap" | "remove" | "createInOrder";
  /** For `createInOrder` the directory. */
  readonly key: string;
  readonly startMs: number;
  readonly endMs: number;
  /** `odd`: it settled with something that no call should settle with. */
  readonly result: "acknowledged" | "refused" | "notApplied" | "unknown" | "odd";
  /** The value that it wrote or read. Absent: nothing was there, or it was removed. No two calls write the same value. */
  readonly value?: string | undefined;
  /** For `swap` and `remove`: the expected value and its `modifiedIndex`. */
  readonly expected?: string | undefined;
  readonly expectedIndex?: number | undefined;
  /** For an acknowledged write: its `modifiedIndex`. */
  readonly index?: number | undefined;
  /** For an acknowledged `createInOrder`: the key that etcd created. */
  readonly made?: string | undefined;
  /** The largest number of endpoints that it may have tried. */
  readonly attempts: number;
  /** How many attempts ended without a response: each may be applied, or applied once more, at any time. */
  readonly openAttempts: number;
  /** The cluster that sent the response; absent: there was none. */
  readonly clusterId?: string | undefined;
  /** The rejection: codes of the error and of its attempts. */
  readonly error?: string | undefined;
}

export interface KeyEvent {
  readonly action: string;
  readonly key: string;
  readonly value: string;
  readonly index: number;
  /** `modifiedIndex` of the previous node. */
  readonly prevIndex?: number | undefined;
}

export interface FinalNode {
  readonly key: string;
  readonly value: string;
  readonly index: number;
}

/** A time in which the process did not run, according to its own timers. */
export interface Stall {
  readonly startMs: number;
  readonly endMs: number;
}

export interface WatcherRecord {
  readonly name: string;
  readonly events: readonly KeyEvent[];
  /** The rejections of `next`, with their counts. */
  readonly errors: Readonly<Record<string, number>>;
  /** It began from now on, at some event; all others begin with the first. */
  readonly fromNowOn: boolean;
  /**
   * Where it read again and went on after an error that events are gone: before its event number `at`, from that index.
   */
  readonly restarts?: readonly { readonly at: number; readonly afterIndex: number }[] | undefined;
}

/** The result of the process under load. */
export interface LoadRecord {
  readonly calls: readonly CallRecord[];
  readonly watchers: readonly WatcherRecord[];
  readonly stalls: readonly Stall[];
  readonly mirrors: readonly MirrorRecord[];
  /** `performance.timeOrigin` of its clock. */
  readonly originMs: number;
}

/** The violations by writes, one line each. `events`: all events up to `final`, the result of a quorum read. */
export function writeViolations(
  calls: readonly CallRecord[],
  events: readonly KeyEvent[],
  final: readonly FinalNode[],
): readonly string[] {
  const problems: string[] = [];
  const byIndex = new Map(events.map((event) => [event.index, event]));
  const counts = countBy(events.filter(({ action }) => !removes(action)).map(({ value }) => value));
  const known = new Set<string>();
  for (const call of calls.filter(isWrite)) {
    if (call.kind !== "remove" && call.value !== undefined) known.add(call.value);
    if (call.result === "acknowledged") problems.push(...lossOf(call, byIndex));
    if (call.kind === "remove" || call.value === undefined) continue;
    const [count, most] = [counts.get(call.value) ?? 0, mostOf(call)];
    if (count > most) problems.push(`${nameOf(call)}: applied ${times(count)}, ${times(most)} at most were possible`);
  }
  for (const { key, value, index } of events.filter(({ action, value }) => !removes(action) && !known.has(value))) {
    problems.push(`${key}=${value} at ${String(index)}: nobody wrote that`);
  }
  return [
    ...problems,
    ...indexViolations(calls),
    ...removalViolations(calls, events),
    ...finalViolations(calls, events, final),
  ];
}

/** Of entries made in order: at least the acknowledged ones are there, and not more than those and the unknown ones. */
export function queueViolations(calls: readonly CallRecord[], final: readonly FinalNode[]): readonly string[] {
  const problems: string[] = [];
  const made = calls.filter(({ kind }) => kind === "createInOrder");
  for (const dir of new Set(made.map(({ key }) => key))) {
    const entries = final.filter(({ key }) => key.startsWith(`${dir}/`)).length;
    const [sure, open] = (["acknowledged", "unknown"] as const).map(
      (result) => made.filter((call) => call.key === dir && call.result === result).length,
    );
    if (entries < (sure ?? 0) || entries > (sure ?? 0) + (open ?? 0)) {
      problems.push(
        `${dir} holds ${String(entries)} entries, with ${String(sure)} acknowledged and ${String(open)} unknown`,
      );
    }
  }
  return problems;
}

/** Which registers are not linearizable. A register is a key that `read` was called on. */
export function registerViolations(calls: readonly CallRecord[], final: readonly FinalNode[]): readonly string[] {
  const atEnd = new Map(final.map(({ key, value }) => [key, value]));
  const problems: string[] = [];
  for (const key of registersOf(calls)) {
    const history = [
      ...calls.filter((call) => call.key === key).flatMap(operationsOf),
      { call: readOf(atEnd.get(key)), startMs: afterAllMs, endMs: afterAllMs },
    ];
    const { result, stuck, steps } = checkRegister(history);
    if (result === "linearizable") continue;
    const next = stuck?.next.map((operation) => JSON.stringify(operation)).join(" ") ?? "";
    problems.push(
      `${key}: ${result} after ${String(steps)} steps; it held ${String(stuck?.held)}, and next was one of ${next}`,
    );
  }
  return problems;
}

export function registersOf(calls: readonly CallRecord[]): ReadonlySet<string> {
  return new Set(calls.filter(({ kind }) => kind === "read").map(({ key }) => key));
}

/** Where a watcher differs from the events that happened; `events` begin where the watcher did. */
export function watcherViolations(watcher: WatcherRecord, events: readonly KeyEvent[]): readonly string[] {
  const cleared = watcher.errors["cleared"] ?? 0;
  if (cleared > 0)
    return [
      `${watcher.name}: it fell behind by more than the 1000 events that etcd keeps: the load was too high for this machine`,
    ];
  const start = watcher.fromNowOn ? events.findIndex(({ index }) => index === watcher.events[0]?.index) : 0;
  if (start === -1) return [`${watcher.name}: its first event never happened, or there was none`];
  const expected = events.slice(start).map(lineOf);
  const seen = watcher.events.map(lineOf);
  const at = Math.max(
    0,
    [...expected, undefined].findIndex((line, i) => line !== seen[i]),
  );
  if (seen.length === expected.length && seen[at] === expected[at]) return [];
  const [here, there] = [seen, expected].map((lines) => lines.slice(at, at + 3).join(", "));
  return [
    `${watcher.name}: differs at event ${String(at)} of ${String(expected.length)}: it reported ${here ?? ""}; what happened is ${there ?? ""}`,
  ];
}

const afterAllMs = Number.MAX_SAFE_INTEGER;

export function isWrite({ kind }: CallRecord): boolean {
  return kind !== "read" && kind !== "list";
}

/** Whether an event of this action ends its key. */
export function removes(action: string): boolean {
  return action === "delete" || action === "compareAndDelete" || action === "expire";
}

/** How often a call may have been applied. */
function mostOf({ kind, result, openAttempts }: CallRecord): number {
  if (result === "notApplied" || result === "refused") return 0;
  const sure = result === "acknowledged" ? 1 : 0;
  return kind === "set" ? sure + openAttempts : 1;
}

function lossOf(call: CallRecord, byIndex: ReadonlyMap<number, KeyEvent>): readonly string[] {
  const event = byIndex.get(call.index ?? NaN);
  if (event === undefined) return [`${nameOf(call)}: acknowledged at ${String(call.index)}, and lost`];
  const as = call.kind === "remove" ? removes(event.action) : !removes(event.action) && event.value === call.value;
  if (as && event.key === (call.made ?? call.key)) return [];
  return [`${nameOf(call)}: acknowledged at ${String(call.index)}, where ${lineOf(event)} happened`];
}

/** Two acknowledgements of one change would be one write too few. */
function indexViolations(calls: readonly CallRecord[]): readonly string[] {
  const counts = countBy(
    calls.filter((call) => isWrite(call) && call.result === "acknowledged").map(({ index }) => index),
  );
  return [...counts].flatMap(([index, count]) =>
    count > 1 ? [`${String(count)} writes were acknowledged at ${String(index)}`] : [],
  );
}

/** Each removal belongs to a call that may have done it. */
function removalViolations(calls: readonly CallRecord[], events: readonly KeyEvent[]): readonly string[] {
  const possible = new Set(
    calls
      .filter(({ kind, result }) => kind === "remove" && (result === "acknowledged" || result === "unknown"))
      .map(({ key, expectedIndex }) => `${key} ${String(expectedIndex)}`),
  );
  return events.flatMap((event) => {
    if (!removes(event.action) || possible.has(`${event.key} ${String(event.prevIndex)}`)) return [];
    return [
      `${lineOf(event)}: nobody removed the node of index ${String(event.prevIndex)}, or the caller got the outcome notApplied`,
    ];
  });
}

function finalViolations(
  calls: readonly CallRecord[],
  events: readonly KeyEvent[],
  final: readonly FinalNode[],
): readonly string[] {
  const problems: string[] = [];
  const here = new Map(final.map((node) => [node.key, node]));
  const told = new Map<string, FinalNode>();
  for (const { action, key, value, index } of events) {
    if (removes(action)) told.delete(key);
    else told.set(key, { key, value, index });
  }
  for (const key of new Set([...here.keys(), ...told.keys()])) {
    const [is, should] = [here.get(key), told.get(key)].map((node) => node && `${node.value} at ${String(node.index)}`);
    if (is !== should) problems.push(`${key} is ${String(is)}, and by its events ${String(should)}`);
  }
  // without the events: keys that only one call ever wrote
  const writes = countBy(calls.filter(isWrite).map(({ key, made }) => made ?? key));
  for (const call of calls.filter(
    (each) => isWrite(each) && each.kind !== "remove" && each.result === "acknowledged",
  )) {
    const key = call.made ?? call.key;
    if (writes.get(key) === 1 && here.get(key)?.value !== call.value)
      problems.push(`${nameOf(call)}: acknowledged, but absent at the end`);
  }
  return problems;
}

function operationsOf(call: CallRecord): readonly Operation[] {
  const { startMs, endMs, result, openAttempts } = call;
  const asked = registerCallOf(call);
  if (asked === undefined || result === "notApplied" || result === "odd") return [];
  const open: Operation = { call: asked, startMs, endMs: Infinity };
  if (call.kind === "read") return result === "acknowledged" ? [{ call: asked, startMs, endMs }] : [];
  const sure = result === "unknown" ? [] : [{ call: asked, startMs, endMs }];
  if (call.kind === "set") return [...sure, ...Array.from({ length: openAttempts }, () => open)];
  return result === "unknown" ? [open] : sure;
}

function registerCallOf({ kind, value, expected, result }: CallRecord): RegisterCall | undefined {
  switch (kind) {
    case "read":
      return readOf(value);
    case "set":
      return { type: "write", value };
    case "create":
    case "swap":
    case "remove":
      return { type: "swap", expected, value, swapped: result !== "refused" };
    case "list":
    case "createInOrder":
      return undefined;
  }
}

function readOf(found: string | undefined): RegisterCall {
  return { type: "read", found };
}

function lineOf({ action, key, value, index }: KeyEvent): string {
  return `${action} ${key}=${value} at ${String(index)}`;
}

/** A call, in words. */
export function nameOf({ kind, key, value, startMs }: CallRecord): string {
  return `${kind} ${key}=${String(value)} at ${startMs.toFixed(0)} ms`;
}

function times(count: number): string {
  return count === 1 ? "once" : `${String(count)} times`;
}

function countBy<T>(items: readonly T[]): ReadonlyMap<T, number> {
  const counts = new Map<T, number>();
  for (const item of items) counts.set(item, (counts.get(item) ?? 0) + 1);
  return counts;
}
