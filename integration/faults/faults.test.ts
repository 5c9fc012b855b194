import test, { type TestContext } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { Client, KeysAPI } from "../../src/core/index.js";
import { PeerNetwork } from "../../src/test-kit/peer-network.js";
import { Random } from "../../src/test-kit/random.js";
import { TcpProxy } from "../../src/test-kit/tcp-proxy.js";
import { until } from "../../src/test-kit/waiting.js";
import { fastCluster } from "../fast-cluster.js";
import { timeViolations } from "../histories/call-times.js";
import { mirrorViolations } from "../histories/epochs.js";
import {
  isWrite,
  queueViolations,
  registersOf,
  registerViolations,
  watcherViolations,
  writeViolations,
  type FinalNode,
  type KeyEvent,
  type LoadRecord,
} from "../histories/fault-history.js";
import { undoneViolations } from "../histories/overwrites.js";
import {
  allWell,
  callsLine,
  checksOf,
  dir,
  endOf,
  errorsIn,
  filesOf,
  hasEnded,
  limits,
  repeatedBy,
  seed,
  startLoad,
  suiteSeconds,
  untilEnd,
} from "./field.js";
import { Nemesis } from "./nemesis.js";
import { Observer } from "./observer.js";

const seconds = suiteSeconds / 2;

test(`faults: nothing is lost or doubled in ${String(seconds)} s of faults (${repeatedBy})`, async (t) => {
  const said: string[] = [];
  const run = await runFaults(t, (line) => said.push(line));
  const { load, events, final } = run;
  const { calls } = load;
  const beforeEnd = untilEnd(events);
  for (const line of summaryOf(run)) t.diagnostic(line);

  const check = checksOf(t, { said, ...run });
  await check("every kind of fault occurred, and work was done in between", () => [
    ...(calls.filter(({ result, kind }) => result === "acknowledged" && kind !== "list").length < 5 * seconds
      ? ["too few calls were acknowledged: the rest proves little"]
      : []),
    ...(["unknown", "notApplied", "refused"] as const)
      .filter((result) => !calls.some((call) => call.result === result && isWrite(call)))
      .map((result) => `no write was ${result}`),
  ]);
  await check("every call settled with a response, or with an error that has its outcome", () =>
    calls.filter(({ result }) => result === "odd").map((call) => JSON.stringify(call)),
  );
  await check(
    "no acknowledged write is lost, none that was notApplied exists, none was applied more often than it was sent",
    () => writeViolations(calls, events, final),
  );
  await check("createInOrder made no more entries than acknowledged and unknown ones", () =>
    queueViolations(calls, final),
  );
  await check("registers are linearizable", () => registerViolations(calls, final));
  for (const watcher of load.watchers) {
    await check(`the ${watcher.name} watcher, called again after every error, saw every event once, in order`, () =>
      watcherViolations(watcher, beforeEnd),
    );
  }
  for (const mirror of load.mirrors)
    await check(`the updates of the ${mirror.name} mirror give what is in etcd`, () => mirrorViolations(mirror, final));
  await check("the members reported the same events to an observer without the SDK", () => run.observerProblems);
  await check("no call outlived its timeouts by more than a second", () => timeViolations(calls, load.stalls, limits));
  await check("the process under load ended by itself", () =>
    run.status === 0 ? [] : [`it ended with ${String(run.status)}`],
  );
});

interface Run {
  readonly load: LoadRecord;
  /** All of them up to `final`. */
  readonly events: readonly KeyEvent[];
  readonly final: readonly FinalNode[];
  readonly observerProblems: readonly string[];
  readonly faults: Readonly<Record<string, number>>;
  readonly status: number | null;
}

async function runFaults(t: TestContext, say: (line: string) => void): Promise<Run> {
  const startMs = performance.now();
  const log = (line: string): void => {
    say(`${((performance.now() - startMs) / 1_000).toFixed(1)} s: ${line}`);
  };
  const random = new Random(seed);
  await using network = new PeerNetwork();
  await using cluster = await fastCluster({ advertisePeerUrl: network.advertise });
  const doors = await Promise.all(cluster.endpoints.map((url) => TcpProxy.start(url)));
  await using client = new Client({ endpoints: cluster.endpoints });
  const keys = new KeysAPI(client);
  const { index } = await keys.set(dir, "", { dir: true });
  const observers = cluster.endpoints.map((url) => new Observer(url, dir, index));
  try {
    const child = startLoad(t, {
      endpoints: doors.map(({ url }) => url),
      seed: random.fork().whole(0, 2 ** 31),
      afterIndex: index,
    });
    const nemesis = new Nemesis({ cluster, network, doors }, random, log);
    await until("there is load", () => (observers[0]?.events.length ?? 0) > 10);
    await nemesis.rage(seconds * 1_000, () => hasEnded(child));
    await allWell(cluster);
    log("all is well again");
    // time for requests without a response to be applied: etcd holds writes for 5 s and two elections
    await sleep(6_000);
    const { load, status } = await endOf(child);
    const final = await keys.get(dir, { quorum: true, recursive: true });
    await keys.set(`${dir}/after-all`, "");
    const isOver = (observer: Observer): boolean =>
      observer.failure !== undefined || observer.events.some(({ key }) => key === `${dir}/after-all`);
    await until("every member has reported all events", () => observers.every(isOver));
    const told = observers.map((observer) => observer.events.filter((event) => event.index <= final.index));
    const [events = []] = told;
    return {
      load,
      events,
      final: filesOf(final.node),
      observerProblems: observers.flatMap((observer, i) => [
        ...(observer.failure === undefined ? [] : [observer.failure]),
        ...watcherViolations(
          { name: `member ${String(i + 1)}`, events: told[i] ?? [], errors: {}, fromNowOn: false },
          events,
        ),
      ]),
      faults: nemesis.counts,
      status,
    };
  } finally {
    await Promise.all([...observers, ...doors].map((each) => each.close()));
  }
}

function summaryOf({ load, events, faults }: Run): readonly string[] {
  const { calls, watchers, stalls } = load;
  const reads = calls.filter(({ kind, result }) => kind === "read" && result === "acknowledged").length;
  const slowestMs = Math.max(0, ...calls.map((call) => call.endMs - call.startMs));
  const stalledMs = stalls.reduce((sum, stall) => sum + stall.endMs - stall.startMs, 0);
  return [
    callsLine(calls),
    `reads: ${String(reads)} by quorum succeeded, ${String(registersOf(calls).size)} registers`,
    `faults: ${Object.entries(faults)
      .map(([name, times]) => `${String(times)} ${name}`)
      .join(", ")}`,
    `events: ${String(events.length)}; ${watchers.map(({ name, events: seen, errors }) => `${name} watcher: ${String(seen.length)}, asked again ${String(Object.values(errors).reduce((a, b) => a + b, 0))} times`).join("; ")}`,
    // not a violation here: a frozen or isolated member may execute a request after its connection was reset
    `writes undone by earlier ones: ${String(undoneViolations(calls, events).length)}`,
    `errors: ${errorsIn(calls)}`,
    `slowest call: ${slowestMs.toFixed(0)} ms; the process was stalled for ${stalledMs.toFixed(0)} ms in all`,
  ];
}
