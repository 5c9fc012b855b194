import { ScriptError } from "../scripts/run.mjs";
import { absolute, comparisonTable, estimateOf, field, figure, inScenario, ratioText, table } from "./comparison.js";
import { clientGroups, protocolGroups, type SubjectName } from "./plan.js";
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
  const single = ["v3 get c=1", "v3 put c=1", "v3 ttl c=1", "v3 list c=1"];
  const loads = ["v3 get c=16", "v3 put c=16", "v3 ttl c=16"];
  const watches = ["v3 watch below, c=1000"];
  const scenarios = [...single, ...loads, ...watches];
  const [base, title] = ["etcd2 on got", (scenario: string): string => scenario.replace("v3 ", "")] as const;
  const of = ofScenarios(rounds, scenarios);
  return [
    "## v3 beside v2",
    'The same server, through `v3Protocol()`, relative to v2; "ttl" is a set with a TTL, "list" reads a directory, and the last columns are the time from a write below a directory to its 1,000 watchers.',
    comparisonTable(bySdk(of), single, [["p50", "p50"]], { base, title }),
    "The same requests, recorded from the SDK and sent again by hand, relative to v2's by hand: this is etcd's own share, most of it the gateway's, which translates each request and response.",
    comparisonTable(byHand(of), single, [["p50", "p50"]], { title }),
    `In ms: ${single.map((scenario) => `${title(scenario)}: ${msOf(of, scenario)}`).join("; ")}.`,
    comparisonTable(
      bySdk(of),
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

/** What each subject of the comparison by hand and by the SDK took. */
function msOf(rounds: readonly Round[], scenario: string): string {
  const of = inScenario(rounds, scenario);
  const ms = (subject: SubjectName): string => figure(absolute(of, subject, field("p50")) / 1_000, 2);
  const [[v2, v3], [v2ByHand, v3ByHand]] = protocolGroups;
  return `v2 ${ms(v2)}, by hand ${ms(v2ByHand)}, v3 ${ms(v3)}, by hand ${ms(v3ByHand)}`;
}

function bySdk(rounds: readonly Round[]): readonly Round[] {
  return rounds.filter(({ subject }) => protocolGroups[0].some((name) => name === subject));
}

function byHand(rounds: readonly Round[]): readonly Round[] {
  return rounds.filter(({ subject }) => protocolGroups[1].some((name) => name === subject));
}

function ofScenarios(rounds: readonly Round[], scenarios: readonly string[]): readonly Round[] {
  return rounds.filter(({ scenario }) => scenarios.includes(scenario));
}

/** Which row of the table a bar is for, and whether it is ours. */
const bars = [
  ["node-etcd 7", false],
  ["etcdjs 2", false],
  ["etcd2 on got", true],
  ["node:http", false],
  ["etcd2 on undici", true],
  ["Go's client", false],
] as const;

/** What the rates are relative to. */
const baseline = "node:http";

const [width, left, barHeight, gap, top] = [720, 170, 26, 12, 84] as const;

/**
 * The chart of the README: how fast a small key is read, as SVG. It has a background of its own, and follows the reader's
 * colour scheme.
 *
 * @param results the text of RESULTS.md
 */
export function speedChart(results: string): string {
  const section = results.split("\n## In short\n")[1] ?? "";
  const [, runOn = ""] = /in the same run\. (.*? cores)/.exec(section) ?? [];
  const lines = section.split("\n").map((line) => line.split("|").map((cell) => cell.trim()));
  const [names, rates] = ["better", "GET, 16 at once"].map((cell) => lines.find((cells) => cells.includes(cell)) ?? []);
  const rows = bars.map(([name, isOurs]) => {
    const value = name === baseline ? "1.00" : (rates?.[names?.indexOf(name) ?? -1] ?? "");
    if (!/^≈? ?\d+\.\d+$/.test(value)) throw new ScriptError(`bench/RESULTS.md has no rate of ${name} in short`);
    return { name, value, rate: Number(value.replace("≈", "")), isOurs };
  });
  const scale = (width - left - 80) / Math.max(...rows.map(({ rate }) => rate));
  const height = top + rows.length * (barHeight + gap) + 34;
  const drawn = rows.map(({ name, value, rate, isOurs }, i) => {
    const y = top + i * (barHeight + gap);
    const length = Math.round(rate * scale);
    return [
      `  <text x="${String(left - 12)}" y="${String(y + 18)}" text-anchor="end"${isOurs ? ' font-weight="bold"' : ""}>${name}</text>`,
      `  <rect class="${isOurs ? "ours" : "other"}" x="${String(left)}" y="${String(y)}" width="${String(length)}" height="${String(barHeight)}" rx="3"/>`,
      `  <text x="${String(left + length + 8)}" y="${String(y + 18)}">${value}</text>`,
    ].join("\n");
  });
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${String(width)} ${String(height)}" role="img" aria-labelledby="title" font-family="system-ui, sans-serif" font-size="15">
  <title id="title">GET of a small key, 16 at once: rate relative to node:http, higher is better. ${rows
    .map(({ name, value }) => `${name}: ${value}`)
    .join(", ")}</title>
  <style>
    .background { fill: #ffffff }
    text { fill: #1f2328 }
    .ours { fill: #0550ae }
    .other { fill: #59636e }
    @media (prefers-color-scheme: dark) {
      .background { fill: #0d1117 }
      text { fill: #e6edf3 }
      .ours { fill: #79c0ff }
      .other { fill: #9198a1 }
    }
  </style>
  <rect class="background" width="${String(width)}" height="${String(height)}" rx="8"/>
  <text x="24" y="34" font-size="18" font-weight="bold">Reading a small key, 16 requests at once</text>
  <text x="24" y="58">Requests per second relative to hand-written node:http (1.00). A longer bar is better.</text>
${drawn.join("\n")}
  <text x="24" y="${String(height - 14)}" font-size="13">${runOn}, etcd on the same machine; medians of the rounds of one run</text>
</svg>
`;
}
