import { mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { capture, npm, say, ScriptError } from "../scripts/run.mjs";
import type { KeysAPI } from "../src/core/index.js";
import { packagesFolder, type PackagesName } from "./install.js";
import {
  busyDir,
  canHold,
  hundredDir,
  idleKey,
  largeDir,
  listDir,
  sdkPairs,
  smallKey,
  takesPart,
  ttlKey,
  watchedKey,
} from "./plan.js";
import type { Matrix, Plan, Scenario, SubjectName } from "./plan.js";
import { withSignal, type DecodedBody, type IdleRound, type ImportTimes } from "./protocol.js";
import type { LoadTask, Round, Size } from "./protocol.js";
import type { WorkerProcess } from "./protocol.js";

/**
 * Measures every subject in every scenario, round after round. `keysOf` makes the client that writes the events a
 * subject waits for.
 */
export async function measureRounds(
  groups: readonly (readonly SubjectName[])[],
  start: (name: SubjectName) => WorkerProcess,
  matrix: Matrix,
  keysOf: (name: SubjectName) => KeysAPI,
): Promise<readonly Round[]> {
  const workers = new Map(groups.flat().map((name) => [name, start(name)]));
  const rounds: Round[] = [];
  try {
    if (matrix.warmUpMs > 0) await warmUp([...workers.values()], matrix);
    const endMs = performance.now() + matrix.budgetMs;
    for (let round = 0; round < matrix.rounds && (round === 0 || performance.now() < endMs); round++) {
      say(`bench: round ${String(round + 1)} of ${String(matrix.rounds)}`);
      for (const scenario of matrix.scenarios) {
        const { passes = 1 } = scenario;
        for (let pass = round * passes; pass < (round + 1) * passes; pass++) {
          for (const name of order(groups, pass)) {
            const worker = workers.get(name);
            if (worker === undefined || !takesPart(name, scenario)) continue;
            for (const [subject, measured] of await measure(worker, name, scenario, keysOf(name), matrix.settleMs))
              rounds.push({ round: pass, scenario: scenario.name, subject, measured });
          }
        }
      }
    }
  } finally {
    await Promise.all([...workers.values()].map((worker) => worker[Symbol.asyncDispose]()));
  }
  return rounds;
}

async function warmUp(workers: readonly WorkerProcess[], { warmUpMs: ms, ...matrix }: Matrix): Promise<void> {
  say("bench: warming up");
  const { warmUpKinds = ["get", "put"], warmUpCalls = 0 } = matrix;
  const keys = { get: smallKey, put: smallKey, ttl: ttlKey, list: hundredDir };
  for (const worker of workers)
    for (const kind of warmUpKinds) {
      let calls = 0;
      do calls += (await worker.load({ kind, key: keys[kind], concurrency: 16, ms })).operations;
      while (calls < warmUpCalls);
    }
}

const warmUps = 3;
/** A watcher that has just begun is slow: its code has not been compiled yet. */
const followWarmUps = 2_000;

type SubjectMeasured = readonly [subject: string, measured: Round["measured"]];

async function measure(
  worker: WorkerProcess,
  name: SubjectName,
  scenario: Scenario,
  keys: KeysAPI,
  settleMs = 0,
): Promise<readonly SubjectMeasured[]> {
  const { ms } = scenario;
  if (scenario.kind === "watch") {
    const { kind } = scenario;
    const { watchers, recursive = false } = scenario;
    const key = recursive ? `${watchedKey}-dir` : watchedKey;
    const written = recursive ? `${key}/key` : key;
    const write = async (): Promise<number> =>
      (await keys.set(written, String(process.hrtime.bigint()))).node.modifiedIndex;
    const task = { kind, key, afterIndex: await write(), watchers, warmUps, recursive } as const;
    return [[name, await worker.watch(task, ms, write)]];
  }
  if ("writesPerSecond" in scenario) {
    const { kind } = scenario;
    const write = (ended: AbortSignal): Promise<void> => writeSteadily(keys, scenario.writesPerSecond, ended);
    return [[name, await worker.follow({ kind, key: busyDir, warmUps: followWarmUps }, ms, write)]];
  }
  const { kind } = scenario;
  const key = scenario.kind === "list" ? scenario.dir : scenario.kind === "ttl" ? ttlKey : smallKey;
  const task: LoadTask = { kind, key, concurrency: scenario.concurrency, ms };
  if (task.concurrency === 1 && settleMs > 0) await worker.load({ ...task, ms: settleMs });
  const plain: SubjectMeasured = [name, await worker.load(task)];
  if (scenario.passes === undefined || !sdkPairs.some(({ sdk }) => sdk === name)) return [plain];
  return [plain, [name + withSignal, await worker.load({ ...task, signal: true })]];
}

const writerTickMs = 5;

/** A machine that cannot take as many writes gets fewer: they must not pile up. */
const mostPending = 256;

/** Writes to many keys of a directory, at the given rate per second, until the signal aborts. */
async function writeSteadily(keys: KeysAPI, perSecond: number, ended: AbortSignal): Promise<void> {
  const startMs = performance.now();
  const pending = new Set<Promise<unknown>>();
  for (let written = 0; !ended.aborted;) {
    for (const due = ((performance.now() - startMs) * perSecond) / 1_000; written < due; written++) {
      if (pending.size >= mostPending) continue;
      const write = keys.set(`${busyDir}/${String(written % 500)}`, String(process.hrtime.bigint()));
      pending.add(write);
      void write.finally(() => pending.delete(write)).catch(() => undefined);
    }
    await sleep(writerTickMs);
  }
  await Promise.all(pending);
}

/** Compares the SDK's decoding with `JSON.parse`, in a process of its own. */
export async function measureDecoding(
  start: (name: SubjectName) => WorkerProcess,
  plan: Plan,
): Promise<readonly DecodedBody[]> {
  await using worker = start("etcd2 on undici");
  const turns = plan.decodeTurns;
  const small = await worker.decode({ kind: "decode", key: listDir, times: 50, turns: 2 * turns });
  const large = await worker.decode({ kind: "decode", key: largeDir, times: 1, turns });
  return [
    { keys: 1_000, ...small },
    { keys: plan.largeKeys, ...large },
  ];
}

/** A different order in each round, since it must not matter which subject runs after which; a group stays together. */
function order(groups: readonly (readonly SubjectName[])[], round: number): readonly SubjectName[] {
  const at = round % groups.length;
  return [...groups.slice(at), ...groups.slice(0, at)].flatMap((group) =>
    round % 2 === 0 ? group : group.toReversed(),
  );
}

/** Measures the memory of many idle watchers, each time in a new process. */
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
      const each = `${(rss / watchers / 1024).toFixed(1)} kB each, closed in ${closeMs.toFixed(0)} ms`;
      say(`bench: round ${String(round + 1)} of ${String(rounds)}, ${subject}: ${each}`);
    }
  }
  return results;
}

