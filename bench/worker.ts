// One subject in its own process: node --expose-gc worker.js <name> <url> [CA certificate key: files]. Tasks arrive as lines on stdin, results leave on stdout.
import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { KeysAPI } from "../src/core/index.js";
import type { NodeSubjectName } from "./plan.js";
import { openAtOnce, openPauseMs } from "./protocol.js";
import type { Closed, Decoded, DecodeTask, Followed, FollowTask, Idle, IdleTask, LoadTask } from "./protocol.js";
import type { Measured, Seen, Task, WatchTask } from "./protocol.js";
import { subjects, type Subject } from "./subjects.js";

const value = "v".repeat(64);
/** A signal that lives as long as the process, as services have one. */
const longLived = new AbortController();
const pollMs = 100;

function send(result: Measured | Seen | Idle | Closed | Decoded): void {
  process.stdout.write(`${JSON.stringify(result)}\n`);
}

async function load(subject: Subject, task: LoadTask): Promise<Measured> {
  const signal = task.signal === true ? longLived.signal : undefined;
  const once = {
    get: () => subject.get(task.key, signal),
    put: () => subject.put(task.key, value, signal),
    ttl: async () => subject.ttl?.(task.key, value),
    list: () => subject.list(task.key),
    connect: () => connectOnce(task.key),
  }[task.kind];
  // opens the connections, and runs the code once before it is measured
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

/** A GET on a new connection. */
async function connectOnce(key: string): Promise<void> {
  const subject = make(url);
  await subject.get(key);
  await subject.close();
}

/**
 * Opens the watchers, and returns the function that ends them. The value of an event is the time when it was written, by
 * the clock that all processes of a machine share. The first warm-up shows that every watcher works: all of them saw it,
 * late ones from etcd's history.
 */
async function watch(subject: Subject, task: WatchTask): Promise<() => Promise<Measured>> {
  let latencies: number[] = [];
  let measure = startMeter();
  let pending = task.watchers;
  let seen = 0;
  const onEvent = (written: string): void => {
    latencies.push(Number(process.hrtime.bigint() - BigInt(written)) / 1_000);
    if (--pending > 0) return;
    pending = task.watchers;
    if (++seen === task.warmUps) [latencies, measure] = [[], startMeter()];
    send({ seen });
  };
  for (let i = 1; i <= task.watchers; i++) {
    subject.watch(task.key, task.afterIndex, onEvent, task.recursive);
    if (i % openAtOnce === 0) await sleep(openPauseMs);
  }
  return async () => {
    const measured = measure(latencies);
    await subject.close();
    return measured;
  };
}

/** Opens the watchers, sends how much memory they take, and returns the function that closes them. */
async function openIdle(subject: Subject, task: IdleTask, url: string): Promise<() => Promise<Closed>> {
  // loads what the first request loads, which is not the watchers' memory
  await subject.put(`${task.key}/loaded`, "");
  const others = await settledWatchers(url);
  const before = await memory();
  for (let i = 1; i <= task.watchers; i++) {
    subject.watch(`${task.key}/${String(i)}`, 0, () => undefined);
    if (i % openAtOnce === 0) await sleep(openPauseMs);
  }
  while ((await watchersAt(url)) < others + task.watchers) await sleep(pollMs);
  const after = await memory();
  send({ rss: after.rss - before.rss, heap: after.heapUsed - before.heapUsed });
  return async () => {
    const beforeMs = performance.now();
    await subject.close();
    // waits for the work that closing left in the queue
    await new Promise((resolve) => setImmediate(resolve));
    return { closeMs: performance.now() - beforeMs };
  };
}

/** The number of watchers once it stops changing: the server needs a while to notice that the previous subject has gone. */
async function settledWatchers(url: string): Promise<number> {
  for (let last: number | undefined; ;) {
    const now = await watchersAt(url);
    if (now === last) return now;
    last = now;
    await sleep(pollMs);
  }
}

async function watchersAt(url: string): Promise<number> {
  const stats = (await (await fetch(`${url}/v2/stats/store`)).json()) as { readonly watchers: number };
  return stats.watchers;
}

async function memory(): Promise<NodeJS.MemoryUsage> {
  for (let i = 0; i < 3; i++) globalThis.gc?.();
  // V8 returns collected memory to the system in the background
  await sleep(100);
  return process.memoryUsage();
}

/** Follows a busy directory, and returns the functions that begin and end measuring. */
function follow(
  subject: Subject,
  task: FollowTask,
): { readonly mark: () => void; readonly end: () => Promise<Followed> } {
  let [latencies, cleared, lists, seen]: [number[], number, number, number] = [[], 0, 0, 0];
  let measure = startMeter();
  subject.follow?.(task.key, task.kind, {
    event: (written) => {
      latencies.push(Number(process.hrtime.bigint() - BigInt(written)) / 1_000);
      if (++seen === task.warmUps) send({ seen });
    },
    cleared: () => cleared++,
    list: () => lists++,
  });
  return {
    mark: () => {
      [latencies, cleared, lists, measure] = [[], 0, 0, startMeter()];
    },
    end: async () => {
      const followed = { ...measure(latencies), cleared, lists };
      await subject.close();
      return followed;
    },
  };
}

/** Compares decoding with `JSON.parse` of the same body, in turns, and reads it over the network. */
async function decode(subject: Subject, { key, times, turns }: DecodeTask): Promise<Decoded> {
  const body = Buffer.from(await (await fetch(`${url}/v2/keys${key}?recursive=true`)).arrayBuffer());
  const headers = { "x-etcd-index": "1", "x-etcd-cluster-id": "1", "x-raft-index": "1", "x-raft-term": "1" };
  const keys = new KeysAPI({ send: () => Promise.resolve({ status: 200, headers, body: body.toString() }) });
  const parse = (): unknown => JSON.parse(body.toString());
  const read = (): Promise<unknown> => keys.get(key, { recursive: true });
  const results = {
    parseCpu: [] as number[],
    decodeCpu: [] as number[],
    parseMs: [] as number[],
    stallMs: [] as number[],
  };
  for (let turn = -warmUpTurns; turn < turns; turn++) {
    const both = [
      [results.parseCpu, parse],
      [results.decodeCpu, read],
    ] as const;
    for (const [into, work] of turn % 2 === 0 ? both : both.toReversed()) {
      const before = process.cpuUsage();
      for (let i = 0; i < times; i++) await work();
      const { user, system } = process.cpuUsage(before);
      if (turn >= 0) into.push((user + system) / times);
    }
    const text = body.toString();
    const beforeMs = performance.now();
    JSON.parse(text);
    if (turn >= 0) results.parseMs.push(performance.now() - beforeMs);
    const stall = await longestStall(() => subject.list(key));
    if (turn >= 0) results.stallMs.push(stall);
  }
  return results;
}

const warmUpTurns = 3;

/** The longest time, in ms, between two turns of the event loop while it works. */
async function longestStall(work: () => Promise<unknown>): Promise<number> {
  let [longest, lastMs, ended] = [0, performance.now(), false];
  const turn = (): void => {
    longest = Math.max(longest, performance.now() - lastMs);
    lastMs = performance.now();
    if (!ended) setImmediate(turn);
  };
  setImmediate(turn);
  await work();
  longest = Math.max(longest, performance.now() - lastMs);
  ended = true;
  return longest;
}

/** Starts measuring this process. The returned function ends it and takes the duration of each operation, in µs. */
function startMeter(): (latencies: readonly number[]) => Measured {
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

const [, , name = "", url = "", ...pem] = process.argv;
const [ca, cert, key] = pem.map((file) => readFileSync(file));
const tls = ca === undefined ? undefined : { ca, cert, key };
const make = (at: string): Subject => subjects[name as NodeSubjectName](at, tls);
const steady = make(url);

/** What the next "stop" or "close" does. */
let end: (() => Promise<Measured | Closed>) | undefined;
let mark: (() => void) | undefined;
for await (const line of createInterface({ input: process.stdin })) {
  const task = JSON.parse(line) as Task;
  switch (task.kind) {
    case "watch":
      end = await watch(make(url), task);
      break;
    case "idle":
      end = await openIdle(make(url), task, url);
      break;
    case "follow":
    case "mirror":
      ({ mark, end } = follow(make(url), task));
      break;
    case "mark":
      mark?.();
      break;
    case "decode":
      send(await decode(steady, task));
      break;
    case "stop":
    case "close":
      if (end !== undefined) send(await end());
      break;
    case "get":
    case "put":
    case "ttl":
    case "list":
    case "connect":
      send(await load(steady, task));
  }
}
process.exit(0);
