import { shareOf } from "./plan.js";
import type { Measured } from "./protocol.js";
import type { Round, Taken } from "./results.js";
import type { sdkPairs } from "./subject-names.js";

/** How one subject compares with another: each ratio within a round, then the median over the rounds. NaN where one of them is missing. */
export function ratio<T extends Taken>(
  rows: readonly T[],
  subject: string,
  base: string,
  of: (row: T) => number,
): number {
  return median(ratios(rows, subject, base, of));
}

export function ratios<T extends Taken>(
  rows: readonly T[],
  subject: string,
  base: string,
  of: (row: T) => number,
): readonly number[] {
  const bases = new Map(rows.filter((row) => row.subject === base).map((row) => [row.round, of(row)]));
  return rows
    .filter((row) => row.subject === subject && bases.has(row.round))
    .map((row) => of(row) / (bases.get(row.round) ?? NaN));
}

/** The figure itself, its median over the rounds. */
export function absolute<T extends Taken>(rows: readonly T[], subject: string, of: (row: T) => number): number {
  return median(rows.filter((row) => row.subject === subject).map(of));
}

export function inScenario(rounds: readonly Round[], scenario: string): readonly Round[] {
  return rounds.filter((round) => round.scenario === scenario);
}

/** CPU per operation of the SDK, in terms of its bare transport's: of the passes that alternate, where there were any. */
export function cpuShare(rounds: readonly Round[], { sdk, bare }: (typeof sdkPairs)[number], scenario: string): number {
  const passes = inScenario(rounds, shareOf(scenario));
  return ratio(passes.length > 0 ? passes : inScenario(rounds, scenario), sdk, bare, field("cpuPerOperation"));
}

export function field(name: keyof Measured): (round: Round) => number {
  return ({ measured }) => measured[name];
}

/** Half of the values are no further from their median than this part of it. */
export function spread(values: readonly number[]): number {
  const middle = median(values);
  return median(values.map((value) => Math.abs(value - middle))) / middle;
}

/** NaN of none. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  const upper = sorted[middle] ?? NaN;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? NaN) + upper) / 2;
}
