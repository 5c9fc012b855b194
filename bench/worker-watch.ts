import { setTimeout as sleep } from "node:timers/promises";
import { startMeter } from "./meter.js";
import { openAtOnce, openPauseMs, type Measured, type Seen, type WatchTask } from "./protocol.js";
import type { Subject } from "./subjects/subject.js";

/**
 * Opens the watchers; what it returns ends them. The value of an event is when it was written, by the clock that all
 * processes of a machine share. That every watcher waits is known by the first warm-up: they all saw it, the late ones
 * out of etcd's history.
 */
export async function watch(
  subject: Subject,
  task: WatchTask,
  onSeen: (seen: Seen) => void,
): Promise<() => Promise<Measured>> {
  let latencies: number[] = [];
  let measure = startMeter();
  let pending = task.watchers;
  let seen = 0;
  const onEvent = (written: string): void => {
    latencies.push(Number(process.hrtime.bigint() - BigInt(written)) / 1_000);
    if (--pending > 0) return;
    pending = task.watchers;
    if (++seen === task.warmUps) [latencies, measure] = [[], startMeter()];
    onSeen({ seen });
  };
  for (let i = 1; i <= task.watchers; i++) {
    subject.watch(task.key, task.afterIndex, onEvent);
    if (i % openAtOnce === 0) await sleep(openPauseMs);
  }
  return async () => {
    const measured = measure(latencies);
    await subject.close();
    return measured;
  };
}
