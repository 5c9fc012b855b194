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

/** The SDK over v2 and over v3, of the same servers, and the same requests by hand. */
export const protocolGroups = [
  ["etcd2 on got", "etcd2 through v3"],
  ["node:http", "node:http, v3's requests"],
] as const;

/** The subjects that are measured over TLS, and with a busy directory. */
export const clientGroups = [["etcd2 on got"], ["etcd2 on undici"], ["Go's client"]] as const;

export type SubjectName = (typeof subjectGroups | typeof protocolGroups)[number][number];

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
/** A key of its own: over v3 a read of a key with a TTL takes a look-up. */
export const ttlKey = "/bench/with-ttl";
export const hundredDir = "/bench/hundred";
export const listDir = "/bench/list";
export const largeDir = "/bench/large";
export const busyDir = "/bench/busy";

/** Writes the keys that the subjects read: 1,000 in a directory, and `many` in another. */
export async function writeTestData(keys: KeysAPI, many: number): Promise<void> {
  await keys.set(smallKey, "v".repeat(64));
  await keys.set(`${busyDir}/0`, "0");
  await writeKeys(keys, listDir, 1_000);
  await writeKeys(keys, largeDir, many);
}

/** Writes what is read over v2 and over v3: two stores of one server. */
export async function writeCommonData(...stores: readonly KeysAPI[]): Promise<void> {
  for (const keys of stores) {
    await keys.set(smallKey, "v".repeat(64));
    await writeKeys(keys, hundredDir, 100);
  }
}

async function writeKeys(keys: KeysAPI, dir: string, count: number): Promise<void> {
  let next = 0;
  const writer = async (): Promise<void> => {
    while (next < count) await keys.set(`${dir}/key-${String(next++)}`, "v".repeat(32));
  };
  await Promise.all(Array.from({ length: 64 }, writer));
}

/**
 * One thing to measure of each subject. The report finds the results by `name`. With `passes`, only the SDK and its bare
 * transport are measured, that many times per round, and the SDK once more with one long-lived signal; without it every subject
 * is measured once per round.
 */
export type Scenario = { readonly name: string; readonly ms: number; readonly passes?: number } & (
  | { readonly kind: "get" | "put" | "ttl" | "connect"; readonly concurrency: number }
  | { readonly kind: "list"; readonly concurrency: number; readonly dir: string }
  | { readonly kind: "watch"; readonly watchers: number; readonly recursive?: boolean }
  /** Following a directory that takes that many writes a second. */
  | { readonly kind: "follow" | "mirror"; readonly writesPerSecond: number }
);

/** Scenarios, and how many rounds of them are measured. */
export interface Matrix {
  readonly rounds: number;
  /** No further round begins after this time, in ms: on a slow machine there are fewer rounds, not a longer run. */
  readonly budgetMs: number;
  /** How long each of `warmUpKinds` runs before measuring starts, in ms: the results show a warm program. */
  readonly warmUpMs: number;
  /** What runs before measuring starts. Absent: GET and PUT. */
  readonly warmUpKinds?: readonly ("get" | "put" | "ttl" | "list")[];
  /** Each of them runs again until it has made so many calls: V8 compiles what was called often. Absent: once. */
  readonly warmUpCalls?: number;
  /**
   * How long calls one at a time run before they are measured each time, in ms: after a pause the first few hundred take up to
   * twice as long, whatever client sends them. A slow client would make fewer calls in the time that follows, and so have more
   * of these among them. Absent: not at all.
   */
  readonly settleMs?: number;
  readonly scenarios: readonly Scenario[];
}

/** Everything that one run of the bench measures. */
export interface Plan {
  readonly matrix: Matrix;
  readonly busy: Matrix;
  readonly large: Matrix;
  /** How many keys the large directory has, and how often its decoding is compared with `JSON.parse`. */
  readonly largeKeys: number;
  readonly decodeTurns: number;
  readonly tls: Matrix;
  readonly v3: Matrix;
  /** What is measured under other major versions of Node. */
  readonly otherNodes: { readonly majors: readonly number[]; readonly matrix: Matrix };
  readonly idleWatchers: number;
  readonly idleRounds: number;
  readonly importRuns: number;
}

const concurrencies: readonly number[] = [1, 16, 128];
const warmUpMs = 800;
const settleMs = 100;

/** The aims of performance are stated for these. */
const busyScenarios = (ms: number): readonly Scenario[] =>
  (["follow", "mirror"] as const).map((kind) => ({ name: `busy ${kind}`, kind, writesPerSecond: 2_500, ms }));

const tlsScenarios = (ms: number): readonly Scenario[] => [
  ...loads("get", [16, 128], ms),
  ...loads("connect", [16], 2 * ms),
];

