// One subject in a process of its own: node worker.js <name> <url>. Tasks come in as lines on stdin, results go out on stdout.
import { createInterface } from "node:readline";
import type { Closed, Idle, Measured, Ready, Seen, Task } from "./protocol.js";
import { subjects, type Subject, type SubjectName } from "./subjects.js";

const [, , name = "", url = ""] = process.argv;
const make: (url: string) => Subject = subjects[name as SubjectName];
const steady = make(url);

const value = "v".repeat(64);

async function load(task: Extract<Task, { kind: "get" | "put" | "list" }>): Promise<Measured> {
  const once = { get: () => steady.get(task.key), put: () => steady.put(task.key, value), list: () => steady.list(task.key) }[task.kind];
  // connections first, and code that was never run is slow
  await Promise.all(Array.from({ length: task.concurrency }, once));
  const latencies: number[] = [];
  const meter = start();
  const endMs = performance.now() + task.ms;
  const loop = async (): Promise<void> => {
    for (let before = performance.now(); before < endMs; ) {
      await once();
      const after = performance.now();
      latencies.push((after - before) * 1_000);
      before = after;
    }
  };
  await Promise.all(Array.from({ length: task.concurrency }, loop));
  return meter(latencies);
}

interface Watch {
  readonly stop: () => Promise<Measured>;
}

/** The value of an event is when it was written, by the clock that all processes of a machine share. */
async function watch(task: Extract<Task, { kind: "watch" }>): Promise<Watch> {
  const subject = make(url);
  const latencies: number[] = [];
  let pending = task.watchers;
  let seen = 0;
  const onEvent = (written: string): void => {
    latencies.push(Number(process.hrtime.bigint() - BigInt(written)) / 1_000);
    if (--pending > 0) return;
    pending = task.watchers;
    say({ seen: ++seen });
  };
  for (let i = 0; i < task.watchers; i++) subject.watch(task.key, task.afterIndex, onEvent);
  const meter = start();
  await new Promise((resolve) => setTimeout(resolve, 50));
  say({ ready: true });
  return {
    stop: async () => {
      const measured = meter(latencies);
      await subject.close();
      return measured;
    },
  };
}

let idle: Subject | undefined;

async function openIdle(task: Extract<Task, { kind: "idle" }>): Promise<Idle> {
  // what asking loads is not the watchers'
  await watchersAt(url);
  const before = memory();
  idle = make(url);
  for (let i = 0; i < task.watchers; i++) {
    idle.watch(`${task.key}/${String(i)}`, 0, () => undefined);
    // a burst of connects would meet a full queue of the server's
    if (i % 100 === 99) await new Promise((resolve) => setTimeout(resolve, 5));
  }
  while ((await watchersAt(url)) < task.watchers) await new Promise((resolve) => setTimeout(resolve, 100));
  const after = memory();
  return { rss: after.rss - before.rss, heap: after.heapUsed - before.heapUsed };
}

async function closeIdle(): Promise<Closed> {
  const before = performance.now();
  await idle?.close();
  // what closing has left to do is done when others get a turn
  await new Promise((resolve) => setImmediate(resolve));
  return { closeMs: performance.now() - before };
}

async function watchersAt(server: string): Promise<number> {
  const stats = (await (await fetch(`${server}/v2/stats/store`)).json()) as { readonly watchers: number };
  return stats.watchers;
}

function start(): (latencies: number[]) => Measured {
  const cpu = process.cpuUsage();
  const beforeMs = performance.now();
  return (latencies) => {
    const { user, system } = process.cpuUsage(cpu);
    const seconds = (performance.now() - beforeMs) / 1_000;
    const sorted = Float64Array.from(latencies).sort();
    const at = (part: number): number => sorted[Math.min(sorted.length - 1, Math.floor(part * sorted.length))] ?? NaN;
    return {
      operations: sorted.length,
      perSecond: sorted.length / seconds,
      p50: at(0.5),
      p99: at(0.99),
      cpuPerOperation: (user + system) / sorted.length,
      rss: process.memoryUsage.rss(),
    };
  };
}

function memory(): NodeJS.MemoryUsage {
  for (let i = 0; i < 3; i++) globalThis.gc?.();
  return process.memoryUsage();
}

function say(result: Measured | Ready | Seen | Idle | Closed): void {
  process.stdout.write(`${JSON.stringify(result)}\n`);
}

let running: Watch | undefined;
for await (const line of createInterface({ input: process.stdin })) {
  const task = JSON.parse(line) as Task;
  if (task.kind === "watch") running = await watch(task);
  else if (task.kind === "stop" && running !== undefined) say(await running.stop());
  else if (task.kind === "idle") say(await openIdle(task));
  else if (task.kind === "close") say(await closeIdle());
  else if (task.kind !== "stop") say(await load(task));
}
process.exit(0);
