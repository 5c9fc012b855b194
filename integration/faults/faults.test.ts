import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test, { type TestContext } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import type { Cluster } from "../../scripts/servers/etcd.mjs";
import { Client, KeysAPI, type KeyNode } from "../../src/core/index.js";
import { startChild, type Child } from "../../src/test-kit/child.js";
import {
  isWrite,
  queueViolations,
  registersOf,
  registerViolations,
  timeViolations,
  watcherViolations,
  writeViolations,
  type CallRecord,
  type FinalNode,
  type KeyEvent,
  type LoadRecord,
} from "../histories/fault-history.js";
import { PeerNetwork } from "../../src/test-kit/peer-network.js";
import { Random } from "../../src/test-kit/random.js";
import { TcpProxy } from "../../src/test-kit/tcp-proxy.js";
import { until } from "../../src/test-kit/waiting.js";
import { fastCluster } from "../fast-cluster.js";
import type { LoadTask } from "./load-program.js";
import { Nemesis } from "./nemesis.js";
import { Observer } from "./observer.js";

const seconds = Number(process.env["FAULTS_SECONDS"] ?? "60");
const seed = Number(process.env["FAULTS_SEED"] ?? String(Math.floor(Math.random() * 2 ** 32)));
const dir = "/faults";
const limits = { headerTimeoutMs: 1_000, bodyIdleTimeoutMs: 500, watchIdleTimeoutMs: 3_000 };
/** Longest time that the process under load may take to end after its calls. */
const endMs = 60_000;

test(`faults: nothing is lost or doubled in ${String(seconds)} s of faults (FAULTS_SEED=${String(seed)} FAULTS_SECONDS=${String(seconds)} repeats them)`, async (t) => {
  const said: string[] = [];
  const run = await runFaults(t, (line) => said.push(line));
  const { load, events, final } = run;
  const { calls } = load;
  const beforeEnd = events.slice(0, events.findIndex(({ key }) => key === `${dir}/end`) + 1);
  for (const line of summaryOf(run)) t.diagnostic(line);

  const check = (name: string, find: () => readonly string[]): Promise<void> =>
    t.test(name, () => {
      const violations = find();
      if (violations.length === 0) return;
      const file = join(tmpdir(), `etcd2-faults-${String(seed)}.json`);
      writeFileSync(file, JSON.stringify({ said, ...run }));
      assert.fail(
        `FAULTS_SEED=${String(seed)}: ${String(violations.length)} violations, the whole history is in ${file}:\n${violations.slice(0, 10).join("\n")}`,
      );
    });
  await check("every kind of fault came, and work was done between them", () => [
    ...(calls.filter(({ result, kind }) => result === "acknowledged" && kind !== "list").length < 5 * seconds
      ? ["too few calls were acknowledged: the rest proves little"]
      : []),
    ...(["unknown", "notApplied", "refused"] as const)
      .filter((result) => !calls.some((call) => call.result === result && isWrite(call)))
      .map((result) => `no write was ${result}`),
  ]);
  await check("every call settled with an answer, or with an error that tells its outcome", () =>
    calls.filter(({ result }) => result === "odd").map((call) => JSON.stringify(call)),
  );
  await check(
    "no acknowledged write is lost, none that was notApplied exists, none was applied more often than it was sent",
    () => writeViolations(calls, events, final),
  );
  await check("createInOrder made no more entries than acknowledged and unknown ones", () =>
    queueViolations(calls, final),
  );
  await check("registers are linearizable", () => registerViolations(calls, final));
  for (const watcher of load.watchers) {
    await check(`the ${watcher.name} watcher, asked again after every error, saw every event once, in order`, () =>
      watcherViolations(watcher, beforeEnd),
    );
  }
  await check("the members told the same events, to who asks without the SDK", () => run.observerProblems);
  await check("no call outlived its timeouts by more than a second", () => timeViolations(calls, load.stalls, limits));
  await check("the process under load ended by itself", () =>
    run.status === 0 ? [] : [`it ended with ${String(run.status)}`],
  );
});

interface Run {
  readonly load: LoadRecord;
  /** All of them up to `final`. */
  readonly events: readonly KeyEvent[];
  readonly final: readonly FinalNode[];
  readonly observerProblems: readonly string[];
  readonly faults: Readonly<Record<string, number>>;
  readonly status: number | null;
}

