import { isIndexCleared, Mirror, SdkError, type KeysAPI } from "../../src/core/index.js";
import type { Random } from "../../src/test-kit/random.js";
import type { MirrorRecord, MirrorUpdateRecord } from "../histories/epochs.js";

/** What to mirror, and how. */
export interface MirrorTask {
  readonly keys: KeysAPI;
  readonly dir: string;
  /** The mirror has everything once it has this key. */
  readonly lastKey: string;
  /** Ends it before. */
  readonly signal: AbortSignal;
  /** Decides how long each call waits. Absent: as long as it takes. */
  readonly patience?: Random | undefined;
}

/** Mirrors a directory and records the updates. */
export async function recordMirror(
  name: string,
  { keys, dir, lastKey, signal, patience }: MirrorTask,
): Promise<MirrorRecord> {
  const updates: MirrorUpdateRecord[] = [];
  const errors: Record<string, number> = {};
  const onError = (error: unknown): void => {
    const what = isIndexCleared(error) ? "cleared" : error instanceof SdkError ? error.code : String(error);
    errors[what] = (errors[what] ?? 0) + 1;
  };
  const mirror = new Mirror(keys, dir, { maxRetryMs: 500, onError });
  while (!mirror.has(lastKey) && !signal.aborted) {
    try {
      const { kind, changes } = await nextWithin(mirror, patience, signal);
      updates.push({
        kind,
        changes: changes.map(({ type, node }) => ({ key: node.key, value: type === "set" ? node.value : undefined })),
      });
    } catch (error) {
      onError(error);
      if (error !== patienceEnded) break;
    }
  }
  return { name, updates, errors };
}

/** Calls `next` of a watcher or a mirror, and waits up to 0.7 s; without `patience`, as long as it takes. */
export async function nextWithin<T>(
  source: { next(signal: AbortSignal): Promise<T> },
  patience: Random | undefined,
  signal: AbortSignal,
): Promise<T> {
  if (patience === undefined) return source.next(signal);
  const abort = new AbortController();
  const timer = setTimeout(
    () => {
      abort.abort(patienceEnded);
    },
    patience.whole(1, 700),
  );
  try {
    return await source.next(abort.signal);
  } finally {
    clearTimeout(timer);
  }
}

const patienceEnded = "patience ended";
