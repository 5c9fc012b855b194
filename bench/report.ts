import { aimsTable } from "./aims.js";
import { absolute, comparisonTable, concurrencyOf, estimateOf, field, figure, inScenario } from "./comparison.js";
import { kilobytes, megabytes, ratio, ratioOf, ratioText, scenarioTitle } from "./comparison.js";
import { sdkShareTable, spreadLine, table } from "./comparison.js";
import { fakeSection } from "./fake.js";
import { baseline, sdkPairs, subjectGroups, type SubjectName } from "./plan.js";
import type { Measured, Results, Round } from "./protocol.js";
import { busySection, largeSection, tlsSection, v3Section } from "./sections.js";

/** All results as Markdown, with charts in Mermaid. */
export function report(results: Results): string {
  const { rounds } = results;
  return (
    [
      "# How fast it is",
      `Written by \`npm run bench\`. ${results.environment}`,
      "Ratios to hand-written `node:http` with a keep-alive agent (1.00) in the same round; medians over the rounds. ≈ stands before a ratio that cannot be told from 1: the rounds differ too much (95 % bounds of the median). Every subject runs in its own process. The absolute figures belong to one machine; only the ratios can be compared with other machines. The bare transports do what the SDK cannot do without (a `URL`, timeouts, a signal, `JSON.parse`) and nothing else.",
      "## Aims",
      aimsTable(results),
      "## In short",
      shortTable(results),
      ...loadSection(rounds, "get", "GET of a small key", [
        ["rate", "get c=16", "perSecond"],
        ["rate", "get c=128", "perSecond"],
        ["CPU per operation (lower is better)", "get c=16", "cpuPerOperation"],
      ]),
      ...loadSection(rounds, "put", "PUT of a small key", [["rate", "put c=16", "perSecond"]]),
      ...loadSection(rounds, "list", "Recursive GET of 1,000 keys"),
      ...largeSection(results),
      ...watchSection(rounds),
      ...busySection(rounds),
      ...shareSection(rounds),
      ...idleSection(results),
      ...tlsSection(rounds),
      ...v3Section(rounds),
      ...otherNodesSection(results),
      ...startSection(results),
      ...fakeSection(results.fake),
    ].join("\n\n") + "\n"
  );
}

/** The figures that README.md and the guide on transports show. */
export function shortTable({ environment, rounds, idle }: Results): string {
  const subjects = ["etcd2 on got", "etcd2 on undici", "node-etcd 7", "etcdjs 2", "Go's client"] as const;
  const row = (what: string, better: string, scenario: string, name: keyof Measured): readonly string[] => [
    what,
    better,
    ...subjects.map((subject) => ratioText(ratioOf(inScenario(rounds, scenario), subject, baseline, field(name)))),
  ];
  const memory = (subject: SubjectName): string => kilobytes(absolute(idle, subject, (each) => each.rss));
  const rows = [
    row("GET, 16 at once", "higher", "get c=16", "perSecond"),
    row("GET, 128 at once", "higher", "get c=128", "perSecond"),
    row("PUT, 16 at once", "higher", "put c=16", "perSecond"),
    row("CPU per GET, 16 at once", "lower", "get c=16", "cpuPerOperation"),
    row("recursive GET of 1,000 keys", "higher", "list c=16", "perSecond"),
    row("time from a write to 1,000 watchers of one key", "lower", "watch c=1000", "p50"),
    [`memory of an idle watcher in kB (node:http: ${memory(baseline)})`, "lower", ...subjects.map(memory)],
  ];
  return [
    `Relative to hand-written \`node:http\`, in the same run. ${environment}`,
    table(["", "better", ...subjects], rows),
  ].join("\n\n");
}

/** A chart of ratios to the baseline. */
type LoadChart = readonly [what: string, scenario: string, name: keyof Measured];

function loadSection(
  rounds: readonly Round[],
  kind: string,
  title: string,
  charts: readonly LoadChart[] = [],
): readonly string[] {
  const scenarios = scenariosOf(rounds, kind);
  const rate = (scenario: string): string =>
    `${concurrencyOf(scenario)}: ${Math.round(absolute(inScenario(rounds, scenario), baseline, field("perSecond"))).toLocaleString("en")}/s`;
  return [
    `## ${title}`,
    ...charts.flatMap(([what, scenario, name]) =>
      chart(
        `${scenarioTitle(scenario)}: ${what} relative to ${baseline}`,
        barsOf(users, 2, (subject) => ratio(inScenario(rounds, scenario), subject, baseline, field(name))),
      ),
    ),
    comparisonTable(
      rounds,
      scenarios,
      [
        ["rate", "perSecond"],
        ["CPU/op", "cpuPerOperation"],
      ],
      { rss: true },
    ),
    [...spreadLine(rounds, scenarios, "perSecond"), `${baseline} itself: ${scenarios.map(rate).join(", ")}.`].join(" "),
    comparisonTable(rounds, scenarios, [
      ["p50", "p50"],
      ["p99", "p99"],
    ]),
  ];
}

