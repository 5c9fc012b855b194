import { baseline, protocolGroups, sdkPairs, shareOf, subjectGroups, type SubjectName } from "./plan.js";
import { withSignal, type Measured, type Round, type Taken } from "./protocol.js";

/** A median, and the bounds between which the true one lies with a probability of 95 %. NaN when there are no values. */
export interface Estimate {
  readonly value: number;
  readonly low: number;
  readonly high: number;
}

/**
 * The median of repeated measurements. The bounds are two of the values: nothing is assumed about their distribution.
 */
export function estimateOf(values: readonly number[]): Estimate {
  const sorted = values.filter((value) => !Number.isNaN(value)).toSorted((a, b) => a - b);
  const half = Math.ceil(0.98 * Math.sqrt(sorted.length));
  const middle = (sorted.length - 1) / 2;
  const at = (i: number): number => sorted[Math.max(0, Math.min(sorted.length - 1, i))] ?? NaN;
  return { value: median(sorted), low: at(Math.floor(middle) - half), high: at(Math.ceil(middle) + half) };
}

/** A subject's ratio to another one in the same round. NaN where one of the two is missing. */
export function ratioOf<T extends Taken>(
  rows: readonly T[],
  subject: string,
  base: string,
  of: (row: T) => number,
): Estimate {
  return estimateOf(ratios(rows, subject, base, of));
}

/** The median over the rounds of a subject's ratio to another one in the same round. NaN where one of the two is missing. */
export function ratio<T extends Taken>(
  rows: readonly T[],
  subject: string,
  base: string,
  of: (row: T) => number,
): number {
  return ratioOf(rows, subject, base, of).value;
}

