import type { KeysAPI } from "../src/core/index.js";

/** The clients that are compared. The members of an inner list are measured back to back, so that noise distorts their ratios least. */
export const subjectGroups = [
  ["node:http"],
  ["etcd2 on got", "got transport, bare"],
  ["etcd2 on undici", "undici transport, bare"],
  ["node-etcd 7"],
  ["etcdjs 2"],
  ["Go's client"],
] as const;

export type SubjectName = (typeof subjectGroups)[number][number];

/** The subjects that run in Node. */
export type NodeSubjectName = Exclude<SubjectName, "Go's client">;

/** The subject that every ratio of the tables is relative to. */
export const baseline = "node:http" satisfies SubjectName;

/** Each SDK subject with the transport it runs on. */
export const sdkPairs = [
  { sdk: "etcd2 on got", bare: "got transport, bare" },
  { sdk: "etcd2 on undici", bare: "undici transport, bare" },
] as const satisfies readonly { readonly sdk: SubjectName; readonly bare: SubjectName }[];

export const smallKey = "/bench/small";
export const watchedKey = "/bench/watched";
export const idleKey = "/bench/idle";
export const listDir = "/bench/list";

const listedKeys = 1_000;

/** Writes the keys that the subjects read. */
export async function writeTestData(keys: KeysAPI): Promise<void> {
  await keys.set(smallKey, "v".repeat(64));
  for (let i = 0; i < listedKeys; i++) await keys.set(`${listDir}/key-${String(i)}`, "v".repeat(32));
}

/**
 * One thing to measure of each subject. The report finds the results by `name`. With `passes`, only the SDK and its bare
 * transport are measured, that many times per round; without it every subject is measured once per round.
 */
export type Scenario = { readonly name: string; readonly ms: number; readonly passes?: number } & (
  | { readonly kind: "get" | "put" | "list"; readonly concurrency: number }
  /** GET without and with an `AbortSignal` of the caller, one after the other. */
  | { readonly kind: "signal"; readonly concurrency: number }
  | { readonly kind: "watch"; readonly watchers: number }
);

/** Scenarios, and how many rounds of them are measured. */
export interface Matrix {
  readonly rounds: number;
  /** How long GET and PUT each run before measuring starts, in ms: the results show a warm program. */
  readonly warmUpMs: number;
  readonly scenarios: readonly Scenario[];
}

/** Everything that one run of the bench measures. */
export interface Plan {
  readonly matrix: Matrix;
  /** What is measured under other major versions of Node. */
  readonly otherNodes: { readonly majors: readonly number[]; readonly matrix: Matrix };
  readonly idleWatchers: number;
  readonly idleRounds: number;
  readonly importRuns: number;
}

const concurrencies: readonly number[] = [1, 16, 128];

/** Takes about twelve minutes. */
export const fullPlan: Plan = {
  matrix: {
    rounds: 7,
    warmUpMs: 800,
    scenarios: [
      ...loads("get", concurrencies, 500),
      ...loads("put", concurrencies, 500),
      ...shares([16, 128], 150, 6),
      { name: "signal c=16", kind: "signal", concurrency: 16, ms: 500 },
      ...loads("list", concurrencies, 300),
      ...watches(concurrencies, 300),
      ...watches([1_000], 600),
    ],
  },
  otherNodes: {
    majors: [22, 24],
    matrix: { rounds: 3, warmUpMs: 800, scenarios: [...loads("get", [16, 128], 500), ...loads("put", [16, 128], 500)] },
  },
  idleWatchers: 10_000,
  idleRounds: 3,
  importRuns: 21,
};

/** Takes about a minute: enough to see that everything works, and to see a large difference. */
export const quickPlan: Plan = {
  matrix: {
    rounds: 1,
    warmUpMs: 800,
    scenarios: [
      ...loads("get", concurrencies, 100),
      ...loads("put", [16, 128], 100),
      ...shares([16, 128], 50, 2),
      { name: "signal c=16", kind: "signal", concurrency: 16, ms: 100 },
      ...loads("list", [16], 100),
      ...watches([1, 16], 100),
      ...watches([1_000], 150),
    ],
  },
  otherNodes: { majors: [], matrix: { rounds: 0, warmUpMs: 0, scenarios: [] } },
  idleWatchers: 1_000,
  idleRounds: 1,
  importRuns: 2,
};

/** The most watchers that a subject is given. node-etcd hangs at 100; both open a socket pool for each watcher. */
const mostWatchers: Partial<Readonly<Record<SubjectName, number>>> = { "node-etcd 7": 16, "etcdjs 2": 128 };

/** Whether the subject can run that many watchers. */
export function canHold(watchers: number, subject: SubjectName): boolean {
  return watchers <= (mostWatchers[subject] ?? Infinity);
}

/** Whether the scenario is measured for the subject. */
export function takesPart(subject: SubjectName, scenario: Scenario): boolean {
  if (scenario.kind === "signal") return sdkPairs.some(({ sdk }) => sdk === subject);
  if (scenario.passes !== undefined) return sdkPairs.some(({ sdk, bare }) => subject === sdk || subject === bare);
  return scenario.kind !== "watch" || canHold(scenario.watchers, subject);
}

function loads(kind: "get" | "put" | "list", each: readonly number[], ms: number): readonly Scenario[] {
  return each.map((concurrency) => ({ name: `${kind} c=${String(concurrency)}`, kind, concurrency, ms }));
}

/** The name under which a scenario is repeated with SDK and bare transport only, in short alternating passes: a small difference needs many comparisons. */
export function shareOf(scenario: string): string {
  return `share-${scenario}`;
}

function shares(each: readonly number[], ms: number, passes: number): readonly Scenario[] {
  return [...loads("get", each, ms), ...loads("put", each, ms)].map((load) => ({
    ...load,
    name: shareOf(load.name),
    passes,
  }));
}

function watches(each: readonly number[], ms: number): readonly Scenario[] {
  return each.map((watchers) => ({ name: `watch c=${String(watchers)}`, kind: "watch", watchers, ms }));
}
