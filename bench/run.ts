// npm run bench [-- --quick | --nodes | --chart]: compares the speed of this package with other clients, all in one run against one etcd.
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { startCluster } from "../integration/test-kit/etcd.js";
import { find, findNode, versionOf } from "../scripts/servers/programs.mjs";
import { projectRoot, runMain, runTool, say, ScriptError, step } from "../scripts/run.mjs";
import { makeCertificates } from "../integration/certificates.js";
import { Client, KeysAPI } from "../src/core/index.js";
import { undiciExchange } from "../src/http/undici/index.js";
import { v3Protocol } from "../src/v3/index.js";
import { measureFake } from "./fake.js";
import { benchCache, goWorker, installPackages, memoryFolder, type GoWorker } from "./install.js";
import { measureDecoding, measureIdle, measureImports, measureRounds, measureSizes } from "./measure.js";
import { clientGroups, fullPlan, nodesPlan, protocolGroups, quickPlan, smallKey, writeCommonData } from "./plan.js";
import { subjectGroups, writeTestData } from "./plan.js";
import type { Matrix, NodeSubjectName, Plan, SubjectName } from "./plan.js";
import type { OtherNodeResults, Results, Round } from "./protocol.js";
import { report, shortTable } from "./report.js";
import { speedChart } from "./sections.js";
import { WorkerProcess } from "./protocol.js";

async function bench(): Promise<void> {
  if (process.argv.includes("--chart")) {
    drawChart(readFileSync(join(projectRoot, "bench", "RESULTS.md"), "utf8"));
    return;
  }
  const quick = process.argv.includes("--quick");
  const plan = quick ? quickPlan : process.argv.includes("--nodes") ? nodesPlan : fullPlan;
  await step("install other clients", installPackages);
  const go = await stepOf("Go's client", goWorker);
  if ("problem" in go) say(`bench: Go's client is not measured: ${go.problem}`);
  const bin = find("etcd");
  // etcd's data goes into memory if possible: on a disk, PUT would measure nothing but fsync
  const inMemory = memoryFolder();
  if (inMemory !== undefined) process.env["TMPDIR"] = inMemory;
  await using cluster = await startCluster({ bin, args: ["--snapshot-count", "1000000"], log: say });
  const [url = ""] = cluster.endpoints;
  await using client = new Client({ endpoints: [url], transport: undiciExchange() });
  const keys = new KeysAPI(client);
  await using v3Client = new Client({ endpoints: [url], protocol: v3Protocol() });
  const v3Keys = new KeysAPI(v3Client);
  const keysOf = (name: SubjectName): KeysAPI => (name === "etcd2 through v3" ? v3Keys : keys);
  await writeCommonData(keys, v3Keys);
  await step(`write ${String(plan.largeKeys)} keys`, () => writeTestData(keys, plan.largeKeys));

  const start = (name: SubjectName): WorkerProcess => startWorker(go, name, url);
  const withGo = <Name extends SubjectName>(groups: readonly (readonly Name[])[]): readonly (readonly Name[])[] =>
    "problem" in go ? groups.filter((group) => !group.some((name) => name === "Go's client")) : groups;
  const part = (
    title: string,
    groups: readonly (readonly SubjectName[])[],
    matrix: Matrix,
  ): Promise<readonly Round[]> => stepOf(title, () => measureRounds(withGo(groups), start, matrix, keysOf));
  const rounds = [
    ...(await part("requests and watches", subjectGroups, plan.matrix)),
    ...(await part("a busy directory", clientGroups, plan.busy)),
    ...(await part(`${String(plan.largeKeys)} keys`, clientGroups, plan.large)),
    ...titled("v3 ", await part("v3 beside v2", protocolGroups, plan.v3)),
    ...titled("tls ", await stepOf("TLS", () => overTls(bin, go, withGo(clientGroups), plan.tls))),
  ];
  const decoded = await stepOf("decoding", () => measureDecoding(start, plan));
  const idle = await stepOf(`${String(plan.idleWatchers)} idle watchers`, () =>
    measureIdle(withGo(subjectGroups).flat(), start, plan.idleWatchers, plan.idleRounds),
  );
  const otherNodes: OtherNodeResults[] = [];
  for (const major of plan.otherNodes.majors.filter((each) => each !== ownMajor))
    otherNodes.push(await stepOf(`Node ${String(major)}`, () => underNode(major, plan, url, keysOf)));
  const imports = await stepOf("imports", () => measureImports(plan.importRuns, url));
  const sizes = await stepOf("sizes", measureSizes);
  const fake = await stepOf("the fake etcd", measureFake);
  const environment = [
    `Node ${process.versions.node}, etcd ${versionOf("etcd", bin) ?? "?"} with its data ${inMemory === undefined ? "on disk" : "in memory"},`,
    "problem" in go ? `no Go (${go.problem}),` : `${go.what},`,
    `${String(availableParallelism())} cores, ${new Date().toISOString().slice(0, 10)}, ${quick ? "one short round: it shows that everything works, not how fast it is" : `${String(roundsOf(rounds))} rounds`}.`,
  ].join(" ");
  await write(
    {
      environment,
      node: process.versions.node,
      rounds,
      decoded,
      otherNodes,
      idleWatchers: plan.idleWatchers,
      idle,
      imports,
      sizes,
      fake,
    },
    quick,
  );
}

