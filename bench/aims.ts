import {
  cpuShare,
  estimateOf,
  figure,
  inScenario,
  kilobytes,
  percentAbove,
  ratioFigure,
  ratioOf,
  scenarioTitle,
  table,
  type Figure,
} from "./comparison.js";
import { sdkPairs, type SubjectName } from "./plan.js";
import { withSignal, type DecodedBody, type IdleRound, type Measured, type Results, type Round } from "./protocol.js";

/** The aims of this package, with the measured figures. */
export function aimsTable(results: Results): string {
  const aims = [
    ...onEachNode(results).flatMap(shareAims),
    ...onEachNode(results).flatMap(otherClientAims),
    ...goAims(results.rounds),
    ...listAims(results),
    ...busyAims(results.rounds),
    ...importAims(results),
    ...tlsAims(results.rounds),
    ...idleAims(results),
    ...v3Aims(results.rounds),
  ];
  return table(
    ["", "aim", "measured", "verdict"],
    aims.map(({ number, what, figures, holds }) => [
      String(number),
      what,
      figures.map(({ label, text }) => (label === "" ? text : `${label}: ${text}`)).join("; "),
      verdict(figures, holds),
    ]),
    "text",
  );
}

interface Aim {
  readonly number: number;
  readonly what: string;
  readonly figures: readonly Figure[];
  readonly holds: (value: number) => boolean;
}

/** What was measured on one version of Node. */
interface OnNode {
  readonly node: string;
  readonly rounds: readonly Round[];
}

function onEachNode({ rounds, node, otherNodes }: Results): readonly OnNode[] {
  const others = otherNodes.map(({ major, version, rounds: theirs }) => ({
    node: `Node ${version ?? String(major)}`,
    rounds: theirs,
  }));
  return [{ node: `Node ${node}`, rounds }, ...others];
}

const atC16AndC128 = ["get c=16", "put c=16", "get c=128", "put c=128"];
const atAll = ["get c=1", "put c=1", ...atC16AndC128];

function shareAims({ node, rounds }: OnNode): readonly Aim[] {
  return sdkPairs.flatMap(({ sdk, bare }) => {
    const most = sdk === "etcd2 on undici" ? 1.1 : 1.08;
    const figures = atC16AndC128.map((scenario) => {
      const estimate = cpuShare(rounds, sdk, bare, scenario);
      return { label: scenarioTitle(scenario), estimate, text: percentAbove(estimate.value, 1) };
    });
    const signals = atC16AndC128.map((scenario) => {
      const estimate = cpuShare(rounds, sdk + withSignal, sdk, scenario);
      return { label: scenarioTitle(scenario), estimate, text: percentAbove(estimate.value, 1) };
    });
    return [
      {
        number: 1,
        what: `${node}, ${sdk}: at most ${percentAbove(most, 0)} CPU per call above its bare transport`,
        figures,
        holds: (value: number) => value <= most,
      },
      {
        number: 1,
        what: `${node}, ${sdk}: one long-lived signal for all calls adds at most 3 %`,
        figures: signals,
        holds: (value: number) => value <= 1.03,
      },
    ];
  });
}

function rateAim(
  number: number,
  what: string,
  rounds: readonly Round[],
  [subject, base]: readonly [SubjectName, SubjectName],
  least: number,
  scenarios: readonly string[],
): Aim {
  const holds = (value: number): boolean => value >= least;
  const { bare } = sdkPairs.find(({ sdk }) => sdk === subject) ?? {};
  const figures = scenarios.map((scenario) => {
    const of = inScenario(rounds, scenario);
    const own = ratioFigure(scenarioTitle(scenario), of, subject, base, "perSecond");
    // what no SDK on this transport could reach
    const alone = bare && ratioFigure("", of, bare, base, "perSecond");
    const explains = alone !== undefined && !Number.isNaN(alone.estimate.value) && !holds(own.estimate.value);
    return explains ? { ...own, text: `${own.text} (bare transport ${alone.text})` } : own;
  });
  return { number, what, figures, holds };
}

