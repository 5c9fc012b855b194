import { say } from "../scripts/run.mjs";
import type { IdleRound } from "./results.js";
import { canHold } from "./plan.js";
import type { SubjectName } from "./subject-names.js";
import { idleKey } from "./test-data.js";
import type { WorkerProcess } from "./worker-process.js";

/** What many watchers weigh that nothing happens to, each measurement in a new process. */
export async function measureIdle(
  names: readonly SubjectName[],
  start: (name: SubjectName) => WorkerProcess,
  watchers: number,
  rounds: number,
): Promise<readonly IdleRound[]> {
  const results: IdleRound[] = [];
  for (let round = 0; round < rounds; round++) {
    for (const subject of names.filter((name) => canHold(watchers, name))) {
      await using worker = start(subject);
      const { rss, heap, closeMs } = await worker.idle({ kind: "idle", key: idleKey, watchers });
      results.push({ round, subject, rss: rss / watchers, heap: heap / watchers, closeMs });
      say(
        `bench: round ${String(round + 1)} of ${String(rounds)}, ${subject}: ${(rss / watchers / 1024).toFixed(1)} kB each, closed in ${closeMs.toFixed(0)} ms`,
      );
    }
  }
  return results;
}
