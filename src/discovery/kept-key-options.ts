import { anything, choice, optional, requireFields, type Checks } from "../util/fields.js";
import type { StalledWarning } from "../util/stalled-warning.js";
import { requireFunction, requireMs, requireSignal, requireTtlMs } from "../util/validate.js";
import type { KeepAliveMode, KeyConflict } from "./owned-key.js";

/** `degraded`: it was written, and the last heartbeat failed or found the key taken over; the key may have expired. */
export type KeepAliveState = "registered" | "degraded";

/** How to keep a key alive. */
export interface KeptKeyOptions {
  /** How long the key lives without a heartbeat, in ms; at least 1000, rounded up to whole seconds. */
  readonly ttlMs: number;
  /** Time between two heartbeats, in ms, from when the last good one was sent; at random up to a tenth shorter. @default a third of `ttlMs` */
  readonly beatMs?: number | undefined;
  /** `refresh` wakes no watcher; it falls back to `set` on servers that do not know it. @default "refresh" */
  readonly mode?: KeepAliveMode | undefined;
  /** Longest pause after a write that failed, in ms; the first pauses are shorter. @default 1000 */
  readonly retryMs?: number | undefined;
  /** See {@link OwnedKey}. @default "compare" */
  readonly removal?: "compare" | "read" | undefined;
  /** Called with each change of state, the first "registered" included. */
  readonly onState?: ((state: KeepAliveState) => void) | undefined;
  /** Called with each failure that is tried again. */
  readonly onError?: ((error: unknown) => void) | undefined;
  /** Called when another process has written the key. */
  readonly onConflict?: ((conflict: KeyConflict) => void) | undefined;
  /** Warns if there is no progress and the user has no handler. Absent: no warning. */
  readonly stalled?: StalledWarning | undefined;
  /** Ends it as `close` does. */
  readonly signal?: AbortSignal | undefined;
}

/** @throws {UsageError} for a bad option */
export function requireKeptKeyOptions(options: KeptKeyOptions): void {
  requireFields("options", options, keptKeyChecks);
}

const keptKeyChecks: Checks<KeptKeyOptions> = {
  ttlMs: requireTtlMs,
  beatMs: optional(requireMs),
  mode: choice("refresh", "set"),
  retryMs: optional(requireMs),
  removal: choice("compare", "read"),
  onState: requireFunction,
  onError: requireFunction,
  onConflict: requireFunction,
  stalled: anything,
  signal: requireSignal,
};
