import { requireFields, type Checks } from "../../util/fields.js";
import { badArgument, requireFunction, requireMs, requireSignal } from "../../util/validate.js";

/** What `Client.autoSync` takes. */
export interface AutoSyncOptions {
  /** Ends the loop. Absent: only `close()` does. */
  readonly signal?: AbortSignal | undefined;
  /** Called with the error of each sync that failed. What it throws becomes a process warning. */
  readonly onError?: ((error: unknown) => void) | undefined;
}

/** Checks the arguments of `Client.autoSync`. @throws {UsageError} */
export function requireAutoSync(intervalMs: number, options: AutoSyncOptions): void {
  requireMs("intervalMs", intervalMs);
  if (intervalMs === Infinity) badArgument("intervalMs must be finite");
  requireFields("options", options, checks);
}

const checks: Checks<AutoSyncOptions> = { signal: requireSignal, onError: requireFunction };
