import { baseline, sdkPairs, shareOf, subjectGroups } from "./plan.js";
import { withSignal, type Measured, type Round, type Taken } from "./protocol.js";

/** The median over the rounds of a subject's ratio to another one in the same round. NaN where one of the two is missing. */
export function ratio<T extends Taken>(
  rows: readonly T[],
  subject: string,
  base: string,
  of: (row: T) => number,
): number {
  return median(ratios(rows, subject, base, of));
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

/** Ratio of the SDK's CPU per operation to its bare transport's. Taken from the alternating passes where there were any. */
export function cpuShare(rounds: readonly Round[], { sdk, bare }: (typeof sdkPairs)[number], scenario: string): number {
  const passes = inScenario(rounds, shareOf(scenario));
  return ratio(passes.length > 0 ? passes : inScenario(rounds, scenario), sdk, bare, field("cpuPerOperation"));
}

/** Reads one figure of a round. */
export function field(name: keyof Measured): (round: Round) => number {
  return ({ measured }) => measured[name];
}

/** Half of the values differ from their median by at most this part of it. */
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
  options: { readonly rss?: boolean; readonly title?: (scenario: string) => string } = {},
): string {
  const { rss = false, title = concurrencyOf } = options;
  const cells = scenarios.flatMap((scenario) =>
    columns.map(([what, name]) => ({
      head: `${what} ${title(scenario)}`,
      rows: inScenario(rounds, scenario),
      of: field(name),
    })),
  );
  return table(
    ["", ...cells.map(({ head }) => head), ...(rss ? ["RSS, MB"] : [])],
    subjectsOf(rounds).map((subject) => {
      const last =
        scenarios.findLast((scenario) => inScenario(rounds, scenario).some((round) => round.subject === subject)) ?? "";
      return [
        subject,
        ...cells.map(({ rows, of }) => figure(ratio(rows, subject, baseline, of), 2)),
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

/** How far the SDK's CPU per operation is above its bare transport's. */
export function sdkShareTable(rounds: readonly Round[], scenarios: readonly string[]): string {
  return table(
    ["", ...scenarios.map(scenarioTitle)],
    sdkPairs.map((pair) => [
      pair.sdk,
      ...scenarios.map((scenario) => percentAbove(cpuShare(rounds, pair, scenario), 0)),
    ]),
  );
}

/** What passing a signal costs, above the same call without one. */
export function signalTable(rounds: readonly Round[], scenario: string): string {
  const rows = inScenario(rounds, scenario);
  return table(
    ["", "rate", "CPU/op"],
    sdkPairs.map(({ sdk }) => [
      sdk,
      ...(["perSecond", "cpuPerOperation"] as const).map((name) =>
        percentAbove(ratio(rows, sdk + withSignal, sdk, field(name)), 0),
      ),
    ]),
  );
}

/** Turns "get c=16" into "c=16". */
export function concurrencyOf(scenario: string): string {
  return scenario.replace(/^\S+ /, "");
}

function subjectsOf(rounds: readonly Round[]): readonly string[] {
  const measured = new Set(rounds.map(({ subject }) => subject));
  return subjectGroups.flat().filter((subject) => measured.has(subject));
}