const ownMajor = Number(process.versions.node.split(".", 1)[0]);

function roundsOf(rounds: readonly Round[]): number {
  return new Set(rounds.filter(({ scenario }) => scenario === "get c=16").map(({ round }) => round)).size;
}

/** The same rounds with other names of scenarios. */
function titled(prefix: string, rounds: readonly Round[]): readonly Round[] {
  return rounds.map((round) => ({ ...round, scenario: prefix + round.scenario }));
}

/** On one member with certificates. */
async function overTls(
  bin: string,
  go: GoWorker,
  groups: readonly (readonly SubjectName[])[],
  matrix: Matrix,
): Promise<readonly Round[]> {
  using certificates = makeCertificates();
  const ca = certificates.cert("ca");
  const tls = { ca, cert: certificates.cert("server"), key: certificates.key("server") };
  const pem = [ca, certificates.cert("client"), certificates.key("client")];
  await using cluster = await startCluster({ bin, tls, log: say });
  const [url = ""] = cluster.endpoints;
  const [clientCa, cert, key] = pem.map((file) => readFileSync(file));
  await using client = new Client({ endpoints: [url], tls: { ca: clientCa, cert, key } });
  const keys = new KeysAPI(client);
  await keys.set(smallKey, "v".repeat(64));
  return await measureRounds(
    groups,
    (name) => startWorker(go, name, url, pem),
    matrix,
    () => keys,
  );
}

const nodeGroups: readonly (readonly NodeSubjectName[])[] = subjectGroups
  .map((group) => group.filter((name) => name !== "Go's client"))
  .filter((group) => group.length > 0);

async function underNode(
  major: number,
  plan: Plan,
  url: string,
  keysOf: (name: SubjectName) => KeysAPI,
): Promise<OtherNodeResults> {
  let node: ReturnType<typeof findNode>;
  try {
    node = findNode(String(major));
  } catch (error) {
    if (!(error instanceof ScriptError)) throw error;
    say(`bench: nothing is measured under Node ${String(major)}: ${error.message}`);
    return { major, problem: error.message, rounds: [] };
  }
  const start = (name: SubjectName): WorkerProcess => nodeProcess(node.bin, name, url);
  const rounds = await measureRounds(nodeGroups, start, plan.otherNodes.matrix, keysOf);
  return { major, version: node.version, rounds };
}

/** @param pem files of the CA, the client's certificate and its key, for https */
function startWorker(go: GoWorker, name: SubjectName, url: string, pem: readonly string[] = []): WorkerProcess {
  if (name !== "Go's client") return nodeProcess(process.execPath, name, url, pem);
  if ("problem" in go) throw new Error(go.problem);
  return new WorkerProcess(name, go.program, [url, ...pem]);
}

function nodeProcess(node: string, name: string, url: string, pem: readonly string[] = []): WorkerProcess {
  const program = fileURLToPath(new URL("./worker.js", import.meta.url));
  return new WorkerProcess(name, node, ["--expose-gc", program, name, url, ...pem]);
}

/** Writes RESULTS.md, and after a full run the figures in the other documents. */
async function write(results: Results, quick: boolean): Promise<void> {
  const text = report(results);
  process.stdout.write(`${text}\n`);
  // the figures of a quick run are not worth publishing
  const folder = quick ? benchCache : join(projectRoot, "bench");
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, "RESULTS.md"), text);
  if (!quick) {
    const files = ["README.md", "docs/guides/transports.md"].map((name) => join(projectRoot, name));
    for (const file of files) writeFileSync(file, withFigures(readFileSync(file, "utf8"), shortTable(results)));
    drawChart(text);
    await runTool("prettier/bin/prettier.cjs", ["--write", join(folder, "RESULTS.md"), ...files]);
  }
  say(`bench: RESULTS.md is in ${folder}`);
}

/** Draws the chart of the README: `npm run bench -- --chart` does it without measuring. */
function drawChart(results: string): void {
  writeFileSync(join(projectRoot, "docs", "speed.svg"), speedChart(results));
}

const figuresStart = "<!-- figures: written by npm run bench -->";
const figuresEnd = "<!-- end of figures -->";

/** The text with other figures between its marks. */
function withFigures(text: string, figures: string): string {
  const [before, rest] = [text.indexOf(figuresStart), text.indexOf(figuresEnd)];
  if (before < 0 || rest < before) throw new ScriptError(`a document lacks the line "${figuresStart}" or its end`);
  return `${text.slice(0, before)}${figuresStart}\n\n${figures}\n\n${text.slice(rest)}`;
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