function otherClientAims({ node, rounds }: OnNode): readonly Aim[] {
  return [["etcdjs 2", 1.15] as const, ["node-etcd 7", 2.5] as const].map(([base, least]) =>
    rateAim(
      2,
      `${node}, etcd2 on got: rate at least ${String(least)} × ${base}`,
      rounds,
      ["etcd2 on got", base],
      least,
      atC16AndC128,
    ),
  );
}

function goAims(rounds: readonly Round[]): readonly Aim[] {
  const pair = ["etcd2 on undici", "Go's client"] as const;
  return [rateAim(3, "etcd2 on undici: rate at least 1.05 × Go's client", rounds, pair, 1.05, atAll)];
}

function listAims({ rounds, decoded }: Results): readonly Aim[] {
  const label = ({ keys }: DecodedBody): string => `${keys.toLocaleString("en")} keys`;
  const lists = ["list c=1", "list c=16", "large list c=1"];
  return [
    {
      number: 4,
      what: "recursive GET: decoding at most 1.3 × the CPU of `JSON.parse` of the same body",
      figures: decoded.map((body) => {
        const estimate = estimateOf(body.decodeCpu.map((cpu, i) => cpu / (body.parseCpu[i] ?? NaN)));
        return { label: label(body), estimate, text: figure(estimate.value, 2) };
      }),
      holds: (value) => value <= 1.3,
    },
    ...sdkPairs.map(({ sdk }) =>
      rateAim(4, `recursive GET, ${sdk}: rate at least 1.0 × Go's client`, rounds, [sdk, "Go's client"], 1, lists),
    ),
    {
      number: 4,
      what: "recursive GET: the event loop stands still for at most 20 ms longer than `JSON.parse` takes",
      figures: decoded.map((body) => {
        const parse = estimateOf(body.parseMs).value;
        const estimate = estimateOf(body.stallMs.map((ms) => ms - parse));
        const text = `${figure(estimate.value + parse, 1)} ms beside ${figure(parse, 1)} ms`;
        return { label: label(body), estimate, text };
      }),
      holds: (value) => value <= 20,
    },
  ];
}

function busyAims(rounds: readonly Round[]): readonly Aim[] {
  const follow = inScenario(rounds, "busy follow");
  const mirrors = inScenario(rounds, "busy mirror");
  const ofSdk = (name: keyof Measured): readonly Figure[] =>
    sdkPairs.map(({ sdk }) => ratioFigure(sdk, follow, sdk, "Go's client", name));
  const perSecond = ({ measured }: Round): number =>
    (measured.lists ?? NaN) / (measured.operations / measured.perSecond);
  return [
    {
      number: 5,
      what: "watching a directory with 2,500 writes a second: events a second at least 1.0 × Go's client",
      figures: ofSdk("perSecond"),
      holds: (value) => value >= 1,
    },
    {
      number: 5,
      what: "the same: CPU per event at most 1.0 × Go's client",
      figures: ofSdk("cpuPerOperation"),
      holds: (value) => value <= 1,
    },
    {
      number: 5,
      what: "a mirror of it reads again at most once a second, and only when etcd's history ran out",
      figures: sdkPairs.map(({ sdk }) => {
        const of = mirrors.filter(({ subject }) => subject === sdk);
        const estimate = estimateOf(of.map((round) => (isExplained(round) ? perSecond(round) : Infinity)));
        return { label: sdk, estimate, text: `${figure(estimate.value, 1)} a second` };
      }),
      holds: (value) => value <= 1,
    },
  ];
}

/** Whether each list of a mirror was needed. The first one may have been needed before measuring began. */
function isExplained({ measured: { lists = NaN, cleared = NaN } }: Round): boolean {
  return lists <= cleared + 1;
}

