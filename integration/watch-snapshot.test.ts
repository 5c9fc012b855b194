import assert from "node:assert/strict";
import test, { afterEach, beforeEach } from "node:test";
import type { Cluster, Member } from "./test-kit/etcd.js";
import { Client, isIndexCleared, KeysAPI, Mirror, type KeyNode } from "../src/core/index.js";
import { PeerNetwork } from "../src/test-kit/peer-network.js";
import { HeaderWatch, patience, until } from "../src/test-kit/waiting.js";
import { calmCluster } from "./fast-cluster.js";

let network: PeerNetwork;
let cluster: Cluster;
/** A follower that is cut off at times. */
let lagging: Member;
/** Speaks to that member only. */
let client: Client;
/** Speaks to the others. */
let others: KeysAPI;
let othersClient: Client;

// A cluster of its own for each test: for 30 s after a member has sent a snapshot it compacts nothing.
beforeEach(async () => {
  network = new PeerNetwork();
  cluster = await calmCluster({ args: ["--snapshot-count=20"], advertisePeerUrl: network.advertise });
  const leader = await cluster.leader();
  lagging = cluster.members.find((member) => member !== leader) ?? assert.fail();
  client = new Client({ endpoints: [lagging.url] });
  // on a busy machine a write takes longer than usual, and one of unknown outcome would be a change too many
  const headerTimeoutMs = 60_000;
  othersClient = new Client({ endpoints: cluster.endpoints.filter((url) => url !== lagging.url), headerTimeoutMs });
  others = new KeysAPI(othersClient);
});

afterEach(async () => {
  await Promise.all([client.close(), othersClient.close()]);
  await cluster.stop();
  await network.close();
});

/**
 * A leader keeps 5,000 raft entries for members that lag; one that lags more gets a snapshot. This cuts the member off while `work` is done at the others, then waits until it has all of it.
 */
async function whileIsolated(work: () => Promise<void>): Promise<void> {
  const index = cluster.members.indexOf(lagging);
  // with `silent` the data sent so far would be kept and delivered afterwards, perhaps all of it
  network.isolate(index, "reset");
  await work();
  const { index: reached } = await others.get("/", { quorum: true });
  network.join(index);
  const local = new KeysAPI(client);
  await until("the member has caught up", async () => (await local.get("/")).index >= reached);
}

async function inBatches(count: number, each: (i: number) => Promise<unknown>): Promise<void> {
  for (let done = 0; done < count; done += 200) {
    await Promise.all(Array.from({ length: Math.min(200, count - done) }, (_, i) => each(done + i)));
  }
}

function filesOf(node: KeyNode): readonly (readonly [string, string])[] {
  return node.dir ? node.nodes.flatMap(filesOf) : [[node.key, node.value]];
}

async function mirrored(
  dir: string,
): Promise<{ mirror: Mirror; errors: unknown[]; follow: Promise<unknown>; end: AbortController }> {
  const errors: unknown[] = [];
  const heard = new HeaderWatch(client);
  const mirror = new Mirror(new KeysAPI(heard), dir, { maxRetryMs: 500, onError: (error) => errors.push(error) });
  await mirror.next(patience());
  const end = new AbortController();
  const came = heard.headers();
  const follow = (async () => {
    for (;;) await mirror.next(end.signal);
  })().catch((error: unknown) => error);
  await came;
  return { mirror, errors, follow, end };
}

for (const [what, takesIndexes, count, load] of [
  ["7,000 writes", true, 7_000, (i: number) => others.set(`/elsewhere/${String(i % 500)}`, String(i))],
  ["5,700 quorum reads, which take no index", false, 5_700, () => others.get("/elsewhere", { quorum: true })],
] as const) {
  test(`snapshot: after ${what} a mirror on that member matches a quorum read, and onError was called (FF1)`, async () => {
    const dir = takesIndexes ? "/writes" : "/reads";
    await others.set("/elsewhere", "", { dir: true }).catch(() => undefined);
    await others.set(`${dir}/a`, "1");
    await until(
      "it is there",
      async () => (await new KeysAPI(client).get(dir, { quorum: true })).node.nodes.length === 1,
    );
    const { mirror, errors, follow, end } = await mirrored(dir);
    const watcher = new KeysAPI(client).watcher(dir, { recursive: true, afterIndex: mirror.index });
    const seen: number[] = [];
    const watching = (async () => {
      for (;;) seen.push((await watcher.next(patience(120_000))).node.modifiedIndex);
    })().catch((error: unknown) => error);
    const written: number[] = [];
    const write = async (name: string, value: string): Promise<void> => {
      written.push((await others.set(`${dir}/${name}`, value)).node.modifiedIndex);
    };
    await whileIsolated(async () => {
      for (let i = 0; i < 10; i++) await write(`gap${String(i)}`, String(i));
      await write("a", "2");
      await inBatches(count, load);
    });
    await write("after", "3");
    await until("the mirror is complete", () => mirror.nodes.size === 12);
    const { node } = await others.get(dir, { recursive: true, quorum: true });
    assert.deepEqual(
      [...mirror.nodes.values()].map(({ key, value }) => [key, value]).sort(),
      [...filesOf(node)].sort(),
    );
    assert.ok(errors.some(isIndexCleared));
    // the plain watcher rejects: before the event that follows the gap, or, where that took few indexes, right after it
    const ended = await watching;
    assert.ok(isIndexCleared(ended), String(ended));
    assert.deepEqual(seen, takesIndexes ? [] : written.slice(-1));
    end.abort();
    await follow;
  });
}