/** Each has code of its own. */
const v3WarmUpKinds = ["get", "put", "ttl", "list"] as const;

const v3Scenarios = (ms: number): readonly Scenario[] => [
  ...loads("get", [1, 16], ms),
  ...loads("put", [1, 16], ms),
  ...loads("ttl", [1, 16], ms),
  ...lists([1], hundredDir, ms),
  { name: "watch below, c=1000", kind: "watch", watchers: 1_000, recursive: true, ms },
];

/** Takes less than eight minutes. */
export const fullPlan: Plan = {
  matrix: {
    rounds: 7,
    budgetMs: 150_000,
    warmUpMs,
    settleMs,
    scenarios: [
      ...loads("get", concurrencies, 230),
      ...loads("put", concurrencies, 230),
      ...shares([16, 128], 120, 3),
      ...lists([1, 16], listDir, 200),
      ...watches([1, 16, 128], 200),
      ...watches([1_000], 400),
    ],
  },
  busy: { rounds: 5, budgetMs: 30_000, warmUpMs, scenarios: busyScenarios(1_000) },
  large: { rounds: 5, budgetMs: 20_000, warmUpMs: 0, scenarios: lists([1], largeDir, 1) },
  largeKeys: 100_000,
  decodeTurns: 11,
  tls: { rounds: 5, budgetMs: 15_000, warmUpMs: 300, scenarios: tlsScenarios(200) },
  v3: {
    rounds: 4,
    budgetMs: 40_000,
    warmUpMs: 300,
    warmUpKinds: v3WarmUpKinds,
    warmUpCalls: 5_000,
    settleMs: 150,
    scenarios: v3Scenarios(200),
  },
  otherNodes: {
    majors: [20, 22, 24],
    matrix: {
      rounds: 5,
      budgetMs: 40_000,
      warmUpMs,
      scenarios: [...loads("get", [16, 128], 150), ...loads("put", [16, 128], 150), ...shares([16, 128], 100, 3)],
    },
  },
  idleWatchers: 10_000,
  idleRounds: 1,
  importRuns: 11,
};

/** With `--nodes`: the same on every Node, in as many rounds as it takes. Half an hour. */
export const nodesPlan: Plan = {
  ...fullPlan,
  otherNodes: {
    ...fullPlan.otherNodes,
    matrix: { ...fullPlan.matrix, rounds: 10, budgetMs: 480_000 },
  },
};

/** Takes less than a minute: enough to see that everything works, and to see a large difference. */
export const quickPlan: Plan = {
  matrix: {
    rounds: 1,
    budgetMs: 20_000,
    warmUpMs: 300,
    scenarios: [
      ...loads("get", concurrencies, 60),
      ...loads("put", [16, 128], 60),
      ...shares([16, 128], 30, 2),
      ...lists([16], listDir, 60),
      ...watches([1, 16], 60),
      ...watches([1_000], 100),
    ],
  },
  busy: { rounds: 1, budgetMs: 5_000, warmUpMs: 0, scenarios: busyScenarios(300) },
  large: { rounds: 1, budgetMs: 2_000, warmUpMs: 0, scenarios: lists([1], largeDir, 1) },
  largeKeys: 10_000,
  decodeTurns: 3,
  tls: { rounds: 1, budgetMs: 5_000, warmUpMs: 50, scenarios: tlsScenarios(60) },
  v3: { rounds: 1, budgetMs: 5_000, warmUpMs: 50, warmUpKinds: v3WarmUpKinds, scenarios: v3Scenarios(60) },
  otherNodes: { majors: [], matrix: { rounds: 0, budgetMs: 0, warmUpMs: 0, scenarios: [] } },
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
  if (scenario.passes !== undefined) return sdkPairs.some(({ sdk, bare }) => subject === sdk || subject === bare);
  if (subject === "node:http, v3's requests") return "concurrency" in scenario && scenario.concurrency === 1;
  if (scenario.kind === "watch" && scenario.recursive === true && subject === "node:http") return false;
  // Go has no mirror
  if (scenario.kind === "mirror") return subject !== "Go's client";
  return scenario.kind !== "watch" || canHold(scenario.watchers, subject);
}

function loads(
  kind: "get" | "put" | "ttl" | "connect",
  each: readonly number[],
  ms: number,
): readonly (Scenario & { readonly concurrency: number })[] {
  return each.map((concurrency) => ({ name: `${kind} c=${String(concurrency)}`, kind, concurrency, ms }));
}

function lists(each: readonly number[], dir: string, ms: number): readonly Scenario[] {
  return each.map((concurrency) => ({
    name: `${dir === largeDir ? "large list" : "list"} c=${String(concurrency)}`,
    kind: "list",
    concurrency,
    dir,
    ms,
  }));
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
