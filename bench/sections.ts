import { absolute, comparisonTable, estimateOf, field, figure, inScenario, ratioText, table } from "./comparison.js";
import { clientGroups } from "./plan.js";
import type { Followed, Results, Round } from "./protocol.js";

/** What happens while a directory takes 2,500 writes a second. */
export function busySection(rounds: readonly Round[]): readonly string[] {
  const rows = (["busy follow", "busy mirror"] as const).flatMap((scenario) =>
    clientGroups.flat().flatMap((subject) => {
      const of = inScenario(rounds, scenario).filter((round) => round.subject === subject);
      if (of.length === 0) return [];
      const value = (name: keyof Followed): number => estimateOf(of.map(({ measured }) => measured[name] ?? NaN)).value;
      return [
        [
          scenario === "busy mirror" ? `${subject}, \`Mirror\`` : `${subject}, watcher`,
          Math.round(value("perSecond")).toLocaleString("en"),
          figure(value("cpuPerOperation"), 0),
          figure(value("p50") / 1_000, 2),
          figure(value("p99") / 1_000, 2),
          figure(value("cleared"), 0),
          figure(value("lists"), 0),
        ],
      ];
    }),
  );
  return [
    "## A directory that takes 2,500 writes a second",
    "One recursive watch, one poll per event; latency from the write to the event. When etcd's history of 1,000 events runs out, the watcher begins again, and the mirror reads again.",
    table(["", "events/s", "CPU per event, µs", "p50, ms", "p99, ms", "history ran out", "lists"], rows),
  ];
}

/** The large directory, and what decoding costs. */
export function largeSection({ rounds, decoded }: Results): readonly string[] {
  const scenario = "large list c=1";
  const of = inScenario(rounds, scenario);
  const keys = (decoded.at(-1)?.keys ?? 0).toLocaleString("en");
  const per = (values: readonly number[], digits: number): string => figure(estimateOf(values).value, digits);
  return [
    `## Recursive GET of ${keys} keys`,
    table(
      ["", "reads a second", "CPU per read, ms"],
      clientGroups
        .flat()
        .map((subject) => [
          subject,
          figure(absolute(of, subject, field("perSecond")), 2),
          figure(absolute(of, subject, field("cpuPerOperation")) / 1_000, 0),
        ]),
    ),
    "Decoding a body of as many keys, and `JSON.parse` of the same body, in turns: CPU, and how long the event loop stood still during a read over the network.",
    table(
      ["keys", "`JSON.parse`, µs CPU", "decoding, µs CPU", "ratio", "`JSON.parse`, ms", "event loop stood still, ms"],
      decoded.map((body) => [
        body.keys.toLocaleString("en"),
        per(body.parseCpu, 0),
        per(body.decodeCpu, 0),
        ratioText(estimateOf(body.decodeCpu.map((cpu, i) => cpu / (body.parseCpu[i] ?? NaN)))),
        per(body.parseMs, 1),
        per(body.stallMs, 1),
      ]),
    ),
  ];
}

/** The SDK over TLS, beside Go. */
export function tlsSection(rounds: readonly Round[]): readonly string[] {
  const scenarios = ["tls get c=16", "tls get c=128", "tls connect c=16"];
  const [base, title] = ["Go's client", (scenario: string): string => scenario.replace("tls ", "")] as const;
  return [
    "## TLS",
    'One member with certificates; each "connect" is a GET on a new connection of a new client. Relative to Go\'s client.',
    comparisonTable(ofScenarios(rounds, scenarios), scenarios, [["rate", "perSecond"]], { base, title }),
    `Go's client itself: ${scenarios.map((scenario) => `${title(scenario)}: ${figure(absolute(inScenario(rounds, scenario), base, field("perSecond")), 0)}/s`).join(", ")}.`,
  ];
}

/** The SDK over v3, beside itself over v2. */
export function v3Section(rounds: readonly Round[]): readonly string[] {
  const scenarios = ["v3 get c=16", "v3 put c=16", "v3 ttl c=16", "v3 watch below, c=1000"];
  const [loads, watches] = [scenarios.slice(0, 3), scenarios.slice(3)];
  const [base, title] = ["etcd2 on got", (scenario: string): string => scenario.replace("v3 ", "")] as const;
  const of = ofScenarios(rounds, scenarios);
  return [
    "## v3 beside v2",
    'The same server, through `v3Protocol()`, relative to v2; "ttl" is a set with a TTL, and the last columns are the time from a write below a directory to its 1,000 watchers.',
    comparisonTable(
      of,
      loads,
      [
        ["rate", "perSecond"],
        ["CPU/op", "cpuPerOperation"],
      ],
      { base, title },
    ),
    comparisonTable(
      of,
      watches,
      [
        ["p50", "p50"],
        ["CPU/event", "cpuPerOperation"],
      ],
      { base, title },
    ),
  ];
}

function ofScenarios(rounds: readonly Round[], scenarios: readonly string[]): readonly Round[] {
  return rounds.filter(({ scenario }) => scenarios.includes(scenario));
}
