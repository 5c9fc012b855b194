import { nameOf, type CallRecord, type Stall } from "./fault-history.js";

/** Calls that took a second longer than their attempts may take, not counting the time in which the process did not run. */
export function timeViolations(
  calls: readonly CallRecord[],
  stalls: readonly Stall[],
  limits: { readonly headerTimeoutMs: number; readonly bodyIdleTimeoutMs: number },
): readonly string[] {
  return calls.flatMap((call) => {
    const boundMs = call.attempts * limits.headerTimeoutMs + limits.bodyIdleTimeoutMs;
    const tookMs = call.endMs - call.startMs;
    const stalledMs = stalls.reduce(
      (sum, { startMs, endMs }) => sum + Math.max(0, Math.min(endMs, call.endMs) - Math.max(startMs, call.startMs)),
      0,
    );
    if (tookMs - stalledMs <= boundMs + 1_000) return [];
    return [
      `${nameOf(call)} took ${tookMs.toFixed(0)} ms, ${stalledMs.toFixed(0)} of them stalled; ${boundMs.toFixed(0)} ms is the bound (${call.result} ${call.error ?? ""})`,
    ];
  });
}
