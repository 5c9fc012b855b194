// npm run bench [-- --quick]: how fast this package is, beside what it is compared with, all in one run against one etcd.
import { mkdirSync, writeFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { findEtcd, startCluster } from "../scripts/servers/etcd.mjs";
import { versionOf } from "../scripts/servers/programs.mjs";
import { projectRoot, runMain, say, step } from "../scripts/run.mjs";
import { Client, KeysAPI } from "../src/core/index.js";
import { charts } from "./charts.js";
import { goWorker, type GoWorker } from "./go-worker.js";
import { benchCache } from "./install.js";
import { measureIdle } from "./measure-idle.js";
import { measureImports } from "./measure-imports.js";
import { measureRounds } from "./measure-rounds.js";
import { measureSizes } from "./measure-sizes.js";
import { memoryFolder } from "./memory-folder.js";
import { otherNode } from "./other-node.js";
import { installPackages } from "./packages.js";
import { fullPlan, quickPlan, type Plan } from "./plan.js";
import { report } from "./report.js";
import type { OtherNodeResults, Results } from "./results.js";
import { subjectGroups, type NodeSubjectName, type SubjectName } from "./subject-names.js";
import { writeTestData } from "./test-data.js";
import { WorkerProcess } from "./worker-process.js";

async function bench(): Promise<void> {
  const quick = process.argv.includes("--quick");
  const plan = quick ? quickPlan : fullPlan;
  await step("peers", installPackages);
  const go = await stepOf("Go's client", () => goWorker(quick));
  if ("problem" in go) say(`bench: nothing of Go's client: ${go.problem}`);
  const bin = await findEtcd();
  // etcd's data, in memory where there is such a folder: a disk's fsync would be all that PUT measures
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
  const environment = [
    `Node ${process.versions.node}, etcd ${versionOf("etcd", bin) ?? "?"} with its data ${inMemory === undefined ? "on disk" : "in memory"},`,
    "problem" in go ? `no Go (${go.problem}),` : `${go.what},`,
    `${String(availableParallelism())} cores, ${quick ? "one short round: a look at whether it works, not at how fast it is" : `${String(plan.matrix.rounds)} rounds`}.`,
  ].join(" ");
  write({ environment, rounds, otherNodes, idleWatchers: plan.idleWatchers, idle, imports, sizes }, quick);
}

const nodeGroups: readonly (readonly NodeSubjectName[])[] = subjectGroups
  .map((group) => group.filter((name) => name !== "Go's client"))
  .filter((group) => group.length > 0);

async function underNode(major: number, plan: Plan, url: string, keys: KeysAPI): Promise<OtherNodeResults> {
  const found = await otherNode(major);
  if ("problem" in found) {
    say(`bench: nothing under Node ${String(major)}: ${found.problem}`);
    return { major, problem: found.problem, rounds: [] };
  }
  const start = (name: SubjectName): WorkerProcess => nodeProcess(found.bin, name, url);
  return {
    major,
    version: found.version,
    rounds: await measureRounds(nodeGroups, start, plan.otherNodes.matrix, keys),
  };
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
  // a quick look proves nothing that should be shown
  const folder = quick ? benchCache : join(projectRoot, "bench");
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, "RESULTS.md"), text);
  for (const [file, chart] of charts(results)) writeFileSync(join(folder, file), chart);
  say(`bench: RESULTS.md and charts are in ${folder}`);
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

runMain(import.meta.url, bench);
