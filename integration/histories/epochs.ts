// Histories of clusters that start over: each state is an epoch, with indices of its own.
import {
  isWrite,
  writeViolations,
  type CallRecord,
  type FinalNode,
  type KeyEvent,
  type WatcherRecord,
} from "./fault-history.js";

/** What happened from one start of the cluster to its end. */
export interface Epoch {
  readonly clusterId: string;
  /** When clients could reach it, by the clock of the process under load, in ms. */
  readonly startMs: number;
  readonly endMs: number;
  /** Its index when clients could first reach it. */
  readonly afterIndex: number;
  /** All of them after `afterIndex`, in order. */
  readonly events: readonly KeyEvent[];
  /** What a quorum read found at its end. */
  readonly final: readonly FinalNode[];
}

/** What a mirror delivered. */
export interface MirrorRecord {
  readonly name: string;
  readonly updates: readonly MirrorUpdateRecord[];
  /** What its `onError` was called with, and how often. */
  readonly errors: Readonly<Record<string, number>>;
}

/** One update of a mirror. */
export interface MirrorUpdateRecord {
  readonly kind: "list" | "event";
  /** Absent value: removed. */
  readonly changes: readonly { readonly key: string; readonly value?: string | undefined }[];
}

/** Acknowledged calls whose response came from another cluster than these. */
export function foreignViolations(calls: readonly CallRecord[], clusterIds: readonly string[]): readonly string[] {
  return calls
    .filter(({ result, clusterId }) => result === "acknowledged" && clusterId !== undefined)
    .filter(({ clusterId = "" }) => !clusterIds.includes(clusterId))
    .map(({ kind, key, clusterId }) => `${kind} ${key} was executed by the cluster ${String(clusterId)}`);
}

/** What is wrong with the writes of each epoch. A write that was under way while the cluster started over may belong to either. */
export function epochViolations(calls: readonly CallRecord[], epochs: readonly Epoch[]): readonly string[] {
  return epochs.flatMap((epoch, i) => {
    const own = calls.filter((call) => overlaps(call, epoch));
    const seen = own.map((call) => {
      const elsewhere = epochs.some((other) => other !== epoch && overlaps(call, other) && happenedIn(call, other));
      const isElsewhere = isWrite(call) && call.result === "acknowledged" && elsewhere && !happenedIn(call, epoch);
      return isElsewhere ? { ...call, result: "unknown" as const, openAttempts: call.attempts } : call;
    });
    const final = epoch.final.filter(({ index }) => index > epoch.afterIndex);
    const foreign = foreignViolations(
      seen.filter((call) => call.startMs > epoch.startMs && call.endMs < epoch.endMs),
      [epoch.clusterId],
    );
    return [...writeViolations(seen, epoch.events, final), ...foreign].map((line) => `epoch ${String(i + 1)}: ${line}`);
  });
}

/**
 * Where a watcher lost events without an error. After an error that `isIndexCleared` recognizes it reads and goes on:
 * each part between must be events of one epoch without a gap, and the last part must reach the end of the last.
 */
export function silentLosses(watcher: WatcherRecord, epochs: readonly Epoch[]): readonly string[] {
  const restarts = watcher.restarts ?? [];
  const parts = [{ at: 0, afterIndex: undefined }, ...restarts].map(({ at, afterIndex }, i) => ({
    afterIndex,
    events: watcher.events.slice(at, restarts[i]?.at),
  }));
  return parts.flatMap((part, i) => {
    const isLast = i === parts.length - 1;
    const among = isLast ? epochs.slice(-1) : epochs;
    if (!isLast && part.events.length === 0) return [];
    if (among.some((epoch) => isRun(part.events, expectedOf(part, epoch), isLast))) return [];
    const [first, last] = [part.events.at(0), part.events.at(-1)].map(
      (event) => `${event?.key ?? "none"} at ${String(event?.index)}`,
    );
    return [
      `${watcher.name}: part ${String(i + 1)} of ${String(parts.length)}, after ${String(part.afterIndex)}, ${String(part.events.length)} events from ${String(first)} to ${String(last)}, is not what happened in one epoch`,
    ];
  });
}

/** Whether applying all updates of a mirror gives what is in etcd at the end; one line for each key that differs. */
export function mirrorViolations(
  { updates }: Pick<MirrorRecord, "updates">,
  final: readonly FinalNode[],
): readonly string[] {
  const state = new Map<string, string>();
  const problems: string[] = [];
  for (const { key, value } of updates.flatMap(({ changes }) => changes)) {
    if (value !== undefined) state.set(key, value);
    else if (!state.delete(key)) problems.push(`${key} was removed from the mirror, but did not exist`);
  }
  const here = new Map(final.map(({ key, value }) => [key, value]));
  for (const key of new Set([...state.keys(), ...here.keys()])) {
    const [has, is] = [state.get(key), here.get(key)];
    if (has !== is) problems.push(`${key} is ${String(is)}, and by the mirror's updates ${String(has)}`);
  }
  return problems;
}

function overlaps(call: CallRecord, epoch: Epoch): boolean {
  return call.endMs >= epoch.startMs && call.startMs <= epoch.endMs;
}

function happenedIn({ key, made = key, kind, value, index }: CallRecord, { events }: Epoch): boolean {
  return events.some(
    (event) => event.index === index && event.key === made && (kind === "remove" || event.value === value),
  );
}

interface Part {
  readonly afterIndex: number | undefined;
  readonly events: readonly KeyEvent[];
}

/** The events of an epoch that a part should begin with. */
function expectedOf({ afterIndex, events }: Part, epoch: Epoch): readonly KeyEvent[] {
  const first = afterIndex === undefined ? events[0]?.index : afterIndex + 1;
  return epoch.events.filter(({ index }) => index >= (first ?? 0));
}

function isRun(seen: readonly KeyEvent[], expected: readonly KeyEvent[], isWhole: boolean): boolean {
  if (isWhole ? seen.length !== expected.length || seen.length === 0 : seen.length > expected.length) return false;
  return seen.every((event, i) => JSON.stringify(event) === JSON.stringify(expected[i]));
}
