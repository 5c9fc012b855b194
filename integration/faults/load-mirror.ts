import { isIndexCleared, Mirror, SdkError, type KeysAPI } from "../../src/core/index.js";
import type { MirrorRecord, MirrorUpdateRecord } from "../histories/epochs.js";

/** Keeps a mirror of a directory and records its updates, until it has the last key or the signal aborts. */
export async function recordMirror(
  keys: KeysAPI,
  dir: string,
  lastKey: string,
  signal: AbortSignal,
): Promise<MirrorRecord> {
  const updates: MirrorUpdateRecord[] = [];
  const errors: Record<string, number> = {};
  const onError = (error: unknown): void => {
    const name = isIndexCleared(error) ? "cleared" : error instanceof SdkError ? error.code : String(error);
    errors[name] = (errors[name] ?? 0) + 1;
  };
  const mirror = new Mirror(keys, dir, { maxRetryMs: 500, onError });
  while (!mirror.has(lastKey) && !signal.aborted) {
    try {
      const { kind, changes } = await mirror.next(signal);
      updates.push({
        kind,
        changes: changes.map(({ type, node }) => ({ key: node.key, value: type === "set" ? node.value : undefined })),
      });
    } catch (error) {
      onError(error);
      break;
    }
  }
  return { updates, errors };
}
