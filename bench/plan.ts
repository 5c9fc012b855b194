import { isSdk, sdkPairs, type SubjectName } from "./subject-names.js";

/**
 * One thing to measure of each subject; the name is how the results are found again. `passes`: in each round so often, and of
 * SDK and bare transport alone; absent: once, of all.
 */
export type Scenario = { readonly name: string; readonly ms: number; readonly passes?: number } & (
  | { readonly kind: "get" | "put" | "list"; readonly concurrency: number }
  /** GET without and with a signal of the caller's, one after the other. */
  | { readonly kind: "signal"; readonly concurrency: number }
  | { readonly kind: "watch"; readonly watchers: number }
);

/** Scenarios, again and again. */
export interface Matrix {
  readonly rounds: number;
  /** Of GET and PUT each, before anything counts: what is shown is a program at work, not at its start. */
  readonly warmUpMs: number;
  readonly scenarios: readonly Scenario[];
}

export interface Plan {
  readonly matrix: Matrix;
  /** Under other major versions of Node. */
  readonly otherNodes: { readonly majors: readonly number[]; readonly matrix: Matrix };
  readonly idleWatchers: number;
  readonly idleRounds: number;
  readonly importRuns: number;
}

const concurrencies: readonly number[] = [1, 16, 128];

/** About twelve minutes. */
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

/** Less than a minute: enough to see that everything works, and where a large difference is. */
export const quickPlan: Plan = {
  matrix: {
    rounds: 1,
    warmUpMs: 400,
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

/** How many watchers each of these is asked for at most. node-etcd stops answering at 100; both take a socket pool for each. */
const mostWatchers: Partial<Readonly<Record<SubjectName, number>>> = { "node-etcd 7": 16, "etcdjs 2": 128 };

export function canHold(watchers: number, subject: SubjectName): boolean {
  return watchers <= (mostWatchers[subject] ?? Infinity);
}

export function takesPart(subject: SubjectName, scenario: Scenario): boolean {
  if (scenario.kind === "signal") return isSdk(subject);
  if (scenario.passes !== undefined) return sdkPairs.some(({ sdk, bare }) => subject === sdk || subject === bare);
  return scenario.kind !== "watch" || canHold(scenario.watchers, subject);
}

function loads(kind: "get" | "put" | "list", each: readonly number[], ms: number): readonly Scenario[] {
  return each.map((concurrency) => ({ name: `${kind} c=${String(concurrency)}`, kind, concurrency, ms }));
}

/** What is measured of SDK and bare transport once more, in short passes that alternate: a small difference wants many comparisons. */
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
