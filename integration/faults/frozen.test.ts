import test, { type TestContext } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { Client, KeysAPI } from "../../src/core/index.js";
import { PeerNetwork } from "../../src/test-kit/peer-network.js";
import { Random } from "../../src/test-kit/random.js";
import { TcpProxy } from "../../src/test-kit/tcp-proxy.js";
import { until } from "../../src/test-kit/waiting.js";
import { fastCluster } from "../fast-cluster.js";
import {
  watcherViolations,
  writeViolations,
  type FinalNode,
  type KeyEvent,
  type LoadRecord,
} from "../histories/fault-history.js";
import { mirrorViolations } from "../histories/epochs.js";
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
  repeatedBy,
  seed,
  startLoad,
  suiteSeconds,
  untilEnd,
} from "./field.js";
import { Nemesis } from "./nemesis.js";
import { Observer } from "./observer.js";

const seconds = suiteSeconds / 5;
/**
 * `FAULTS_RESEND=1` lets the client send sets again after silence: then writes are undone, and the test must find that.
 */
const resend = process.env["FAULTS_RESEND"] === "1";

test(`faults: members freeze under a client that overwrites its own keys for ${String(seconds)} s: no acknowledged write is undone by one acknowledged before it (${repeatedBy})`, async (t) => {
  const run = await freezeMembers(t);
  const { load, events, final, faults } = run;
  const { calls } = load;
  t.diagnostic(callsLine(calls));
  t.diagnostic(`events: ${String(events.length)}; faults: ${JSON.stringify(faults)}; errors: ${errorsIn(calls)}`);
  const undone = undoneViolations(calls, events);
  t.diagnostic(`writes undone: ${String(undone.length)}`);
  const check = checksOf(t, run);
  await check("writes were acknowledged, and members froze while other writes were in flight", () => [
    ...(calls.filter(({ result }) => result === "acknowledged").length < 5 * seconds ? ["too few acknowledged"] : []),
    ...(calls.some(({ result }) => result === "unknown") ? [] : ["no write was unknown"]),
  ]);
  await check("no acknowledged write is undone by one that was acknowledged before it", () => undone);
  await check("no acknowledged write is lost, and none was applied more often than it was sent", () =>
    writeViolations(calls, events, final),
  );
  const beforeEnd = untilEnd(events);
  for (const watcher of load.watchers) {
    await check(`the ${watcher.name} watcher saw every event once, in order`, () =>
      watcherViolations(watcher, beforeEnd),
    );
  }
  for (const mirror of load.mirrors)
    await check(`the updates of the ${mirror.name} mirror give what is in etcd`, () => mirrorViolations(mirror, final));
});

interface Run {
  readonly load: LoadRecord;
  readonly events: readonly KeyEvent[];
  readonly final: readonly FinalNode[];
  readonly faults: Readonly<Record<string, number>>;
}

async function freezeMembers(t: TestContext): Promise<Run> {
  const random = new Random(seed);
  await using network = new PeerNetwork();
  await using cluster = await fastCluster();
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
      work: "own keys",
      resend,
    });
    // longer than the header timeout: requests to a frozen member are executed when it thaws
    const nemesis = new Nemesis({ cluster, network, doors }, random, () => undefined, { only: /frozen/, moreMs: 900 });
    await until("there is load", () => (observers[0]?.events.length ?? 0) > 10);
    await nemesis.rage(seconds * 1_000, () => hasEnded(child));
    await allWell(cluster);
    // time for requests without a response to be applied: etcd holds writes for 5 s and two elections
    await sleep(6_000);
    const { load } = await endOf(child);
    const final = await keys.get(dir, { quorum: true, recursive: true });
    const files = filesOf(final.node);
    const last = Math.max(...files.map((file) => file.index));
    const events = await until("an observer has all events", () =>
      observers.map((observer) => observer.events).find((each) => (each.at(-1)?.index ?? 0) >= last),
    );
    return { load, events, final: files, faults: nemesis.counts };
  } finally {
    await Promise.all([...observers, ...doors].map((each) => each.close()));
  }
}
