import { ClusterError, isKeyNotFound, type KeysAPI } from "../core/index.js";
import { Backoff } from "../util/backoff.js";
import { linkSignal, sleep } from "../util/signals.js";
import { DiscoveryError } from "./errors.js";

/**
 * Deletes a key of ours, or makes sure that it is gone. The core sends a delete once; this one may be repeated when nobody
 * knows what became of it, for the key is nobody else's.
 *
 * @param ms longest time for all of it, in ms
 * @throws {DiscoveryError} `CLOSE_TIMEOUT`
 */
export async function deleteWithin(keys: KeysAPI, key: string, ms: number): Promise<void> {
  const limit = linkSignal(undefined);
  const timer = setTimeout(() => {
    limit.abort(
      new DiscoveryError(
        "CLOSE_TIMEOUT",
        `etcd did not confirm within ${String(ms)} ms that ${JSON.stringify(key)} is deleted`,
      ),
    );
  }, ms);
  const backoff = new Backoff(50, 500);
  try {
    for (;;) {
      try {
        await keys.delete(key, { signal: limit.signal });
        return;
      } catch (error) {
        if (isKeyNotFound(error)) return;
        if (!(error instanceof ClusterError) || error.outcome !== "unknown") throw error;
      }
      await sleep(backoff.next(), limit.signal);
    }
  } finally {
    clearTimeout(timer);
  }
}
