import { mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { capture, npm, say, ScriptError } from "../scripts/run.mjs";
import type { KeysAPI } from "../src/core/index.js";
import { median } from "./comparison.js";
import { packagesFolder, type PackagesName } from "./install.js";
import { canHold, idleKey, listDir, smallKey, takesPart, watchedKey } from "./plan.js";
import type { Matrix, Scenario, SubjectName } from "./plan.js";
import { withSignal, type IdleRound, type ImportTimes } from "./protocol.js";
import type { LoadTask, Measured, Round, Size } from "./protocol.js";
import type { WorkerProcess } from "./worker-process.js";

/** Measures every subject in every scenario, round after round. `keys` writes the events that the watchers wait for. */
export async function measureRounds(
  groups: readonly (readonly SubjectName[])[],
  start: (name: SubjectName) => WorkerProcess,
  matrix: Matrix,
  keys: KeysAPI,
): Promise<readonly Round[]> {
  const workers = new Map(groups.flat().map((name) => [name, start(name)]));
  const rounds: Round[] = [];
  try {
    say("bench: warming up");
    for (const worker of workers.values()) {
      for (const kind of ["get", "put"] as const)
        await worker.load({ kind, key: smallKey, concurrency: 16, ms: matrix.warmUpMs });
    }
    for (let round = 0; round < matrix.rounds; round++) {
      for (const scenario of matrix.scenarios) {
        say(`bench: round ${String(round + 1)} of ${String(matrix.rounds)}, ${scenario.name}`);
        const { passes = 1 } = scenario;
        for (let pass = round * passes; pass < (round + 1) * passes; pass++) {
          for (const name of order(groups, pass)) {
            const worker = workers.get(name);
            if (worker === undefined || !takesPart(name, scenario)) continue;
            for (const [subject, measured] of await measure(worker, name, scenario, pass, keys))
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

const warmUps = 3;

async function measure(
  worker: WorkerProcess,
  name: SubjectName,
  scenario: Scenario,
  round: number,
  keys: KeysAPI,
): Promise<readonly (readonly [subject: string, measured: Measured])[]> {
  const { kind, ms } = scenario;
  if (kind === "watch") {
    const write = async (): Promise<number> =>
      (await keys.set(watchedKey, String(process.hrtime.bigint()))).node.modifiedIndex;
    const task = { kind, key: watchedKey, afterIndex: await write(), watchers: scenario.watchers, warmUps } as const;
    return [[name, await worker.watch(task, ms, write)]];
  }
  const { concurrency } = scenario;
  if (kind !== "signal")
    return [[name, await worker.load({ kind, key: kind === "list" ? listDir : smallKey, concurrency, ms })]];
  const task: LoadTask = { kind: "get", key: smallKey, concurrency, ms };
  const both: [string, Measured][] = [];
  for (const signal of [round % 2 === 0, round % 2 !== 0])
    both.push([signal ? name + withSignal : name, await worker.load({ ...task, signal })]);
  return both;
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
    return files.map(({ name, load, get }) => ({ name, importMs: median(load), firstGetMs: median(get) }));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function programOf(load: string, get: string, url: string): string {
  return `const [url, key] = ${JSON.stringify([url, smallKey])}; const start = performance.now(); ${load} const loaded = performance.now(); ${get} console.log(JSON.stringify([loaded - start, performance.now() - start])); process.exit(0);`;
}

/** Measures what an install takes on the disk, this package's own files included. */
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
