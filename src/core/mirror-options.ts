import { optional, requireFields, type Checks } from "../util/fields.js";
import type { KeysAPI } from "./keys.js";
import { badArgument, kindOf, requireFunction, requireMs } from "../util/validate.js";

/** Options of `Mirror`. */
export interface MirrorOptions {
  /**
   * Called with every failure after which the mirror goes on: outages, and what `isIndexCleared` recognizes, after which it
   * reads again. What it throws becomes a process warning. Absent: a mirror that makes no progress for 5 s emits a process
   * warning, once per `KeysAPI`.
   */
  readonly onError?: ((error: unknown) => void) | undefined;
  /** Pause after the first failure in a row, in ms; doubles with each, at random up to half shorter. @default 100 */
  readonly minRetryMs?: number | undefined;
  /** Longest pause, in ms. @default 10000 */
  readonly maxRetryMs?: number | undefined;
}

const checks: Checks<MirrorOptions> = {
  onError: requireFunction,
  minRetryMs: optional(requireMs),
  maxRetryMs: optional(requireMs),
};

/** Checks the arguments of a mirror. @throws {UsageError} */
export function requireMirror(keys: KeysAPI, key: string, options: MirrorOptions): void {
  if (!isKeysAPI(keys)) badArgument(`keys must be a KeysAPI, as in new KeysAPI(client), got ${kindOf(keys)}`);
  requireFields("options", options, checks);
  // checks the key
  keys.watcher(key);
}

function isKeysAPI(keys: unknown): boolean {
  return typeof keys === "object" && keys !== null && "watcher" in keys && "get" in keys;
}
