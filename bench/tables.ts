import type { Measured } from "./protocol.js";
import { median, type Results } from "./results.js";

const baseline = "node:http";

/** Everything as Markdown: ratios to hand-written node:http, medians over the rounds, each ratio taken within its round. */
export function tables(results: Results): string {
  const ratio = (subject: string, scenario: string, field: keyof Measured, to = baseline): number => median(ratios(results, subject, scenario, field, to));
  const subjects = [...new Set(results.rounds.map((round) => round.subject))];
  const of = (scenarios: readonly string[], columns: readonly (readonly [string, keyof Measured])[]): string =>
    table(
      ["", ...scenarios.flatMap((scenario) => columns.map(([title]) => `${title} ${scenario.split(" ")[1] ?? ""}`)), "RSS, MB"],
      subjects.map((subject) => [
        subject,
        ...scenarios.flatMap((scenario) => columns.map(([, field]) => ratio(subject, scenario, field).toFixed(2))),
        megabytes(median(values(results, subject, scenarios.at(-1) ?? "", "rss"))),
      ]),
    );
  const rateAndCpu = [
    ["rate", "perSecond"],
    ["CPU/op", "cpuPerOperation"],
  ] as const;
  const latencies = [
    ["p50", "p50"],
    ["p99", "p99"],
  ] as const;
  const baseRate = (scenario: string): string => `${scenario}: ${Math.round(median(values(results, baseline, scenario, "perSecond"))).toLocaleString("en")}/s`;
  const addedCpu = (sdk: string, bare: string): string[] => [
    sdk,
    ...["get c=1", "get c=16", "get c=128", "put c=16"].map((scenario) => percent(ratio(sdk, scenario, "cpuPerOperation", bare) - 1)),
  ];
  return [
    "# How fast it is",
    `Written by \`npm run bench\`. ${results.environment}. Ratios to hand-written \`node:http\` with a keep-alive agent (1.00) in the same round; medians over the rounds. Every subject is a process of its own; the figures are about one machine, only the ratios travel.`,
    ...(["get", "put", "list"] as const).flatMap((kind) => {
      const scenarios = [...new Set(results.rounds.map(({ scenario }) => scenario))].filter((scenario) => scenario.startsWith(kind));
      return [
        `## ${{ get: "GET of a small key", put: "PUT of a small key", list: "Recursive GET of 1,000 keys" }[kind]}`,
        of(scenarios, rateAndCpu),
        of(scenarios, latencies),
        `node:http itself: ${scenarios.map(baseRate).join(", ")}.`,
      ];
    }),
    "## Watch turnaround",
    "From a PUT by another process to the event here; c is how many watch the same key.",
    of(["watch c=1", "watch c=16"], [["p50", "p50"], ["p99", "p99"], ["CPU/event", "cpuPerOperation"]]),
    "## What the SDK adds to its transport",
    "CPU per operation above the bare transport's: the checks, the endpoints, the decoding into typed and checked answers.",
    table(["", "GET c=1", "GET c=16", "GET c=128", "PUT c=16"], [addedCpu("etcd2 on got", "got transport, bare"), addedCpu("etcd2 on undici", "undici transport, bare")]),
    `## ${results.idleWatchers.toLocaleString("en")} idle watchers in one process`,
    table(
      ["", "RSS each, kB", "heap each, kB", "closing all, ms"],
      [...results.idle].map(([name, { rss, heap, closeMs }]) => [name, kilobytes(rss), kilobytes(heap), closeMs.toFixed(0)]),
    ),
    "## Start and size",
    table(
      ["", "import, ms", "import and first GET, ms"],
      results.imports.map(({ name, importMs, firstGetMs }) => [name, importMs.toFixed(0), firstGetMs.toFixed(0)]),
    ),
    table(
      ["", "packages", "MB"],
      results.sizes.map(({ name, packages, bytes }) => [name, String(packages), megabytes(bytes)]),
    ),
    "",
  ].join("\n\n");
}

function ratios({ rounds }: Results, subject: string, scenario: string, field: keyof Measured, to: string): readonly number[] {
  const mine = rounds.filter((round) => round.scenario === scenario && round.subject === subject);
  return mine.map(({ round, measured }) => {
    const base = rounds.find((each) => each.round === round && each.scenario === scenario && each.subject === to);
    return measured[field] / (base?.measured[field] ?? NaN);
  });
}

function values({ rounds }: Results, subject: string, scenario: string, field: keyof Measured): readonly number[] {
  return rounds.filter((round) => round.scenario === scenario && round.subject === subject).map(({ measured }) => measured[field]);
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(" | ")} |`;
  return [line(head), line(head.map((_, i) => (i === 0 ? "---" : "---:"))), ...rows.map(line)].join("\n");
}

function percent(part: number): string {
  return `${part >= 0 ? "+" : ""}${(part * 100).toFixed(0)} %`;
}

function kilobytes(bytes: number): string {
  return (bytes / 1024).toFixed(1);
}

function megabytes(bytes: number): string {
  return (bytes / 2 ** 20).toFixed(1);
}
