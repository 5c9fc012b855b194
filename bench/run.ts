// npm run bench [-- --quick]: how fast this package is, beside what it is compared with, all in one run against one etcd.
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { findEtcd, startCluster } from "../scripts/etcd.mjs";
import { etcdVersion } from "../scripts/find-etcd.mjs";
import { projectRoot, runMain, say, step } from "../scripts/run.mjs";
import { Client, KeysAPI } from "../src/index.js";
import { goWorker } from "./go-worker.js";
import { median, type Results, type Round } from "./results.js";
import { installPeers } from "./peers.js";
import { measureImports, measureSizes } from "./startup.js";
import { subjects } from "./subjects.js";
import { tables } from "./tables.js";
import { barChart } from "./chart.js";
import { WorkerProcess } from "./worker-process.js";

interface Plan {
  readonly rounds: number;
  readonly ms: number;
  readonly idleWatchers: number;
  readonly imports: number;
}

const fullPlan: Plan = { rounds: 7, ms: 800, idleWatchers: 10_000, imports: 15 };
const quickPlan: Plan = { rounds: 1, ms: 250, idleWatchers: 1_000, imports: 3 };

const smallKey = "/bench/small";
const watchedKey = "/bench/watched";
const listDir = "/bench/list";
const listed = 1_000;

const scenarios = [
  ...[1, 16, 128].map((concurrency) => ({ name: `get c=${String(concurrency)}`, kind: "get", key: smallKey, concurrency }) as const),
  ...[1, 16, 128].map((concurrency) => ({ name: `put c=${String(concurrency)}`, kind: "put", key: smallKey, concurrency }) as const),
  ...[1, 16].map((concurrency) => ({ name: `list c=${String(concurrency)}`, kind: "list", key: listDir, concurrency }) as const),
  ...[1, 16].map((watchers) => ({ name: `watch c=${String(watchers)}`, kind: "watch", watchers }) as const),
];

/** These two are not asked to hold 10,000 watchers: node-etcd stops answering at 100, and both take a socket pool each. */
const fewWatchersOnly: ReadonlySet<string> = new Set(["node-etcd 7", "etcdjs 2"]);

