import { removes, type CallRecord, type KeyEvent } from "./fault-history.js";

/**
 * Acknowledged plain sets that were undone: the value of an earlier one came back over the value of a later one. "Later"
 * means sent after the earlier one had been acknowledged. Writes reported as `unknown` may come at any time and are ignored.
 *
 * @param events all events of the run, in order of their index
 * @returns one line for each event that undid a write
 */
export function undoneViolations(calls: readonly CallRecord[], events: readonly KeyEvent[]): readonly string[] {
  const acknowledged = new Map(
    calls.filter(({ kind, result }) => kind === "set" && result === "acknowledged").map((call) => [call.value, call]),
  );
  /** By key: of the acknowledged sets applied so far, the one that was sent last. */
  const latest = new Map<string, CallRecord>();
  return events.flatMap(({ action, key, value, index }) => {
    const call = removes(action) ? undefined : acknowledged.get(value);
    if (call?.key !== key) return [];
    const before = latest.get(key);
    if (before === undefined || call.startMs >= before.startMs) latest.set(key, call);
    if (before === undefined || before.startMs < call.endMs) return [];
    return [
      `${key}=${value} came at ${String(index)} over ${String(before.value)}: it was acknowledged ${(before.startMs - call.endMs).toFixed(0)} ms before that one was sent, at ${String(call.index)}`,
    ];
  });
}
