import { absolute, cpuShare, field, inScenario, median, ratio, ratios, spread } from "./comparison.js";
import { figure, megabytes, percentAbove, scenarioTitle, table } from "./markdown.js";
import type { Measured } from "./protocol.js";
import { withSignal, type Round } from "./results.js";
import { baseline, sdkPairs, subjectGroups } from "./subject-names.js";

/** Titles of columns, and what is in them. */
type Columns = readonly (readonly [title: string, name: keyof Measured])[];

/** Ratios to the baseline, one row for each subject; with `rss`, also the memory in the last scenario that it took part in. */
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

/** How far the rounds agree, as a sentence; nothing where there are too few of them. */
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

/** CPU per operation of the SDK above that of its transport alone. */
export function sdkShareTable(rounds: readonly Round[], scenarios: readonly string[]): string {
  return table(
    ["", ...scenarios.map(scenarioTitle)],
    sdkPairs.map((pair) => [
      pair.sdk,
      ...scenarios.map((scenario) => percentAbove(cpuShare(rounds, pair, scenario), 0)),
    ]),
  );
}

/** What a signal of the caller's costs, above the same call without one. */
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

/** "c=16" of "get c=16". */
function concurrencyOf(scenario: string): string {
  return scenario.replace(/^\S+ /, "");
}

function subjectsOf(rounds: readonly Round[]): readonly string[] {
  const measured = new Set(rounds.map(({ subject }) => subject));
  return subjectGroups.flat().filter((subject) => measured.has(subject));
}
