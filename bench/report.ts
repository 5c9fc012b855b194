import { absolute, field, inScenario } from "./comparison.js";
import { aimsTable } from "./aims.js";
import { comparisonTable, sdkShareTable, signalTable, spreadLine } from "./comparison-table.js";
import { figure, kilobytes, megabytes, scenarioTitle, table } from "./markdown.js";
import type { Results, Round } from "./results.js";
import { baseline, subjectGroups } from "./subject-names.js";

/** Everything as Markdown. */
export function report(results: Results): string {
  return (
    [
      "# How fast it is",
      `Written by \`npm run bench\`. ${results.environment}`,
      "Ratios to hand-written `node:http` with a keep-alive agent (1.00) in the same round; medians over the rounds. Every subject is a process of its own; the figures are about one machine, only the ratios travel. The bare transports do what the SDK must too (a `URL`, limits, a signal, `JSON.parse`) and nothing else.",
      "## What was aimed at",
      aimsTable(results),
      ...loadSection(results.rounds, "get", "GET of a small key"),
      ...loadSection(results.rounds, "put", "PUT of a small key"),
      ...loadSection(results.rounds, "list", "Recursive GET of 1,000 keys"),
      ...watchSection(results.rounds),
      ...shareSection(results.rounds),
      ...idleSection(results),
      ...otherNodesSection(results),
      ...startSection(results),
    ].join("\n\n") + "\n"
  );
}

function loadSection(rounds: readonly Round[], kind: string, title: string): readonly string[] {
  const scenarios = scenariosOf(rounds, kind);
  const rate = (scenario: string): string =>
    `${scenario.replace(/^\S+ /, "")}: ${Math.round(absolute(inScenario(rounds, scenario), baseline, field("perSecond"))).toLocaleString("en")}/s`;
  return [
    `## ${title}`,
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
    `${scenario.replace(/^\S+ /, "")}: ${figure(absolute(inScenario(rounds, scenario), baseline, field("p50")) / 1_000, 2)} ms`;
  return [
    "## Watch turnaround",
    "From a PUT by another process to the event here; c is how many watch the same key. CPU is per event at one watcher.",
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
    "CPU per operation above the bare transport's, measured in passes that alternate: the checks, the endpoints, the decoding into typed and checked answers.",
    sdkShareTable(rounds, [...scenariosOf(rounds, "get"), ...scenariosOf(rounds, "put")]),
    ...scenariosOf(rounds, "signal").flatMap((scenario) => [
      `What one long-lived \`AbortSignal\`, given to each call, adds to that (${scenario.replace("signal", "GET")}):`,
      signalTable(rounds, scenario),
    ]),
  ];
}

function idleSection({ idle, idleWatchers }: Results): readonly string[] {
  const measured = subjectGroups.flat().filter((name) => idle.some(({ subject }) => subject === name));
  return [
    `## ${idleWatchers.toLocaleString("en")} idle watchers in one process`,
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
      if (problem !== undefined) return [`Node ${String(major)} was not to be had: ${problem}`];
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
      imports.map(({ name, importMs, firstGetMs }) => [name, figure(importMs, 1), figure(firstGetMs, 0)]),
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
