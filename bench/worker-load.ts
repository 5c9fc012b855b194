import { startMeter } from "./meter.js";
import type { LoadTask, Measured } from "./protocol.js";
import type { Subject } from "./subjects/subject.js";

const value = "v".repeat(64);
/** As a service has one that ends with it. */
const longLived = new AbortController();

export async function load(subject: Subject, task: LoadTask): Promise<Measured> {
  const signal = task.signal === true ? longLived.signal : undefined;
  const once = {
    get: () => subject.get(task.key, signal),
    put: () => subject.put(task.key, value),
    list: () => subject.list(task.key),
  }[task.kind];
  // connections first, and code that was never run is slow
  await Promise.all(Array.from({ length: task.concurrency }, once));
  const latencies: number[] = [];
  const measure = startMeter();
  const endMs = performance.now() + task.ms;
  const loop = async (): Promise<void> => {
    for (let before = performance.now(); before < endMs;) {
      await once();
      const after = performance.now();
      latencies.push((after - before) * 1_000);
      before = after;
    }
  };
  await Promise.all(Array.from({ length: task.concurrency }, loop));
  return measure(latencies);
}
