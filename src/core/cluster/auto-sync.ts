import { Backoff } from "../../util/backoff.js";
import { safeCallback } from "../../util/callback.js";
import { messageOf } from "../../util/error-like.js";
import { log } from "../../util/log.js";
import { sleep } from "../../util/signals.js";
import type { AutoSyncOptions } from "./auto-sync-options.js";

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