/** The files that package.json exports. */
const [etcd2, undici] = [import.meta.resolve("etcd2"), import.meta.resolve("etcd2/undici")];

/** Programs that import something, then send a first GET. The first one shows what the first import of any program costs. */
const programs = {
  "an empty module": { load: 'await import("data:text/javascript,");', get: "" },
  "node:http": {
    load: 'const http = await import("node:http");',
    get: 'await new Promise((done) => http.get(`${url}/v2/keys${key}`, (r) => r.resume().on("end", done)));',
  },
  etcd2: {
    load: `const { Client, KeysAPI } = await import("${etcd2}");`,
    get: "await new KeysAPI(new Client({ endpoints: [url] })).get(key);",
  },
  "etcd2 with etcd2/undici": {
    load: `const { Client, KeysAPI } = await import("${etcd2}"); const { undiciExchange } = await import("${undici}");`,
    get: "await new KeysAPI(new Client({ endpoints: [url], transport: undiciExchange() })).get(key);",
  },
  "node-etcd 7": {
    load: `const Etcd = (await import("node:module")).createRequire("${packagesFolder("node-etcd")}/")("node-etcd");`,
    get: "await new Promise((done) => new Etcd(url).get(key, {}, done));",
  },
  "etcdjs 2": {
    load: `const connect = (await import("node:module")).createRequire("${packagesFolder("etcdjs")}/")("etcdjs");`,
    get: "await new Promise((done) => connect(url).get(key, {}, done));",
  },
} as const;

/**
 * Runs each program in its own process, all of them in turn, `runs` times. The clock starts inside the program, where one
 * that imports nothing would end, so the times are above bare Node. The programs are files, as real ones are: the time that
 * Node needs to read the first file belongs to bare Node.
 */
export function measureImports(runs: number, url: string): readonly ImportTimes[] {
  const folder = mkdtempSync(join(tmpdir(), "etcd2-bench-imports-"));
  try {
    const files = Object.entries(programs).map(([name, { load, get }], i) => {
      const file = join(folder, `${String(i)}.mjs`);
      writeFileSync(file, programOf(load, get, url));
      return { name, file, load: [] as number[], get: [] as number[] };
    });
    for (let i = 0; i < runs; i++) {
      for (const { name, file, load, get } of files) {
        const { ok, stdout, reason } = capture(process.execPath, [file], { timeoutMs: 30_000 });
        if (!ok) throw new ScriptError(`${name}: ${reason}`);
        const [loadMs = NaN, getMs = NaN] = JSON.parse(stdout) as number[];
        load.push(loadMs);
        get.push(getMs);
      }
    }
    return files.map(({ name, load, get }) => ({ name, importMs: load, firstGetMs: get }));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function programOf(load: string, get: string, url: string): string {
  return `const [url, key] = ${JSON.stringify([url, smallKey])}; const start = performance.now(); ${load} const loaded = performance.now(); ${get} console.log(JSON.stringify([loaded - start, performance.now() - start])); process.exit(0);`;
}

/** Measures the size of an install on the disk, this package's own files included. */
export function measureSizes(): readonly Size[] {
  const own = packedBytes();
  const withOwn = ({ name, packages, bytes }: Size): Size => ({ name, packages: packages + 1, bytes: bytes + own });
  return [
    withOwn(installedSize("etcd2", "etcd2")),
    withOwn(installedSize("etcd2 with undici", "etcd2-undici")),
    installedSize("node-etcd 7", "node-etcd"),
    installedSize("etcdjs 2", "etcdjs"),
  ];
}

function installedSize(name: string, set: PackagesName): Size {
  const folder = join(packagesFolder(set), "node_modules");
  const files = (readdirSync(folder, { recursive: true }) as string[])
    .map((file) => join(folder, file))
    .filter((file) => statSync(file).isFile());
  return {
    name,
    packages: files.filter((file) =>
      /node_modules\/(?:@[^/]+\/)?[^/@.][^/]*\/package\.json$/.test(file.replaceAll("\\", "/")),
    ).length,
    bytes: files.reduce((sum, file) => sum + statSync(file).size, 0),
  };
}

/** Bytes of the files that npm would publish. */
function packedBytes(): number {
  const [command, ...args] = npm("pack", "--dry-run", "--json", "--ignore-scripts");
  const { ok, stdout, reason } = capture(command, args);
  if (!ok) throw new ScriptError(`npm pack: ${reason}`);
  const [packed] = JSON.parse(stdout) as { readonly unpackedSize: number }[];
  return packed?.unpackedSize ?? NaN;
}
