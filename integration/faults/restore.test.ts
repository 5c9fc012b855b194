import assert from "node:assert/strict";
import { cpSync, rmSync } from "node:fs";
import test, { type TestContext } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import type { Cluster } from "../test-kit/etcd.js";
import { Client, KeysAPI } from "../../src/core/index.js";
import { Random } from "../../src/test-kit/random.js";
import { TcpProxy } from "../../src/test-kit/tcp-proxy.js";
import { until } from "../../src/test-kit/waiting.js";
import { fastCluster } from "../fast-cluster.js";
import { epochViolations, mirrorViolations, silentLosses, type Epoch } from "../histories/epochs.js";
import type { LoadRecord } from "../histories/fault-history.js";
import { restoreFromBackup } from "../start-over.js";
import {
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
} from "./field.js";
import { Observer } from "./observer.js";

const seconds = suiteSeconds * 0.15;
/** How many events of the load an epoch has at least. */
const leastEvents = 60;
/** How long an epoch lasts at least, in ms. Watchers of a store with the same id find out within 2 s and one call of theirs. */
const leastMs = 5_000;
/** By how much the index is raised at the end of an epoch: a store that starts over stays below it until watchers have found out. */
const raisedBy = 300;

test(`faults: the whole cluster starts over, again and again for ${String(seconds)} s: clients go on with it, and all watchers report it (${repeatedBy})`, async (t) => {
  const run = await startOver(t);
  const { load, epochs, ways } = run;
  const { calls, watchers, mirrors } = load;
  const last = epochs.at(-1) ?? assert.fail();
  t.diagnostic(callsLine(calls));
  t.diagnostic(
    `started over: ${ways.join(", ")}; events: ${epochs.map(({ events }) => String(events.length)).join(" + ")}`,
  );
  t.diagnostic(
    [...watchers, ...mirrors.map((mirror) => ({ ...mirror, name: `${mirror.name} mirror` }))]
      .map(({ name, errors }) => `${name}: ${JSON.stringify(errors)}`)
      .join("; "),
  );
  t.diagnostic(`errors: ${errorsIn(calls)}`);
  const check = checksOf(t, run);
  await check("writes were acknowledged in every state", () =>
    epochs.flatMap(({ events }, i) =>
      events.length < leastEvents ? [`${String(events.length)} in epoch ${String(i + 1)}`] : [],
    ),
  );
  await check("the client has taken over the new id, and every acknowledged write is in the state that had it", () =>
    epochViolations(calls, epochs),
  );
  for (const watcher of watchers) {
    await check(`the ${watcher.name} watcher rejected whenever events were gone, and lost none silently`, () => [
      ...silentLosses(watcher, epochs),
      ...((watcher.errors["cleared"] ?? 0) === 0 ? ["it never noticed"] : []),
    ]);
  }
  const final = last.final.filter(({ key }) => key !== `${dir}/gone`);
  for (const mirror of mirrors) {
    await check(`the ${mirror.name} mirror noticed, read again, and its updates give what is in etcd`, () => [
      ...mirrorViolations(mirror, final),
      ...((mirror.errors["cleared"] ?? 0) === 0 ? ["it never noticed"] : []),
    ]);
  }
});

interface Run {
  readonly load: LoadRecord;
  readonly epochs: readonly Epoch[];
  /** How the cluster started over, each time. */
  readonly ways: readonly string[];
}

type OpenEpoch = Pick<Epoch, "clusterId" | "startMs" | "afterIndex"> & { readonly observers: readonly Observer[] };

async function startOver(t: TestContext): Promise<Run> {
  const random = new Random(seed);
  const args: string[] = [];
  await using cluster = await fastCluster({ args });
  const doors = await Promise.all(cluster.endpoints.map((url) => TcpProxy.start(url)));
  t.after(() => Promise.all(doors.map((door) => door.close())));
  await copyData(cluster);

  const epochs: Epoch[] = [];
  let current = await openEpoch(t, cluster, doors);
  const child = startLoad(t, {
    endpoints: doors.map(({ url }) => url),
    seed: random.fork().whole(0, 2 ** 31),
    afterIndex: current.afterIndex,
    readsAgain: true,
  });
  const endMs = performance.now() + seconds * 1_000;
  const used: string[] = [];
  const goesOn = (): boolean => !hasEnded(child) && (used.length < 2 || performance.now() < endMs);
  while (goesOn()) {
    for (const way of random.shuffled(Object.keys(ways))) {
      if (!goesOn()) break;
      epochs.push(await closeEpoch(cluster, doors, current));
      await ways[way]?.(cluster, args);
      current = await openEpoch(t, cluster, doors);
      used.push(way);
    }
  }
  // last, since its members are new processes
  await restoreFromBackup(t, cluster, async () => {
    epochs.push(await closeEpoch(cluster, doors, current));
  });
  used.push("restored with etcdctl");
  current = await openEpoch(t, cluster, doors);
  await eventsOf(current, leastEvents);
  const { load } = await endOf(child);
  epochs.push(await tellEpoch(cluster, doors, current));
  // the clock of the process under load began later
  const shiftMs = performance.timeOrigin - load.originMs;
  return {
    load,
    epochs: epochs.map((epoch) => ({ ...epoch, startMs: epoch.startMs + shiftMs, endMs: epoch.endMs + shiftMs })),
    ways: used,
  };
}