async function bench(): Promise<void> {
  const plan = process.argv.includes("--quick") ? quickPlan : fullPlan;
  // etcd's data, in memory where there is such a folder: a disk's fsync would be all that PUT measures
  if (existsSync("/dev/shm")) process.env["TMPDIR"] = "/dev/shm";
  await step("install the peers", () => {
    installPeers();
  });
  const bin = await findEtcd();
  await using cluster = await startCluster({ bin, args: ["--snapshot-count", "1000000"], log: say });
  const [url = ""] = cluster.endpoints;
  await using client = new Client({ endpoints: [url] });
  const keys = new KeysAPI(client);
  await keys.set(smallKey, "v".repeat(64));
  for (let i = 0; i < listed; i++) await keys.set(`${listDir}/key-${String(i)}`, "v".repeat(32));

  const rounds: Round[] = [];
  const names = [...Object.keys(subjects)];
  const go = goWorker();
  if (go === undefined) say("bench: no go on the PATH, so nothing of Go's client");
  else names.push("Go's client");
  const start = (name: string): WorkerProcess => (name === "Go's client" && go !== undefined ? new WorkerProcess(name, go, [url]) : nodeWorker(name, url));

  await step("requests and watches", async () => {
    const workers = new Map(names.map((name) => [name, start(name)]));
    try {
      // code that has run is compiled: what is shown is a program at work, not at its start
      for (const worker of workers.values()) {
        for (const kind of ["get", "put"] as const) await worker.load({ kind, key: smallKey, concurrency: 16, ms: 500 });
      }
      for (let round = 0; round < plan.rounds; round++) {
        for (const scenario of scenarios) {
          say(`bench: round ${String(round + 1)} of ${String(plan.rounds)}, ${scenario.name}`);
          // another order each time: who follows whom must not matter
          for (const [name, worker] of rotated([...workers], round)) {
            const measured =
              scenario.kind === "watch"
                ? await worker.watch({ kind: "watch", key: watchedKey, afterIndex: (await keys.set(watchedKey, "0")).node.modifiedIndex, watchers: scenario.watchers }, plan.ms, async () => {
                    await keys.set(watchedKey, String(process.hrtime.bigint()));
                  })
                : await worker.load({ kind: scenario.kind, key: scenario.key, concurrency: scenario.concurrency, ms: plan.ms });
            rounds.push({ round, scenario: scenario.name, subject: name, measured });
          }
        }
      }
    } finally {
      for (const worker of workers.values()) await worker[Symbol.asyncDispose]();
    }
  });

  const idle = new Map<string, { readonly rss: number; readonly heap: number; readonly closeMs: number }>();
  await step(`${String(plan.idleWatchers)} idle watchers`, async () => {
    for (const name of names.filter((each) => !fewWatchersOnly.has(each))) {
      await using worker = start(name);
      const { rss, heap, closeMs } = await worker.idle("/bench/idle", plan.idleWatchers);
      idle.set(name, { rss: rss / plan.idleWatchers, heap: heap / plan.idleWatchers, closeMs });
      say(`bench: ${name}: ${(rss / plan.idleWatchers / 1024).toFixed(1)} kB each, closed in ${closeMs.toFixed(0)} ms`);
    }
  });
  const imports = await stepOf("imports", () => measureImports(plan.imports, url));
  const sizes = await stepOf("sizes", measureSizes);

  const results: Results = {
    environment: `Node ${process.versions.node}, etcd ${etcdVersion(bin) ?? "?"}, ${String(availableParallelism())} cores, ${String(plan.rounds)} rounds of ${String(plan.ms)} ms`,
    rounds,
    idleWatchers: plan.idleWatchers,
    idle,
    imports,
    sizes,
  };
  write(results, process.argv.includes("--quick"));
}

function nodeWorker(name: string, url: string): WorkerProcess {
  return new WorkerProcess(name, process.execPath, ["--expose-gc", new URL("./worker.js", import.meta.url).pathname, name, url]);
}

function write(results: Results, quick: boolean): void {
  const text = tables(results);
  process.stdout.write(`${text}\n`);
  // a quick look proves nothing that should be shown
  const folder = quick ? join(projectRoot, ".cache", "bench") : join(projectRoot, "bench");
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, "RESULTS.md"), text);
  for (const [file, title, scenario] of [
    ["get.svg", "GET of a small key, 16 at once", "get c=16"],
    ["put.svg", "PUT of a small key, 16 at once", "put c=16"],
  ] as const) {
    writeFileSync(join(folder, file), barChart(title, "operations per second, hand-written node:http = 1.00", ratesOf(results, scenario)));
  }
  say(`bench: written to ${folder}`);
}

function ratesOf({ rounds }: Results, scenario: string): readonly (readonly [string, number])[] {
  const of = (round: Round): number => {
    const base = rounds.find((each) => each.round === round.round && each.scenario === scenario && each.subject === "node:http");
    return round.measured.perSecond / (base?.measured.perSecond ?? NaN);
  };
  const names = [...new Set(rounds.map(({ subject }) => subject))].filter((name) => !name.endsWith("bare"));
  return names.map((name) => [name, median(rounds.filter((each) => each.scenario === scenario && each.subject === name).map(of))] as const);
}

async function stepOf<T>(title: string, work: () => T | Promise<T>): Promise<T> {
  const done: T[] = [];
  await step(title, async () => {
    done.push(await work());
  });
  const [result] = done;
  if (result === undefined) throw new Error(`${title} gave nothing`);
  return result;
}

function rotated<T>(list: readonly T[], by: number): readonly T[] {
  const at = by % list.length;
  return [...list.slice(at), ...list.slice(0, at)];
}

runMain(import.meta.url, bench);