function ratios<T extends Taken>(
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

/** The median of the figure itself over the rounds. NaN where the subject was not measured. */
export function absolute<T extends Taken>(rows: readonly T[], subject: string, of: (row: T) => number): number {
  return median(rows.filter((row) => row.subject === subject).map(of));
}

/** The rounds of one scenario. */
export function inScenario(rounds: readonly Round[], scenario: string): readonly Round[] {
  return rounds.filter((round) => round.scenario === scenario);
}

/** Ratio of one subject's CPU per operation to another's. Taken from the alternating passes where there were any. */
export function cpuShare(rounds: readonly Round[], subject: string, base: string, scenario: string): Estimate {
  const passes = inScenario(rounds, shareOf(scenario));
  return ratioOf(passes.length > 0 ? passes : inScenario(rounds, scenario), subject, base, field("cpuPerOperation"));
}

/** Reads one figure of a round. */
export function field(name: keyof Measured): (round: Round) => number {
  return ({ measured }) => measured[name];
}

/** Half of the values differ from their median by at most this fraction of it. */
function spread(values: readonly number[]): number {
  const middle = median(values);
  return median(values.map((value) => Math.abs(value - middle))) / middle;
}

/** NaN when there are no values. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  const upper = sorted[middle] ?? NaN;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? NaN) + upper) / 2;
}

/** A Markdown table. The first column is text; the others are figures unless `align` is "text". */
export function table(
  head: readonly string[],
  rows: readonly (readonly string[])[],
  align: "figures" | "text" = "figures",
): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(" | ")} |`;
  return [line(head), line(head.map((_, i) => (i === 0 || align === "text" ? "---" : "---:"))), ...rows.map(line)].join(
    "\n",
  );
}

/** The value with that many decimals; a dash when it was not measured. */
export function figure(value: number, digits: number): string {
  return Number.isNaN(value) ? "–" : value.toFixed(digits);
}

/** How far a ratio is above 1, in percent. */
export function percentAbove(value: number, digits: number): string {
  if (Number.isNaN(value)) return "–";
  return `${value >= 1 ? "+" : ""}${((value - 1) * 100).toFixed(digits)} %`;
}

/** Bytes as kB. */
export function kilobytes(bytes: number): string {
  return figure(bytes / 1024, 1);
}

/** Bytes as MB. */
export function megabytes(bytes: number): string {
  return figure(bytes / 2 ** 20, 1);
}

/** Turns "get c=16" into "GET c=16". */
export function scenarioTitle(scenario: string): string {
  return scenario.replace(/^\S+/, (kind) => kind.toUpperCase());
}

/** Titles of columns, and the figure that each shows. */
type Columns = readonly (readonly [title: string, name: keyof Measured])[];

/** Ratios to the baseline, one row per subject. With `rss` the last column is the memory in the last scenario the subject took part in. */
export function comparisonTable(
  rounds: readonly Round[],
  scenarios: readonly string[],
  columns: Columns,
  options: {
    readonly rss?: boolean;
    readonly title?: (scenario: string) => string;
    /** What the ratios are relative to. @default the baseline */
    readonly base?: SubjectName;
  } = {},
): string {
  const { rss = false, title = concurrencyOf, base = baseline } = options;
  const cells = scenarios.flatMap((scenario) =>
    columns.map(([what, name]) => ({
      head: `${what} ${title(scenario)}`,
      rows: inScenario(rounds, scenario),
      of: field(name),
    })),
  );
  return table(
    ["", ...cells.map(({ head }) => head), ...(rss ? ["RSS, MB"] : [])],
    subjectsOf(rounds.filter(({ scenario }) => scenarios.includes(scenario))).map((subject) => {
      const last =
        scenarios.findLast((scenario) => inScenario(rounds, scenario).some((round) => round.subject === subject)) ?? "";
      return [
        subject,
        ...cells.map(({ rows, of }) => ratioText(ratioOf(rows, subject, base, of))),
        ...(rss ? [megabytes(absolute(inScenario(rounds, last), subject, field("rss")))] : []),
      ];
    }),
  );
}

/** A sentence on how far the rounds agree; empty when there are fewer than three. */
export function spreadLine(
  rounds: readonly Round[],
  scenarios: readonly string[],
  name: keyof Measured,
): readonly string[] {
  if (new Set(rounds.map(({ round }) => round)).size < 3) return [];
  const spreads = scenarios
    .flatMap((scenario) =>
      subjectsOf(rounds)
        .filter((subject) => subject !== baseline)
        .map((subject) => spread(ratios(inScenario(rounds, scenario), subject, baseline, field(name)))),
    )
    .filter((value) => !Number.isNaN(value));
  const percent = (value: number): string => `±${(value * 100).toFixed(0)} %`;
  return [
    `Half of the rounds gave ratios within ${percent(median(spreads))} of the ones shown, within ${percent(Math.max(...spreads))} where they differed most.`,
  ];
}

/** How far the SDK's CPU per operation is above its bare transport's, and what one signal for all calls adds to that. */
export function sdkShareTable(rounds: readonly Round[], scenarios: readonly string[]): string {
  const row = (title: string, subject: string, base: string): readonly string[] => [
    title,
    ...scenarios.map((scenario) => {
      const { value, low, high } = cpuShare(rounds, subject, base, scenario);
      const isClear = low > 1 === high > 1;
      return `${isClear ? "" : "≈ "}${percentAbove(value, 0)}`;
    }),
  ];
  return table(
    ["", ...scenarios.map(scenarioTitle)],
    sdkPairs.flatMap(({ sdk, bare }) => [row(sdk, sdk, bare), row(`${sdk}: with a signal`, sdk + withSignal, sdk)]),
  );
}

/** The name of a figure in a table: "≈" before a ratio that the machine cannot tell from 1. */
export function ratioText({ value, low, high }: Estimate): string {
  return `${value !== 1 && low <= 1 && high >= 1 ? "≈ " : ""}${figure(value, 2)}`;
}

/** Turns "get c=16" into "c=16". */
export function concurrencyOf(scenario: string): string {
  return scenario.replace(/^\S+ /, "");
}

function subjectsOf(rounds: readonly Round[]): readonly SubjectName[] {
  const measured = new Set(rounds.map(({ subject }) => subject));
  return [...new Set<SubjectName>([...subjectGroups.flat(), ...protocolGroups.flat()])].filter((subject) =>
    measured.has(subject),
  );
}

/** A figure of the report, with what it says. */
export interface Figure {
  readonly label: string;
  readonly estimate: Estimate;
  readonly text: string;
}

/** The ratio of a figure of two subjects. */
export function ratioFigure(
  label: string,
  rounds: readonly Round[],
  subject: string,
  base: string,
  name: keyof Measured,
): Figure {
  const estimate = ratioOf(rounds, subject, base, field(name));
  return { label, estimate, text: figure(estimate.value, 2) };
}