async function runFaults(t: TestContext, say: (line: string) => void): Promise<Run> {
  const startMs = performance.now();
  const log = (line: string): void => {
    say(`${((performance.now() - startMs) / 1_000).toFixed(1)} s: ${line}`);
  };
  const random = new Random(seed);
  await using network = new PeerNetwork();
  await using cluster = await fastCluster({ advertisePeerUrl: network.advertise });
  const doors = await Promise.all(cluster.endpoints.map((url) => TcpProxy.start(url)));
  await using client = new Client({ endpoints: cluster.endpoints });
  const keys = new KeysAPI(client);
  const { index } = await keys.set(dir, "", { dir: true });
  const observers = cluster.endpoints.map((url) => new Observer(url, dir, index));
  try {
    const task: LoadTask = {
      endpoints: doors.map(({ url }) => url),
      seed: random.fork().whole(0, 2 ** 31),
      dir,
      afterIndex: index,
      ...limits,
    };
    const child = startChild(t, "../../integration/faults/load-program.js", [JSON.stringify(task)]);
    const nemesis = new Nemesis({ cluster, network, doors }, random, log);
    await until("there is load", () => (observers[0]?.events.length ?? 0) > 10);
    await nemesis.rage(seconds * 1_000, () => hasEnded(child));
    await allWell(cluster);
    log("all is well again");
    // time for what was sent and not answered to be applied: etcd holds writes for 5 s and two elections
    await sleep(6_000);
    const { load, status } = await endOf(child);
    const final = await keys.get(dir, { quorum: true, recursive: true });
    await keys.set(`${dir}/after-all`, "");
    const isOver = (observer: Observer): boolean =>
      observer.failure !== undefined || observer.events.some(({ key }) => key === `${dir}/after-all`);
    await until("every member has told all events", () => observers.every(isOver));
    const told = observers.map((observer) => observer.events.filter((event) => event.index <= final.index));
    const [events = []] = told;
    return {
      load,
      events,
      final: filesOf(final.node),
      observerProblems: observers.flatMap((observer, i) => [
        ...(observer.failure === undefined ? [] : [observer.failure]),
        ...watcherViolations(
          { name: `member ${String(i + 1)}`, events: told[i] ?? [], errors: {}, fromNowOn: false },
          events,
        ),
      ]),
      faults: nemesis.counts,
      status,
    };
  } finally {
    await Promise.all([...observers, ...doors].map((each) => each.close()));
  }
}

async function allWell({ members }: Cluster): Promise<void> {
  await until("all members are healthy", async () =>
    (await Promise.all(members.map((member) => member.healthy()))).every(Boolean),
  );
}

/** Asks the process under load to end, and waits until it has. */
async function endOf(child: Child): Promise<{ readonly load: LoadRecord; readonly status: number | null }> {
  const tooLate = setTimeout(() => child.process.kill("SIGKILL"), endMs);
  child.process.stdin?.on("error", () => undefined).end();
  const { status, stdout, stderr } = await child.ended;
  clearTimeout(tooLate);
  assert.ok(stdout.endsWith("}"), `the process under load ended with ${String(status)}: ${stderr}`);
  return { load: JSON.parse(stdout) as LoadRecord, status };
}

function hasEnded({ process: { exitCode, signalCode } }: Child): boolean {
  return exitCode !== null || signalCode !== null;
}

function filesOf(node: KeyNode): readonly FinalNode[] {
  if (node.dir) return node.nodes.flatMap(filesOf);
  return [{ key: node.key, value: node.value, index: node.modifiedIndex }];
}

function summaryOf({ load, events, faults }: Run): readonly string[] {
  const { calls, watchers, stalls } = load;
  const writes = calls.filter(isWrite);
  const count = (result: string, of = writes): string => String(of.filter((call) => call.result === result).length);
  const slowestMs = Math.max(0, ...calls.map((call) => call.endMs - call.startMs));
  const stalledMs = stalls.reduce((sum, stall) => sum + stall.endMs - stall.startMs, 0);
  return [
    `seed ${String(seed)}: ${String(calls.length)} calls, ${String(writes.length)} writes: ${(["acknowledged", "refused", "unknown", "notApplied"] as const).map((result) => `${count(result)} ${result}`).join(", ")}`,
    `reads: ${count(
      "acknowledged",
      calls.filter(({ kind }) => kind === "read"),
    )} by quorum answered, ${String(registersOf(calls).size)} registers`,
    `faults: ${Object.entries(faults)
      .map(([name, times]) => `${String(times)} ${name}`)
      .join(", ")}`,
    `events: ${String(events.length)}; ${watchers.map(({ name, events: seen, errors }) => `${name} watcher: ${String(seen.length)}, asked again ${String(Object.values(errors).reduce((a, b) => a + b, 0))} times`).join("; ")}`,
    `errors: ${errorsIn(calls)}`,
    `slowest call: ${slowestMs.toFixed(0)} ms; the process was stalled for ${stalledMs.toFixed(0)} ms in all`,
  ];
}

function errorsIn(calls: readonly CallRecord[]): string {
  const counts = new Map<string, number>();
  for (const { error } of calls) if (error !== undefined) counts.set(error, (counts.get(error) ?? 0) + 1);
  return [...counts]
    .sort((a, b) => b[1] - a[1])
    .map(([error, times]) => `${String(times)} ${error}`)
    .join(", ");
}
