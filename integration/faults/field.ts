// What the tests of this folder share: how long they run, the process under load, and the report.
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";
import type { Cluster } from "../test-kit/etcd.js";
import type { KeyNode } from "../../src/core/index.js";
import { startChild, type Child } from "../../src/test-kit/child.js";
import { until } from "../../src/test-kit/waiting.js";
import {
  isWrite,
  type CallRecord,
  type FinalNode,
  type KeyEvent,
  type LoadRecord,
} from "../histories/fault-history.js";
import type { LoadTask } from "./load-program.js";

/** How long the suite loads its clusters, in all its tests together, in s. */
export const suiteSeconds = Number(process.env["FAULTS_SECONDS"] ?? "60");
/** Decides what happens, in all tests of the suite. */
export const seed = Number(process.env["FAULTS_SEED"] ?? String(Math.floor(Math.random() * 2 ** 32)));
/** How a run is repeated. */
export const repeatedBy = `FAULTS_SEED=${String(seed)} FAULTS_SECONDS=${String(suiteSeconds)} repeats it`;
/** The directory that the load writes below. */
export const dir = "/faults";
/** Timeouts of the client under load, in ms. */
export const limits = { headerTimeoutMs: 1_000, bodyIdleTimeoutMs: 500, watchIdleTimeoutMs: 3_000 };
/** Longest time that the process under load may take to end, once its calls have. */
const endMs = 60_000;

/** Starts the process under load; killed when the test ends before it. */
export function startLoad(t: TestContext, task: Omit<LoadTask, "dir" | keyof typeof limits>): Child {
  const full: LoadTask = { ...task, dir, ...limits };
  return startChild(t, "../../integration/faults/load-program.js", [JSON.stringify(full)]);
}

/** Waits until every member is healthy. */
export async function allWell({ members }: Cluster): Promise<void> {
  await until("all members are healthy", async () =>
    (await Promise.all(members.map((member) => member.healthy()))).every(Boolean),
  );
}

/** Asks the process under load to end, and waits until it has. */
export async function endOf(child: Child): Promise<{ readonly load: LoadRecord; readonly status: number | null }> {
  const tooLate = setTimeout(() => child.process.kill("SIGKILL"), endMs);
  child.process.stdin?.on("error", () => undefined).end();
  const { status, stdout, stderr } = await child.ended;
  clearTimeout(tooLate);
  assert.ok(stdout.endsWith("}"), `the process under load ended with ${String(status)}: ${stderr}`);
  return { load: JSON.parse(stdout) as LoadRecord, status };
}

/** Whether the process has ended, or was killed. */
export function hasEnded({ process: { exitCode, signalCode } }: Child): boolean {
  return exitCode !== null || signalCode !== null;
}

/** All files of a tree. */
export function filesOf(node: KeyNode): readonly FinalNode[] {
  if (node.dir) return node.nodes.flatMap(filesOf);
  return [{ key: node.key, value: node.value, index: node.modifiedIndex }];
}

/** The events up to the last write of the load, which its watchers must have seen. */
export function untilEnd(events: readonly KeyEvent[]): readonly KeyEvent[] {
  return events.slice(0, events.findIndex(({ key }) => key === `${dir}/end`) + 1);
}

/**
 * Makes the checks of a test: one subtest each, which fails with the first violations and keeps the history in a file.
 */
export function checksOf(
  t: TestContext,
  history: unknown,
): (name: string, find: () => readonly string[]) => Promise<void> {
  return (name, find) =>
    t.test(name, () => {
      const violations = find();
      if (violations.length === 0) return;
      const file = join(tmpdir(), `etcd2-faults-${String(seed)}.json`);
      writeFileSync(file, JSON.stringify(history));
      assert.fail(
        `FAULTS_SEED=${String(seed)}: ${String(violations.length)} violations, the whole history is in ${file}:\n${violations.slice(0, 10).join("\n")}`,
      );
    });
}

/** The calls and the results of their writes, in one line. */
export function callsLine(calls: readonly CallRecord[]): string {
  const writes = calls.filter(isWrite);
  const results = (["acknowledged", "refused", "unknown", "notApplied"] as const).map(
    (result) => `${String(writes.filter((call) => call.result === result).length)} ${result}`,
  );
  return `seed ${String(seed)}: ${String(calls.length)} calls, ${String(writes.length)} writes: ${results.join(", ")}`;
}

/** How often calls rejected with each error, most frequent first. */
export function errorsIn(calls: readonly CallRecord[]): string {
  const counts = new Map<string, number>();
  for (const { error } of calls) if (error !== undefined) counts.set(error, (counts.get(error) ?? 0) + 1);
  return [...counts]
    .sort((a, b) => b[1] - a[1])
    .map(([error, times]) => `${String(times)} ${error}`)
    .join(", ");
}
