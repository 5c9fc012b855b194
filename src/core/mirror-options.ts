import { optional, type Checks } from "../util/fields.js";
import { badArgument, kindOf, requireFunction, requireMs } from "../util/validate.js";

/** Options of `Mirror`. */
export interface MirrorOptions {
  /**
   * Called with every failure after which the mirror goes on: outages, and what `isIndexCleared` recognizes, after which it
   * reads again. What it throws becomes a process warning. Absent: a mirror that gets nowhere for 5 s emits a process
   * warning, once per `KeysAPI`.
   */
  readonly onError?: ((error: unknown) => void) | undefined;
  /** Pause after the first failure in a row, in ms; doubles with each, at random up to half shorter. @default 100 */
  readonly minRetryMs?: number | undefined;
  /** Longest pause, in ms. @default 10000 */
  readonly maxRetryMs?: number | undefined;
}

/** The check of each option. */
export const mirrorChecks: Checks<MirrorOptions> = {
  onError: requireFunction,
  minRetryMs: optional(requireMs),
  maxRetryMs: optional(requireMs),
};

/** Refuses what is not a `KeysAPI`. */
export function requireKeys(keys: unknown): void {
  if (typeof keys !== "object" || keys === null || !("watcher" in keys) || !("get" in keys))
    badArgument(`keys must be a KeysAPI, as in new KeysAPI(client), got ${kindOf(keys)}`);
}
