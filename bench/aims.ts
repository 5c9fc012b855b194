import { absolute, cpuShare, field, figure, inScenario, kilobytes } from "./comparison.js";
import { percentAbove, ratio, scenarioTitle, table } from "./comparison.js";
import { baseline, sdkPairs, type SubjectName } from "./plan.js";
import type { IdleRound, Results } from "./protocol.js";

/** The aims of this package beside what was measured. */
export function aimsTable(results: Results): string {
  const rows = [...rateAims(results), ...shareAims(results), ...watcherAims(results), importAim(results)];
  return table(
    ["aim", "measured", ""],
    rows.map(({ what, figures, holds }) => [what, figures.map(({ text }) => text).join(", "), verdict(figures, holds)]),
    "text",
  );
}

interface Aim {
  readonly what: string;
  readonly figures: readonly Figure[];
  readonly holds: (value: number) => boolean;
}

interface Figure {
  readonly label: string;
  /** NaN when it was not measured. */
  readonly value: number;
  readonly text: string;
}

const atC16 = ["get c=16", "put c=16"];
const atC16AndC128 = [...atC16, "get c=128", "put c=128"];

function rateAims({ rounds }: Results): readonly Aim[] {
  const rate = (subject: SubjectName, least: number, base: SubjectName, scenarios: readonly string[]): Aim => ({
    what: `${subject}: rate at least ${least.toFixed(1)} × ${base}`,
    figures: scenarios.map((scenario) => {
      const value = ratio(inScenario(rounds, scenario), subject, base, field("perSecond"));
      return { label: scenarioTitle(scenario), value, text: `${scenarioTitle(scenario)}: ${figure(value, 2)}` };
    }),
    holds: (value) => value >= least,
  });
  return [
    rate("etcd2 on got", 1.1, "etcdjs 2", atC16AndC128),
    rate("etcd2 on got", 2.5, "node-etcd 7", atC16AndC128),
    rate("etcd2 on got", 0.5, baseline, atC16AndC128),
    rate("etcd2 on undici", 1, "Go's client", atC16),
    rate("etcd2 on undici", 1.6, baseline, atC16AndC128),
  ];
}

function shareAims({ rounds }: Results): readonly Aim[] {
  return sdkPairs.map((pair) => ({
    what: `${pair.sdk}: at most 15 % more CPU per operation than its bare transport`,
    figures: atC16AndC128.map((scenario) => {
      const value = cpuShare(rounds, pair, scenario);
      return { label: scenarioTitle(scenario), value, text: `${scenarioTitle(scenario)}: ${percentAbove(value, 1)}` };
    }),
    holds: (value) => value <= 1.15,
  }));
}

function watcherAims({ rounds, idle, idleWatchers }: Results): readonly Aim[] {
  const count = idleWatchers.toLocaleString("en");
  return sdkPairs.flatMap(({ sdk, bare }): readonly Aim[] => {
    const memory = (label: string, of: (row: IdleRound) => number): Figure => {
      const value = ratio(idle, sdk, bare, of);
      return {
        label,
        value,
        text: `${label}: ${figure(value, 2)} (${kilobytes(absolute(idle, sdk, of))} kB beside ${kilobytes(absolute(idle, bare, of))} kB)`,
      };
    };
    const closeMs = absolute(idle, sdk, (row) => row.closeMs);
    const shared = inScenario(rounds, "watch c=1000");
    const [ms, bareMs] = [sdk, bare].map((subject) => figure(absolute(shared, subject, field("p50")) / 1_000, 1));
    return [
      {
        what: `${sdk}: ${count} idle watchers take at most 1.3 × the memory of its bare transport's`,
        figures: [memory("RSS", (row) => row.rss), memory("heap", (row) => row.heap)],
        holds: (value) => value <= 1.3,
      },
      {
        what: `${sdk}: they are all closed in less than 2 s`,
        figures: [{ label: "", value: closeMs, text: `${figure(closeMs / 1_000, 2)} s` }],
        holds: (value) => value < 2_000,
      },
      {
        what: `${sdk}: 1,000 watchers of one key see an event no later than over its bare transport (p50)`,
        figures: [
          {
            label: "",
            value: ratio(shared, sdk, bare, field("p50")),
            text: `${ms ?? "–"} ms beside ${bareMs ?? "–"} ms`,
          },
        ],
        holds: (value) => value <= 1,
      },
    ];
  });
}

function importAim({ imports }: Results): Aim {
  const value = imports.find(({ name }) => name === "etcd2")?.importMs ?? NaN;
  return {
    what: "importing etcd2 takes at most 10 ms above bare Node",
    figures: [{ label: "", value, text: `${figure(value, 1)} ms` }],
    holds: (ms) => ms <= 10,
  };
}

function verdict(figures: readonly Figure[], holds: (value: number) => boolean): string {
  const measured = figures.filter(({ value }) => !Number.isNaN(value));
  const missed = measured.filter(({ value }) => !holds(value));
  if (measured.length === 0) return "not measured";
  if (missed.length === 0) return "met";
  return missed.length === measured.length
    ? "**missed**"
    : `**missed**: ${missed.map(({ label }) => label).join(", ")}`;
}
