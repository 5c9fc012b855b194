import { Backoff } from "../../util/backoff.js";
import { safeCallback } from "../../util/callback.js";
import { messageOf } from "../../util/error-like.js";
import { requireFields, type Checks } from "../../util/fields.js";
import { log } from "../../util/log.js";
import { sleep } from "../../util/signals.js";
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

/** The first pause after a sync that failed, in ms. It doubles up to the interval. */
const firstPauseMs = 1_000;

/** Syncs at once and then at the interval; after a failure sooner. Ends only by the signal. */
export async function syncForever(
  sync: (signal: AbortSignal) => Promise<void>,
  intervalMs: number,
  onError: AutoSyncOptions["onError"],
  signal: AbortSignal,
): Promise<never> {
  const report = safeCallback("options.onError", onError);
  const backoff = new Backoff(Math.min(firstPauseMs, intervalMs), intervalMs);
  for (let due = performance.now(); ;) {
    const failure = await sync(signal).then(
      () => undefined,
      (error: unknown) => ({ error }),
    );
    signal.throwIfAborted();
    due = Math.max(due + intervalMs, performance.now());
    if (failure === undefined) {
      backoff.reset();
    } else {
      log.sync("failed: %s", messageOf(failure.error));
      report(failure.error);
      due = performance.now() + backoff.next();
    }
    await sleep(due - performance.now(), signal);
  }
}
