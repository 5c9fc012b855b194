import assert from "node:assert/strict";
import test, { type TestContext } from "node:test";
import type { Cluster, Member } from "./test-kit/etcd.js";
import { ClusterError, EndpointError, KeysAPI, type Client } from "../src/core/index.js";
import { createEtcdCandidate } from "../src/election/index.js";
import { clientOf } from "../src/test-kit/scripted-server.js";
import { settled } from "../src/test-kit/scripted-cluster.js";
import { patience, until } from "../src/test-kit/waiting.js";
import { calmCluster } from "./fast-cluster.js";
import { replaceByStranger, restoreFromBackup, wipe } from "./start-over.js";

/** A client that starts at the given endpoint. */
function clientAt(t: TestContext, cluster: Cluster, first: string): Client {
  const client = clientOf([first, ...cluster.endpoints.filter((url) => url !== first)]);
  t.after(() => client.close());
  return client;
}

async function followerOf(cluster: Cluster): Promise<Member> {
  const leader = await cluster.leader();
  return cluster.members.find((member) => member !== leader) ?? assert.fail();
}

test("cluster id: if one of three members is replaced by another cluster, reads, writes and watches skip it (FF12)", async (t) => {
  await using cluster = await calmCluster();
  const victim = await followerOf(cluster);
  const before = new KeysAPI(clientAt(t, cluster, victim.url));
  const { clusterId, index } = await before.set("/k", "1");
  await replaceByStranger(t, victim);
  const fresh = (): KeysAPI => new KeysAPI(clientAt(t, cluster, victim.url));

  // a client that knew the cluster, and clients that begin at the stranger
  assert.equal((await before.get("/k")).node.value, "1");
  for (const keys of [before, fresh()]) assert.equal((await keys.set("/k", "2")).clusterId, clusterId);
  assert.equal((await fresh().create("/created", "v")).clusterId, clusterId);
  assert.equal((await before.get("/created")).node.value, "v");
  const event = await fresh().watcher("/k", { afterIndex: index }).next(patience());
  assert.deepEqual([event.clusterId, event.node.value], [clusterId, "2"]);

  // only the stranger responds: whatever it acknowledges was not acknowledged by the cluster
  await Promise.all(cluster.members.map((member) => member.kill()));
  const error = await settled(before.set("/k", "3"));
  assert.ok(error instanceof ClusterError);
  const [stranger] = error.errors.filter(({ code }) => code === "ERR_CLUSTER_ID");
  assert.ok(stranger instanceof EndpointError);
  assert.equal(stranger.endpoint, victim.url);
  assert.equal(error.outcome, "unknown");
});

test("cluster id: with another cluster in place of a member, at most one of eight candidates leads at a time (FF12)", async (t) => {
  await using cluster = await calmCluster();
  const victim = await followerOf(cluster);
  const config = { ttlMs: 8_000, lockDelayMs: 100, cooldownMs: 50, stepDownTimeoutMs: 500, marginMs: 500 };
  const abort = new AbortController();
  let [leading, terms, most] = [0, 0, 0];
  const takePart = async (client: Client): Promise<void> => {
    const candidate = createEtcdCandidate({ client });
    while (!abort.signal.aborted) {
      const work = async (): Promise<void> => {
        leading++;
        terms++;
        most = Math.max(most, leading);
        await new Promise((resolve) => setTimeout(resolve, 50));
        leading--;
      };
      await candidate
        .run({ ...config, key: "/leader", contactInfo: "" }, work, { signal: abort.signal })
        .catch(() => undefined);
    }
  };
  const all = [0, 1, 2, 3].map(() => takePart(clientAt(t, cluster, victim.url)));
  await until("some terms", () => terms >= 3);
  await replaceByStranger(t, victim);
  all.push(...[0, 1, 2, 3].map(() => takePart(clientAt(t, cluster, victim.url))));
  const before = terms;
  await until("many terms with the stranger", () => terms >= before + 12);
  abort.abort(new Error("enough"));
  await Promise.all(all);
  assert.equal(most, 1);
});

test("cluster id: if the whole cluster loses its data and restarts at its URLs, clients continue with it (FF12)", async (t) => {
  await using cluster = await calmCluster();
  const keys = new KeysAPI(clientAt(t, cluster, cluster.endpoints[0] ?? ""));
  await keys.set("/old", "1");
  await wipe(cluster);
  const { index } = await until("a write", () => keys.set("/new", "1").catch(() => undefined));
  assert.equal((await keys.get("/", { quorum: true })).node.nodes.length, 1);
  const event = keys.watcher("/new", { afterIndex: index }).next(patience());
  await keys.set("/new", "2");
  assert.equal((await event).node.value, "2");
});

test("cluster id: after a restore from a backup, clients that knew the old id adopt the new one (FF12)", async (t) => {
  await using cluster = await calmCluster();
  const keys = new KeysAPI(clientAt(t, cluster, cluster.endpoints[0] ?? ""));
  await keys.set("/k", "saved");
  // a backup leaves out what the member does not know to be committed: its last entries
  for (let i = 0; i < 5; i++) await keys.set("/more", String(i));
  let old = "";
  await restoreFromBackup(t, cluster, async () => {
    old = (await keys.set("/k", "lost")).clusterId;
  });
  const restored = await until("a write", () => keys.create("/created", "v").catch(() => undefined));
  assert.notEqual(restored.clusterId, old);
  assert.equal((await keys.get("/k", { quorum: true })).node.value, "saved");
  assert.equal((await keys.set("/k", "present")).clusterId, restored.clusterId);
});
