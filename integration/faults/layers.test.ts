import assert from "node:assert/strict";
import test, { type TestContext } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import type { Cluster } from "../test-kit/etcd.js";
import { Client, KeysAPI } from "../../src/core/index.js";
import { PeerNetwork } from "../../src/test-kit/peer-network.js";
import { Random } from "../../src/test-kit/random.js";
import { TcpProxy } from "../../src/test-kit/tcp-proxy.js";
import { fastCluster } from "../fast-cluster.js";
import { replaceByStranger, restoreFromBackup, wipe } from "../start-over.js";
import { allWell, checksOf, repeatedBy, seed, suiteSeconds } from "./field.js";
import { LayersLoad } from "./layers-load.js";
import { Nemesis } from "./nemesis.js";

const seconds = suiteSeconds * 0.1;

interface Field {
  readonly t: TestContext;
  readonly cluster: Cluster;
  readonly doors: readonly TcpProxy[];
  readonly network: PeerNetwork;
  readonly random: Random;
  readonly load: LayersLoad;
}

/** What happens to the cluster, until `endMs` of `performance.now()`. */
const happenings: readonly (readonly [what: string, happen: (field: Field, endMs: number) => Promise<void>])[] = [
  ["members freeze", freeze],
  ["a stranger stands in for a member", replace],
  ["the cluster starts over", startOver],
];

for (const [what, happen] of happenings) {
  test(`faults: ${what} for ${String(seconds)} s under candidates, registrations, subscriptions and config sources: at most one leads, and all of them recover (${repeatedBy})`, async (t) => {
    await using network = new PeerNetwork();
    await using cluster = await fastCluster();
    const doors = await Promise.all(cluster.endpoints.map((url) => TcpProxy.start(url)));
    t.after(() => Promise.all(doors.map((door) => door.close())));
    const endpoints = doors.map(({ url }) => url);
    const load = await LayersLoad.start(t, endpoints, new Random(seed).fork());
    await load.settled();
    await happen({ t, cluster, doors, network, random: new Random(seed), load }, performance.now() + seconds * 1_000);
    await allWell(cluster);
    await load.settled();
    const record = await load.end(cluster.endpoints);
    t.diagnostic(record.summary);
    const check = checksOf(t, { what, ...record });
    await check("at most one candidate led at a time", () => record.overlaps);
    await check("the subscription's changes give what is registered", () => record.subscription);
    await check("the config sources have what is in etcd", () => record.config);
    await check("every background loop went on", () => record.ended);
  });
}

async function freeze({ cluster, doors, network, random, load }: Field, endMs: number): Promise<void> {
  const nemesis = new Nemesis({ cluster, network, doors }, random, load.log, { only: /frozen/, moreMs: 900 });
  await nemesis.rage(endMs - performance.now(), () => false);
}

async function replace({ t, cluster, doors, random, load }: Field, endMs: number): Promise<void> {
  do {
    const victim = random.pick(cluster.members);
    const others = doors.filter((_, i) => cluster.members[i] !== victim);
    load.log(`a stranger replaces ${victim.name}`);
    const stranger = await replaceByStranger(t, victim);
    await raiseIndex(stranger.url, 500);
    for (let i = 0; i < 3; i++) {
      for (const door of others) door.heal();
      await sleep(random.whole(200, 600));
    }
    // nobody but the stranger can be reached
    for (const door of others) door.cut("refuse");
    load.log("only the stranger can be reached");
    await sleep(1_500);
    load.log("all can be reached");
    for (const door of others) door.heal();
    await sleep(random.whole(300, 1_000));
    await stranger.kill();
    load.log("the stranger is gone");
    await victim.start();
    await allWell(cluster);
  } while (performance.now() < endMs);
}

async function startOver(field: Field, endMs: number): Promise<void> {
  const { t, cluster, load } = field;
  do {
    await raise(field);
    load.log("the cluster is emptied");
    await wipe(cluster);
    await allWell(cluster);
    load.log("it is back");
    await load.settled();
  } while (performance.now() < endMs);
  // last, since its members are new processes
  load.log("a backup is made");
  await restoreFromBackup(t, cluster, async () => {
    await raise(field);
    load.log("the cluster is restored");
  });
  load.log("all are back");
}

/** Makes all watchers know a high index: while the index of a store with the same id is below, they find out that it started over. */
async function raise({ cluster, load }: Field): Promise<void> {
  await raiseIndex(cluster.endpoints[0] ?? assert.fail(), 500);
  await load.settled();
}

async function raiseIndex(url: string, by: number): Promise<void> {
  await using client = new Client({ endpoints: [url] });
  const keys = new KeysAPI(client);
  await Promise.all(Array.from({ length: by }, (_, i) => keys.set("/elsewhere", String(i)).catch(() => undefined)));
}
