import assert from "node:assert/strict";
import test, { type TestContext } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import type { Member } from "../test-kit/etcd.js";
import { Client, KeysAPI } from "../../src/core/index.js";
import { Random } from "../../src/test-kit/random.js";
import { TcpProxy } from "../../src/test-kit/tcp-proxy.js";
import { until } from "../../src/test-kit/waiting.js";
import { fastCluster } from "../fast-cluster.js";
import { foreignViolations, mirrorViolations } from "../histories/epochs.js";
import {
  queueViolations,
  registerViolations,
  watcherViolations,
  writeViolations,
  type FinalNode,
  type KeyEvent,
  type LoadRecord,
} from "../histories/fault-history.js";
import { replaceByStranger } from "../start-over.js";
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
import { Observer } from "./observer.js";

const seconds = suiteSeconds * 0.15;
/** How long the client reaches only the stranger, in ms. */
const aloneMs = 1_500;

test(`faults: a stranger stands in for a member, again and again for ${String(seconds)} s: the client takes nothing from it and loses nothing to it (${repeatedBy})`, async (t) => {
  const run = await replaceMembers(t);
  const { load, events, final, clusterId, strangers } = run;
  const { calls } = load;
  t.diagnostic(callsLine(calls));
  t.diagnostic(`events: ${String(events.length)}; ${String(strangers)} strangers; errors: ${errorsIn(calls)}`);
  const check = checksOf(t, run);
  await check("work was done, and the client reached the stranger", () => [
    ...(calls.filter(({ result }) => result === "acknowledged").length < 5 * seconds ? ["too few acknowledged"] : []),
    ...(calls.some(({ error }) => error?.includes("ERR_CLUSTER_ID") === true)
      ? []
      : ["no call was executed by the stranger"]),
  ]);
  await check("every acknowledged read and write was executed by the cluster", () =>
    foreignViolations(calls, [clusterId]),
  );
  await check("every acknowledged write is in the cluster", () => writeViolations(calls, events, final));
  await check("createInOrder made no more entries than acknowledged and unknown ones", () =>
    queueViolations(calls, final),
  );
  await check("registers are linearizable: no read came from the stranger", () => registerViolations(calls, final));
  const beforeEnd = untilEnd(events);
  for (const watcher of load.watchers) {
    await check(`the ${watcher.name} watcher saw every event of the cluster once, in order, and no other`, () =>
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
  readonly clusterId: string;
  /** How many there were, one after the other. */
  readonly strangers: number;
}

async function replaceMembers(t: TestContext): Promise<Run> {
  const random = new Random(seed);
  await using cluster = await fastCluster();
  const doors = await Promise.all(cluster.endpoints.map((url) => TcpProxy.start(url)));
  // the first member is never replaced: it tells what happened
  const [safe = assert.fail(), ...others] = cluster.members;
  await using client = new Client({ endpoints: [safe.url] });
  const keys = new KeysAPI(client);
  const { index, clusterId } = await keys.set(dir, "", { dir: true });
  const observer = new Observer(safe.url, dir, index);
  try {
    const child = startLoad(t, {
      endpoints: doors.map(({ url }) => url),
      seed: random.fork().whole(0, 2 ** 31),
      afterIndex: index,
    });
    await until("there is load", () => observer.events.length > 10);
    const endMs = performance.now() + seconds * 1_000;
    let strangers = 0;
    for (; !hasEnded(child) && (strangers === 0 || performance.now() < endMs); strangers++) {
      const victim = random.pick(others);
      const open = doors.filter((_, i) => cluster.members[i] !== victim);
      const stranger = await replaceByStranger(t, victim);
      await fill(stranger, (await keys.get(dir)).index + 200);
      // connections that break make the client try another endpoint, the stranger too
      for (let i = 0; i < 3; i++) {
        for (const door of open) door.heal();
        await sleep(random.whole(200, 600));
      }
      for (const door of open) door.cut("refuse");
      await sleep(aloneMs);
      await fill(stranger, 5);
      for (const door of open) door.heal();
      await sleep(random.whole(300, 1_000));
      await stranger.kill();
      await victim.start();
      await allWell(cluster);
      // the member that has come back does its work again
      for (const door of open) door.cut("refuse");
      const before = observer.events.length;
      await until("the client writes to the member that came back", () => observer.events.length >= before + 5);
      for (const door of open) door.heal();
    }
    await sleep(6_000);
    const { load } = await endOf(child);
    const final = await keys.get(dir, { quorum: true, recursive: true });
    const files = filesOf(final.node);
    const last = Math.max(...files.map((file) => file.index));
    await until("the observer has all events", () => (observer.events.at(-1)?.index ?? 0) >= last);
    return { load, events: observer.events, final: files, clusterId, strangers };
  } finally {
    await Promise.all([observer, ...doors].map((each) => each.close()));
  }
}

/** Makes events in a stranger, of the keys that the load uses: with enough of them its index is ahead of the cluster's. */
async function fill(stranger: Member, count: number): Promise<void> {
  await using client = new Client({ endpoints: [stranger.url] });
  const keys = new KeysAPI(client);
  let made = 0;
  const write = async (): Promise<void> => {
    while (made < count) {
      const number = made++;
      const key = `${number % 2 === 0 ? "registers" : "overwritten"}/0-${String(1 + (number % 4))}`;
      await keys.set(`${dir}/${key}`, `stranger-${String(number)}`);
    }
  };
  await Promise.all(Array.from({ length: 20 }, write));
}
