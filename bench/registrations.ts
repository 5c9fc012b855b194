// Measures what services cost: many registrations in one process, and many subscribers of one service. Prints a table.
// Usage, after a build: node dist/bench/registrations.js [count, default 1000]
import { monitorEventLoopDelay, performance } from "node:perf_hooks";
import { setTimeout as sleep } from "node:timers/promises";
import { startCluster } from "../integration/test-kit/etcd.js";
import { find } from "../scripts/servers/programs.mjs";
import { Client } from "../src/core/index.js";
import type { Agent, ServiceWatcher } from "../src/agent/index.js";
import { createEtcdAgent } from "../src/discovery/index.js";
import { median } from "./comparison.js";

const count = Number(process.argv[2] ?? 1_000);
const ttl = 5;
const windowMs = 20_000;
/**
 * The counters of `GET /v2/stats/store`. Leaves out reads: none are sent, but etcd 3.4 counts a failed one with each
 * refresh.
 */
type Counts = Readonly<Record<string, number>>;
const writes = /^(sets|create|update|delete|compareAnd)/;
const failedWrites = /^(sets|create|update|delete|compareAnd).*Fail$/;
const rows: (readonly [what: string, value: string])[] = [];

await using cluster = await startCluster({ bin: find("etcd"), heartbeatMs: 20, electionMs: 200 });
const [endpoint = ""] = cluster.endpoints;
await registrations();
await subscribers();
const width = Math.max(...rows.map(([what]) => what.length));
for (const [what, value] of rows) console.log(`${what.padEnd(width)}  ${value}`);

/** One process keeps `count` instances registered. */
async function registrations(): Promise<void> {
  await using client = new Client({ endpoints: [endpoint] });
  await using agent = createEtcdAgent({ client, ttlMs: ttl * 1_000 });
  const before = memoryMB();
  const startMs = performance.now();
  await registerAll(agent, "held");
  row(`${String(count)} registrations, ttl ${String(ttl)} s: all written in`, `${ms(performance.now() - startMs)} ms`);

  // from the second heartbeat on they are spread over the interval
  await sleep(ttl * 1_000);
  const delay = monitorEventLoopDelay({ resolution: 10 });
  delay.enable();
  const [counts, cpu, at] = [await storeStats(), process.cpuUsage(), performance.now()];
  await sleep(windowMs);
  const seconds = (performance.now() - at) / 1_000;
  const { user, system } = process.cpuUsage(cpu);
  const now = await storeStats();
  delay.disable();
  row("  requests per second at the server", (difference(counts, now, writes) / seconds).toFixed(1));
  row("  of these failed", (difference(counts, now, failedWrites) / seconds).toFixed(1));
  row("  keys that expired", String(difference(counts, now, /^expireCount$/)));
  row("  CPU of the client", `${((user + system) / 10_000 / seconds).toFixed(1)} %`);
  row("  event loop delay, 99th percentile", `${(delay.percentile(99) / 1e6 - 10).toFixed(1)} ms`);
  row("  memory of the client, heap after gc", memoryText(before));
  const leaveMs = performance.now();
  await agent.leave();
  row("  all deregistered in", `${ms(performance.now() - leaveMs)} ms`);
}

/** One process has `count` watchers of one service. */
async function subscribers(): Promise<void> {
  await using client = new Client({ endpoints: [endpoint] });
  await using writer = createEtcdAgent({ client, ttlMs: 60_000 });
  await using agent = createEtcdAgent({ client, ttlMs: 60_000 });
  await registerAll(writer, "watched");
  const before = memoryMB();
  const pollsBefore = (await storeStats())["watchers"] ?? 0;
  const service = await agent.service("watched");
  const startMs = performance.now();
  const watchers = Array.from({ length: count }, () => service.watch());
  await Promise.all(watchers.map((watcher) => watcher.next()));
  row(
    `${String(count)} subscribers of a service of ${String(count)}: first batches after`,
    `${ms(performance.now() - startMs)} ms`,
  );
  row("  long polls at the server", String(((await settledStats())["watchers"] ?? 0) - pollsBefore));
  row("  memory of the client, heap after gc", memoryText(before));

  const [toFirst, toLast]: [number[], number[]] = [[], []];
  for (let i = 0; i < 20; i++) {
    const arrivals = watchers.map((watcher) => arrival(watcher));
    const atMs = performance.now();
    await writer.register({ id: `late-${String(i)}`, name: "watched", addr: "h", port: i });
    const times = (await Promise.all(arrivals)).map((arrivedMs) => arrivedMs - atMs);
    toFirst.push(Math.min(...times));
    toLast.push(Math.max(...times));
  }
  row("  registration to the first subscriber, median", `${ms(median(toFirst))} ms`);
  row(
    "  registration to the last subscriber, median; worst",
    `${ms(median(toLast))} ms; ${ms(Math.max(...toLast))} ms`,
  );
  await Promise.all(watchers.map((watcher) => watcher.close()));
  await writer.leave();
}

async function arrival(watcher: ServiceWatcher): Promise<number> {
  await watcher.next();
  return performance.now();
}

async function registerAll(agent: Agent, name: string): Promise<void> {
  await Promise.all(
    Array.from({ length: count }, (_, i) =>
      agent.register({ id: `${name}-${String(i)}`, name, addr: "10.0.0.1", port: i % 65_536 }),
    ),
  );
}

async function storeStats(): Promise<Counts> {
  const response = await fetch(`${endpoint}/v2/stats/store`);
  return (await response.json()) as Counts;
}

/** The counters once they are stable: etcd counts a poll that was just sent or aborted a little later. */
async function settledStats(): Promise<Counts> {
  for (let last: number | undefined; ;) {
    const counts = await storeStats();
    if (counts["watchers"] === last) return counts;
    last = counts["watchers"];
    await sleep(200);
  }
}

function difference(before: Counts, now: Counts, names: RegExp): number {
  return Object.keys(now)
    .filter((name) => names.test(name))
    .reduce((sum, name) => sum + (now[name] ?? 0) - (before[name] ?? 0), 0);
}

function memoryMB(): { readonly heap: number; readonly rss: number } {
  globalThis.gc?.();
  const { heapUsed, rss } = process.memoryUsage();
  return { heap: heapUsed / 2 ** 20, rss: rss / 2 ** 20 };
}

function memoryText(before: ReturnType<typeof memoryMB>): string {
  const { heap, rss } = memoryMB();
  const kind = globalThis.gc === undefined ? " (not collected: run with --expose-gc)" : "";
  return `+${(heap - before.heap).toFixed(1)} MB${kind}, resident ${rss.toFixed(0)} MB`;
}

function ms(value: number): string {
  return value.toFixed(1);
}

function row(what: string, value: string): void {
  rows.push([what, value]);
}