const ways: Readonly<Record<string, (cluster: Cluster, args: string[]) => Promise<void>>> = {
  emptied: (cluster) =>
    restart(cluster, ({ dataDir }) => {
      rmSync(dataDir, { recursive: true });
    }),
  "set up as another cluster": (cluster, args) => {
    args.push(`--initial-cluster-token=another-${String(args.length)}`);
    return restart(cluster, ({ dataDir }) => {
      rmSync(dataDir, { recursive: true });
    });
  },
  "restored from a copy": (cluster) =>
    restart(cluster, ({ dataDir }) => {
      rmSync(dataDir, { recursive: true });
      cpSync(`${dataDir}-copy`, dataDir, { recursive: true });
    }),
};

async function restart({ members }: Cluster, change: (member: Cluster["members"][number]) => void): Promise<void> {
  await Promise.all(members.map((member) => member.kill()));
  members.forEach(change);
  await Promise.all(members.map((member) => member.start()));
}

async function copyData({ members }: Cluster): Promise<void> {
  await Promise.all(members.map((member) => member.terminate()));
  for (const { dataDir } of members) cpSync(dataDir, `${dataDir}-copy`, { recursive: true });
  await Promise.all(members.map((member) => member.start()));
}

/** Lets clients reach the cluster, one member after the other. */
async function openEpoch(t: TestContext, cluster: Cluster, doors: readonly TcpProxy[]): Promise<OpenEpoch> {
  await using client = new Client({ endpoints: cluster.endpoints });
  const keys = new KeysAPI(client);
  const { clusterId, index } = await until("the cluster takes a write", () =>
    keys.set(`${dir}/begin`, "").catch(() => undefined),
  );
  const observers = cluster.endpoints.map((url) => new Observer(url, dir, index));
  t.after(() => Promise.all(observers.map((observer) => observer.close())));
  const startMs = performance.now();
  for (const door of doors) {
    await door.comeBack();
    await sleep(200);
  }
  return { clusterId, startMs, afterIndex: index, observers };
}

/** Waits for work to be done, and ends the epoch. */
async function closeEpoch(cluster: Cluster, doors: readonly TcpProxy[], epoch: OpenEpoch): Promise<Epoch> {
  await using client = new Client({ endpoints: cluster.endpoints });
  const keys = new KeysAPI(client);
  await eventsOf(epoch, leastEvents);
  await sleep(Math.max(0, epoch.startMs + leastMs - performance.now()));
  await Promise.all(
    Array.from({ length: raisedBy }, (_, i) => keys.set("/elsewhere", String(i)).catch(() => undefined)),
  );
  // the last events that the watchers get have indices above those
  await eventsOf(epoch, eventCountOf(epoch) + 10);
  return await tellEpoch(cluster, doors, epoch);
}

/** Cuts the clients off, and returns what happened until then. */
async function tellEpoch(cluster: Cluster, doors: readonly TcpProxy[], epoch: OpenEpoch): Promise<Epoch> {
  await using client = new Client({ endpoints: cluster.endpoints });
  const keys = new KeysAPI(client);
  await Promise.all(doors.map((door) => door.leave()));
  const endMs = performance.now();
  // requests in flight are applied by then
  await sleep(300);
  const { index, node } = await keys.get(dir, { quorum: true, recursive: true });
  const final = filesOf(node);
  await keys.set(`${dir}/gone`, "");
  const events = await until("an observer has all events", () =>
    epoch.observers.map((observer) => observer.events).find((each) => each.at(-1)?.key === `${dir}/gone`),
  );
  await Promise.all(epoch.observers.map((observer) => observer.close()));
  const { clusterId, startMs, afterIndex } = epoch;
  return { clusterId, startMs, endMs, afterIndex, final, events: events.filter((event) => event.index <= index) };
}

async function eventsOf(epoch: OpenEpoch, count: number): Promise<void> {
  await until("there is load", () => eventCountOf(epoch) >= count);
}

function eventCountOf({ observers }: OpenEpoch): number {
  return Math.max(...observers.map((observer) => observer.events.length));
}
