// npm run bench [-- --quick]: compares the speed of this package with other clients, all in one run against one etcd.
import { mkdirSync, writeFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { findEtcd, startCluster } from "../scripts/servers/etcd.mjs";
import { findNode, versionOf } from "../scripts/servers/programs.mjs";
import { projectRoot, runMain, say, ScriptError, step } from "../scripts/run.mjs";
import { Client, KeysAPI } from "../src/core/index.js";
import { measureFake } from "./fake.js";
import { goWorker, type GoWorker } from "./go-worker.js";
import { benchCache, installPackages, memoryFolder } from "./install.js";
import { measureIdle, measureImports, measureRounds, measureSizes } from "./measure.js";
import { fullPlan, quickPlan, subjectGroups, writeTestData } from "./plan.js";
import type { NodeSubjectName, Plan, SubjectName } from "./plan.js";
import type { OtherNodeResults, Results } from "./protocol.js";
import { report } from "./report.js";
import { WorkerProcess } from "./worker-process.js";

async function bench(): Promise<void> {
  const quick = process.argv.includes("--quick");
  const plan = quick ? quickPlan : fullPlan;
  await step("install other clients", installPackages);
  const go = await stepOf("Go's client", () => goWorker(quick));
  if ("problem" in go) say(`bench: Go's client is not measured: ${go.problem}`);
  const bin = await findEtcd();
  // etcd's data goes into memory if possible: on a disk, PUT would measure nothing but fsync
  const inMemory = memoryFolder();
  if (inMemory !== undefined) process.env["TMPDIR"] = inMemory;
  await using cluster = await startCluster({ bin, args: ["--snapshot-count", "1000000"], log: say });
  const [url = ""] = cluster.endpoints;
  await using client = new Client({ endpoints: [url] });
  const keys = new KeysAPI(client);
  await writeTestData(keys);

  const start = (name: SubjectName): WorkerProcess =>
    name === "Go's client" ? goProcess(go, url) : nodeProcess(process.execPath, name, url);
  const groups = "problem" in go ? nodeGroups : subjectGroups;
  const rounds = await stepOf("requests and watches", () => measureRounds(groups, start, plan.matrix, keys));
  const idle = await stepOf(`${String(plan.idleWatchers)} idle watchers`, () =>
    measureIdle(groups.flat(), start, plan.idleWatchers, plan.idleRounds),
  );
  const otherNodes: OtherNodeResults[] = [];
  for (const major of plan.otherNodes.majors)
    otherNodes.push(await stepOf(`Node ${String(major)}`, () => underNode(major, plan, url, keys)));
  const imports = await stepOf("imports", () => measureImports(plan.importRuns, url));
  const sizes = await stepOf("sizes", measureSizes);
  const fake = await stepOf("the fake etcd", measureFake);
  const environment = [
    `Node ${process.versions.node}, etcd ${versionOf("etcd", bin) ?? "?"} with its data ${inMemory === undefined ? "on disk" : "in memory"},`,
    "problem" in go ? `no Go (${go.problem}),` : `${go.what},`,
    `${String(availableParallelism())} cores, ${quick ? "one short round: it shows that everything works, not how fast it is" : `${String(plan.matrix.rounds)} rounds`}.`,
  ].join(" ");
  write({ environment, rounds, otherNodes, idleWatchers: plan.idleWatchers, idle, imports, sizes, fake }, quick);
}

const nodeGroups: readonly (readonly NodeSubjectName[])[] = subjectGroups
  .map((group) => group.filter((name) => name !== "Go's client"))
  .filter((group) => group.length > 0);

async function underNode(major: number, plan: Plan, url: string, keys: KeysAPI): Promise<OtherNodeResults> {
  let node: ReturnType<typeof findNode>;
  try {
    node = findNode(String(major));
  } catch (error) {
    if (!(error instanceof ScriptError)) throw error;
    say(`bench: nothing is measured under Node ${String(major)}: ${error.message}`);
    return { major, problem: error.message, rounds: [] };
  }
  const start = (name: SubjectName): WorkerProcess => nodeProcess(node.bin, name, url);
  const rounds = await measureRounds(nodeGroups, start, plan.otherNodes.matrix, keys);
  return { major, version: node.version, rounds };
}

function nodeProcess(node: string, name: string, url: string): WorkerProcess {
  return new WorkerProcess(name, node, [
    "--expose-gc",
    fileURLToPath(new URL("./worker.js", import.meta.url)),
    name,
    url,
  ]);
}

function goProcess(go: GoWorker, url: string): WorkerProcess {
  if ("problem" in go) throw new Error(go.problem);
  return new WorkerProcess("Go's client", go.program, [url]);
}

function write(results: Results, quick: boolean): void {
  const text = report(results);
  process.stdout.write(`${text}\n`);
  // the figures of a quick run are not worth publishing
  const folder = quick ? benchCache : join(projectRoot, "bench");
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, "RESULTS.md"), text);
  say(`bench: RESULTS.md is in ${folder}`);
}

async function stepOf<T>(title: string, work: () => T | Promise<T>): Promise<T> {
  const done: T[] = [];
  await step(title, async () => {
    done.push(await work());
  });
  const [result] = done;
  if (result === undefined) throw new Error(`${title} returned nothing`);
  return result;
}

runMain(import.meta.url, bench);
