import { say } from "../scripts/run.mjs";
import type { KeysAPI } from "../src/core/index.js";
import { takesPart, type Matrix, type Scenario } from "./plan.js";
import type { LoadTask, Measured } from "./protocol.js";
import { withSignal, type Round } from "./results.js";
import type { SubjectName } from "./subject-names.js";
import { listDir, smallKey, watchedKey } from "./test-data.js";
import type { WorkerProcess } from "./worker-process.js";

/** Measures every subject in every scenario, round after round. `keys` writes the events that watchers shall see. */
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

/** Another order in each round, since who follows whom must not matter; but a group stays together. */
function order(groups: readonly (readonly SubjectName[])[], round: number): readonly SubjectName[] {
  const at = round % groups.length;
  return [...groups.slice(at), ...groups.slice(0, at)].flatMap((group) =>
    round % 2 === 0 ? group : group.toReversed(),
  );
}