function watchSection(rounds: readonly Round[]): readonly string[] {
  const scenarios = scenariosOf(rounds, "watch");
  const p50 = (scenario: string): string =>
    `${concurrencyOf(scenario)}: ${figure(absolute(inScenario(rounds, scenario), baseline, field("p50")) / 1_000, 2)} ms`;
  return [
    "## Watch turnaround",
    "The time from a PUT in another process to the event in this one; c is the number of watchers of the same key. CPU is per event at one watcher.",
    ...chart(
      "From a PUT to its event at 1,000 watchers of the key: p50 in ms (lower is better)",
      barsOf(everybody, 1, (subject) => absolute(inScenario(rounds, "watch c=1000"), subject, field("p50")) / 1_000),
    ),
    comparisonTable(rounds, scenarios, [
      ["p50", "p50"],
      ["p99", "p99"],
    ]),
    [...spreadLine(rounds, scenarios, "p50"), `p50 of ${baseline} itself: ${scenarios.map(p50).join(", ")}.`].join(" "),
    comparisonTable(rounds, scenarios, [["CPU/event", "cpuPerOperation"]], { rss: true }),
  ];
}

function shareSection(rounds: readonly Round[]): readonly string[] {
  return [
    "## What the SDK adds to its transport",
    'CPU per operation above the bare transport\'s, measured in alternating passes: it pays for the checks, the endpoints, and the decoding into typed and checked responses. "with a signal": what one long-lived `AbortSignal`, passed to each call, adds to that.',
    sdkShareTable(rounds, [...scenariosOf(rounds, "get"), ...scenariosOf(rounds, "put")]),
  ];
}

function idleSection({ idle, idleWatchers }: Results): readonly string[] {
  const measured = everybody.filter((name) => idle.some(({ subject }) => subject === name));
  return [
    `## ${idleWatchers.toLocaleString("en")} idle watchers in one process`,
    ...chart(
      "RSS of one idle watcher in kB (lower is better)",
      barsOf(everybody, 1, (subject) => absolute(idle, subject, (row) => row.rss) / 1024),
    ),
    table(
      ["", "RSS each, kB", "heap each, kB", "closing all, ms"],
      measured.map((name) => [
        name,
        kilobytes(absolute(idle, name, (row) => row.rss)),
        kilobytes(absolute(idle, name, (row) => row.heap)),
        figure(
          absolute(idle, name, (row) => row.closeMs),
          0,
        ),
      ]),
    ),
  ];
}

function otherNodesSection({ otherNodes }: Results): readonly string[] {
  if (otherNodes.length === 0) return [];
  return [
    `## On Node ${otherNodes.map(({ major }) => String(major)).join(" and ")}`,
    ...otherNodes.flatMap(({ major, version, problem, rounds }) => {
      if (problem !== undefined) return [`Node ${String(major)} was not available: ${problem}`];
      const scenarios = [...scenariosOf(rounds, "get"), ...scenariosOf(rounds, "put")];
      return [
        `### Node ${version ?? String(major)}`,
        comparisonTable(rounds, scenarios, [["rate", "perSecond"]], { title: scenarioTitle }),
        ...spreadLine(rounds, scenarios, "perSecond"),
        comparisonTable(rounds, scenarios, [["CPU/op", "cpuPerOperation"]], { title: scenarioTitle }),
        "CPU per operation above the bare transport's:",
        sdkShareTable(rounds, scenarios),
      ];
    }),
  ];
}

function startSection({ imports, sizes }: Results): readonly string[] {
  return [
    "## Start and size",
    "In a process that has just started, above bare Node:",
    table(
      ["", "import, ms", "import and first GET, ms"],
      imports.map(({ name, importMs, firstGetMs }) => [
        name,
        figure(estimateOf(importMs).value, 1),
        figure(estimateOf(firstGetMs).value, 0),
      ]),
    ),
    "Installed, dependencies included:",
    table(
      ["", "packages", "MB"],
      sizes.map(({ name, packages, bytes }) => [name, String(packages), megabytes(bytes)]),
    ),
  ];
}

function scenariosOf(rounds: readonly Round[], kind: string): readonly string[] {
  return [...new Set(rounds.map(({ scenario }) => scenario))].filter((scenario) => scenario.startsWith(`${kind} `));
}

const everybody: readonly SubjectName[] = subjectGroups.flat();
/** The subjects that are clients; the bare transports are not. */
const users = everybody.filter((subject) => !sdkPairs.some(({ bare }) => bare === subject));

type Bar = readonly [name: string, value: string];

/** Bars of the subjects that were measured. */
function barsOf(
  subjects: readonly SubjectName[],
  digits: number,
  of: (subject: SubjectName) => number,
): readonly Bar[] {
  return subjects
    .map((subject) => [subject, of(subject)] as const)
    .filter(([, value]) => !Number.isNaN(value))
    .map(([subject, value]) => [subject, value.toFixed(digits)]);
}

/** A bar chart in Mermaid, with each value in the name of its bar. Nothing when nothing was measured. */
function chart(title: string, bars: readonly Bar[]): readonly string[] {
  if (bars.length === 0) return [];
  return [
    [
      "```mermaid",
      "xychart-beta horizontal",
      `    title "${title}"`,
      `    x-axis [${bars.map(([name, value]) => `"${name}: ${value}"`).join(", ")}]`,
      `    y-axis 0 --> ${String(Math.max(...bars.map(([, value]) => Number(value))))}`,
      `    bar [${bars.map(([, value]) => value).join(", ")}]`,
      "```",
    ].join("\n"),
  ];
}
