import { setTimeout as sleep } from "node:timers/promises";
import { openAtOnce, openPauseMs, type Closed, type Idle, type IdleTask } from "./protocol.js";
import type { Subject } from "./subjects/subject.js";

const lookEachMs = 100;

/** Opens the watchers, weighs them, and returns with that what closes them. */
export async function openIdle(
  subject: Subject,
  task: IdleTask,
  url: string,
): Promise<{ readonly idle: Idle; readonly close: () => Promise<Closed> }> {
  // what a first request loads is not the watchers'
  await subject.put(`${task.key}/loaded`, "");
  const others = await settledWatchers(url);
  const before = await memory();
  for (let i = 1; i <= task.watchers; i++) {
    subject.watch(`${task.key}/${String(i)}`, 0, () => undefined);
    if (i % openAtOnce === 0) await sleep(openPauseMs);
  }
  while ((await watchersAt(url)) < others + task.watchers) await sleep(lookEachMs);
  const after = await memory();
  const close = async (): Promise<Closed> => {
    const beforeMs = performance.now();
    await subject.close();
    // what closing has left to do is done when others get a turn
    await new Promise((resolve) => setImmediate(resolve));
    return { closeMs: performance.now() - beforeMs };
  };
  return { idle: { rss: after.rss - before.rss, heap: after.heapUsed - before.heapUsed }, close };
}

/** The server needs a while to notice that those of the subject before us are gone. */
async function settledWatchers(url: string): Promise<number> {
  for (let last: number | undefined; ;) {
    const now = await watchersAt(url);
    if (now === last) return now;
    last = now;
    await sleep(lookEachMs);
  }
}

async function watchersAt(url: string): Promise<number> {
  const stats = (await (await fetch(`${url}/v2/stats/store`)).json()) as { readonly watchers: number };
  return stats.watchers;
}

async function memory(): Promise<NodeJS.MemoryUsage> {
  for (let i = 0; i < 3; i++) globalThis.gc?.();
  // what was collected is given back to the system in the background
  await sleep(100);
  return process.memoryUsage();
}