function importAims({ imports }: Results): readonly Aim[] {
  const of = (name: string): (typeof imports)[number] | undefined => imports.find((each) => each.name === name);
  const [own, etcdjs] = [of("etcd2"), of("etcdjs 2")];
  const loaded = estimateOf(own?.importMs ?? []);
  const first = estimateOf((own?.firstGetMs ?? []).map((ms, i) => ms / (etcdjs?.firstGetMs[i] ?? NaN)));
  const ms = (each: typeof own): string => figure(estimateOf(each?.firstGetMs ?? []).value, 0);
  return [
    {
      number: 6,
      what: "importing etcd2 takes at most 6 ms above bare Node",
      figures: [{ label: "", estimate: loaded, text: `${figure(loaded.value, 1)} ms` }],
      holds: (value) => value <= 6,
    },
    {
      number: 6,
      what: "import and first GET are not slower than those of etcdjs",
      figures: [{ label: "", estimate: first, text: `${ms(own)} ms beside ${ms(etcdjs)} ms` }],
      holds: (value) => value <= 1,
    },
  ];
}

/** Requires only that the rows are there: no limit was set. */
function tlsAims(rounds: readonly Round[]): readonly Aim[] {
  const scenarios = ["tls get c=16", "tls get c=128", "tls connect c=16"];
  return sdkPairs.map(({ sdk }) => ({
    number: 7,
    what: `TLS, ${sdk}: request rate and new connections a second are measured beside Go's client`,
    figures: scenarios.map((scenario) =>
      ratioFigure(scenario.slice("tls ".length), inScenario(rounds, scenario), sdk, "Go's client", "perSecond"),
    ),
    holds: (value) => value > 0,
  }));
}

function idleAims({ idle, idleWatchers, rounds }: Results): readonly Aim[] {
  const count = idleWatchers.toLocaleString("en");
  const shared = inScenario(rounds, "watch c=1000");
  return sdkPairs.flatMap(({ sdk, bare }): readonly Aim[] => {
    const memory = (label: string, of: (row: IdleRound) => number): Figure => {
      const estimate = ratioOf(idle, sdk, bare, of);
      const each = (subject: string): string =>
        kilobytes(estimateOf(idle.filter((row) => row.subject === subject).map(of)).value);
      return { label, estimate, text: `${figure(estimate.value, 2)} (${each(sdk)} kB beside ${each(bare)} kB)` };
    };
    return [
      {
        number: 8,
        what: `${sdk}: ${count} idle watchers take at most 1.15 × the heap of its bare transport's`,
        figures: [memory("", (row) => row.heap)],
        holds: (value) => value <= 1.15,
      },
      {
        number: 8,
        what: `${sdk}: 1,000 watchers of one key see an event no later than over its bare transport (p50)`,
        figures: [ratioFigure("", shared, sdk, bare, "p50")],
        holds: (value) => value <= 1,
      },
    ];
  });
}

/** One call at a time on one machine, and how much of it etcd itself takes (V79). */
function v3Aims(rounds: readonly Round[]): readonly Aim[] {
  const mosts = { get: 3, put: 3.5, ttl: 7, list: 5 };
  return Object.entries(mosts).map(([kind, most]) => {
    const of = inScenario(rounds, `v3 ${kind} c=1`);
    const whole = ratioFigure("", of, "etcd2 through v3", "etcd2 on got", "p50");
    const byHand = ratioFigure("", of, "node:http, v3's requests", "etcd2 on got", "p50");
    return {
      number: 9,
      what: `over v3, one ${kind} at a time takes at most ${String(most)} × as long as over v2 (p50)`,
      figures: [{ ...whole, text: `${whole.text} (v3's requests by hand, without the SDK: ${byHand.text})` }],
      holds: (value) => value <= most,
    };
  });
}

function verdict(figures: readonly Figure[], holds: (value: number) => boolean): string {
  const measured = figures.filter(({ estimate }) => !Number.isNaN(estimate.value));
  if (measured.length === 0) return "not measured";
  const missed = measured.filter(({ estimate }) => !holds(estimate.value));
  const unclear = measured.filter(({ estimate: { low, high } }) => holds(low) !== holds(high));
  const names = (list: readonly Figure[]): string =>
    list.length === measured.length || measured.length === 1 ? "" : `: ${list.map(({ label }) => label).join(", ")}`;
  const result = missed.length === 0 ? "met" : `**missed**${names(missed)}`;
  return unclear.length === 0 ? result : `${result} (too close to tell${names(unclear)})`;
}
