import { barChart } from "./chart.js";
import { absolute, field, inScenario, ratio } from "./comparison.js";
import type { Measured } from "./protocol.js";
import type { Results } from "./results.js";
import { baseline, sdkPairs, subjectGroups, type SubjectName } from "./subject-names.js";

/** The charts by their file names. */
export function charts(results: Results): ReadonlyMap<string, string> {
  const comparison = (title: string, what: string, scenario: string, name: keyof Measured): string => {
    const rows = inScenario(results.rounds, scenario);
    const bars = barsOf(users, (subject) => ratio(rows, subject, baseline, field(name)));
    return barChart({ title, subtitle: `${what}; hand-written node:http = 1.00`, bars, digits: 2 });
  };
  const watched = inScenario(results.rounds, "watch c=1000");
  return new Map([
    ["get.svg", comparison("GET of a small key, 16 at once", "operations per second", "get c=16", "perSecond")],
    ["put.svg", comparison("PUT of a small key, 16 at once", "operations per second", "put c=16", "perSecond")],
    ["get-128.svg", comparison("GET of a small key, 128 at once", "operations per second", "get c=128", "perSecond")],
    ["cpu.svg", comparison("CPU per GET, 16 at once", "lower is better", "get c=16", "cpuPerOperation")],
    [
      "memory.svg",
      barChart({
        title: `Memory of one idle watcher among ${results.idleWatchers.toLocaleString("en")}`,
        subtitle: "resident, in kB; lower is better",
        bars: barsOf(everybody, (subject) => absolute(results.idle, subject, (row) => row.rss) / 1024),
        digits: 1,
      }),
    ],
    [
      "turnaround.svg",
      barChart({
        title: "From a PUT to its event at 1,000 watchers of the key",
        subtitle: "median, in ms; lower is better",
        bars: barsOf(everybody, (subject) => absolute(watched, subject, field("p50")) / 1_000),
        digits: 1,
      }),
    ],
  ]);
}

const everybody: readonly SubjectName[] = subjectGroups.flat();
/** Without the bare transports, which nobody uses as they are. */
const users = everybody.filter((subject) => !sdkPairs.some(({ bare }) => bare === subject));

/** Of whom was measured. */
function barsOf(
  subjects: readonly SubjectName[],
  of: (subject: SubjectName) => number,
): readonly (readonly [string, number])[] {
  return subjects.map((subject) => [subject, of(subject)] as const).filter(([, value]) => !Number.isNaN(value));
}
