import assert from "node:assert/strict";
import test, { type TestContext } from "node:test";
import type { Cluster, Member } from "./test-kit/etcd.js";
import { Client, ClusterError, KeysAPI, MembersAPI, type ClientOptions } from "../src/core/index.js";
import { rejection, settled } from "../src/test-kit/scripted-cluster.js";
import { clientOf, refusedUrl } from "../src/test-kit/scripted-server.js";
import { limitMs, noiseMs, soonOnce, until } from "../src/test-kit/waiting.js";
import { calmCluster, fastCluster } from "./fast-cluster.js";

/** A client that tries the given member first, then the others in order. */
function pinnedTo(
  t: TestContext,
  cluster: Cluster,
  first: Member,
  options: Partial<ClientOptions> = {},
): { readonly client: Client; readonly keys: KeysAPI } {
  const others = cluster.endpoints.filter((url) => url !== first.url);
  const client = clientOf([first.url, ...others], options);
  t.after(() => client.close());
  return { client, keys: new KeysAPI(client) };
}

async function followerOf(cluster: Cluster): Promise<Member> {
  const leader = await cluster.leader();
  return cluster.members.find((member) => member !== leader) ?? assert.fail();
}

test("cluster: after the pinned member is killed, the next get works and a delete fails at most once (A132)", async (t) => {
  await using cluster = await calmCluster();
  const follower = await followerOf(cluster);
  const { client, keys } = pinnedTo(t, cluster, follower);
  const reader = pinnedTo(t, cluster, follower);
  for (const name of ["1", "2"]) await keys.set(`/dir/${name}`, "v");
  const read = await reader.keys.get("/dir/1", { quorum: true });
  assert.deepEqual([client.endpoints[0], reader.client.endpoints[0]], [follower.url, follower.url]);
  await follower.kill();

  assert.deepEqual((await reader.keys.get("/dir/1", { quorum: true })).node, read.node);
  assert.notEqual(reader.client.endpoints[0], follower.url);
  const first = await settled(keys.delete("/dir/1"));
  if (first instanceof Error) {
    // it may have been sent on a connection that was just closing
    assert.ok(first instanceof ClusterError);
    assert.equal(first.outcome, "unknown");
  }
  assert.equal((await keys.delete("/dir/2")).action, "delete");
  assert.notEqual(client.endpoints[0], follower.url);
});

test("cluster: after the pinned leader is killed, reads work at once and writes after the election (A132)", async (t) => {
  await using cluster = await fastCluster();
  const leader = await cluster.leader();
  const { client, keys } = pinnedTo(t, cluster, leader);
  const { node } = await keys.set("/k", "v");
  await Promise.all(
    cluster.members.map(async ({ url }) => {
      // a read is served by one member alone: wait until each has the value
      await using own = new Client({ endpoints: [url] });
      await until(
        "it has the value",
        async () => !((await settled(new KeysAPI(own).get("/k", { quorum: true }))) instanceof Error),
      );
    }),
  );
  await leader.kill();
  assert.deepEqual((await keys.get("/k")).node, node);
  assert.notEqual(client.endpoints[0], leader.url);
  await cluster.leader();
  assert.equal((await keys.set("/k", "w")).node.value, "w");
});

test("cluster: with two of three members killed, a write is a ClusterError within its timeouts, and local reads work (A133)", async (t) => {
  await using cluster = await calmCluster();
  const survivor = await followerOf(cluster);
  const patient = pinnedTo(t, cluster, survivor).keys;
  await patient.set("/k", "v");
  const { keys } = pinnedTo(t, cluster, survivor, { headerTimeoutMs: limitMs });
  await Promise.all(cluster.members.filter((member) => member !== survivor).map((member) => member.kill()));

  const startMs = performance.now();
  const error = await rejection(keys.set("/k", "w"), ClusterError);
  const tookMs = performance.now() - startMs;
  assert.equal(error.code, "ERR_CLUSTER_UNAVAILABLE");
  // what reached the surviving member may be applied when the others come back
  assert.equal(error.outcome, "unknown");
  assert.deepEqual(
    error.errors.map(({ code }) => code),
    ["ERR_HEADER_TIMEOUT"],
  );
  assert.ok(tookMs > limitMs - 100 && tookMs < limitMs + noiseMs, String(tookMs));
  assert.equal((await rejection(keys.get("/k", { quorum: true }), ClusterError)).outcome, "notApplied");
  assert.equal((await patient.get("/k")).node.value, "v");
});

test("cluster: if the pinned member is frozen, a get fails over after the header timeout (A134)", async (t) => {
  await using cluster = await calmCluster();
  const pinned = await followerOf(cluster);
  await pinnedTo(t, cluster, pinned).keys.set("/k", "v");
  const { client, keys } = pinnedTo(t, cluster, pinned, { headerTimeoutMs: limitMs });
  pinned.freeze();
  const startMs = performance.now();
  assert.equal((await keys.get("/k", { quorum: true })).node.value, "v");
  const tookMs = performance.now() - startMs;
  assert.ok(tookMs > limitMs - 100 && tookMs < limitMs + noiseMs, String(tookMs));
  assert.notEqual(client.endpoints[0], pinned.url);
  await soonOnce(limitMs - 100, () => keys.get("/k"));
});

test("cluster: with prioritizeLeader and autoSync, the pin follows the leader after it is killed", async () => {
  await using cluster = await fastCluster();
  await using client = new Client({
    endpoints: cluster.endpoints,
    selectionMode: "prioritizeLeader",
    headerTimeoutMs: 1_000,
  });
  const abort = new AbortController();
  const failures: unknown[] = [];
  // settled, so that its end does not hide a failure of the code below
  const syncing = settled(client.autoSync(100, { signal: abort.signal, onError: (error) => failures.push(error) }));
  const keys = new KeysAPI(client);
  // read again each time: on a busy machine a cluster may hold an extra election
  const pinnedLeader = async (): Promise<Member | false> => {
    const leader = await cluster.leader();
    return client.endpoints[0] === leader.url && leader;
  };
  for (let i = 0; i < 2; i++) {
    const leader = await until("the leader is pinned", pinnedLeader);
    assert.deepEqual(client.endpoints.toSorted(), cluster.endpoints.toSorted());
    await leader.kill();
    const next = await until("its successor is pinned", pinnedLeader);
    assert.notEqual(next, leader);
    await until("a write is executed by the leader", async () => {
      const set = await settled(keys.set("/k", String(i)));
      if (!(set instanceof Error)) return pinnedLeader();
      assert.ok(set instanceof ClusterError, String(set));
      return false;
    });
    await leader.start();
  }
  abort.abort(new Error("enough"));
  assert.equal(await syncing, abort.signal.reason);
  // the only failures were unknown leaders during the elections
  for (const failure of failures) assert.ok(failure instanceof ClusterError, String(failure));
});

test("cluster: autoSync survives failing syncs, reports each, and works again when the members are back (2.8)", async () => {
  await using cluster = await fastCluster();
  const [first] = cluster.members;
  assert.ok(first);
  await using client = new Client({ endpoints: [first.url] });
  const abort = new AbortController();
  const failures: unknown[] = [];
  const syncing = settled(client.autoSync(50, { signal: abort.signal, onError: (error) => failures.push(error) }));
  await until("sync brings all members", () => client.endpoints.length === 3);
  assert.equal(failures.length, 0);

  await Promise.all(cluster.members.map((member) => member.kill()));
  await until("several syncs fail", () => failures.length >= 3);
  assert.equal(client.endpoints.length, 3);
  for (const failure of failures) {
    assert.ok(failure instanceof ClusterError);
    assert.equal(failure.code, "ERR_CLUSTER_UNAVAILABLE");
  }
  // a list that only a successful sync can extend
  client.setEndpoints([first.url]);
  await Promise.all(cluster.members.map((member) => member.start()));
  await until("sync brings all members again", () => client.endpoints.length === 3);
  assert.deepEqual(client.endpoints.toSorted(), cluster.endpoints.toSorted());
  abort.abort(new Error("enough"));
  assert.equal(await syncing, abort.signal.reason);
});

for (const selectionMode of ["random", "prioritizeLeader"] as const) {
  test(`sync: ${selectionMode}: advertised URLs that cannot be reached do not replace working endpoints (D11)`, async () => {
    const refused = [await refusedUrl(), await refusedUrl(), await refusedUrl()];
    await using cluster = await calmCluster({ advertiseClientUrls: ({ index }) => refused.slice(index, index + 1) });
    await using client = new Client({ endpoints: cluster.endpoints, selectionMode });
    await until("all members list the advertised URLs", async () => {
      const list = await new MembersAPI(client).list();
      return (
        list
          .flatMap(({ clientURLs }) => clientURLs)
          .sort()
          .join() === refused.toSorted().join()
      );
    });
    await client.sync();
    assert.deepEqual(client.endpoints.toSorted(), cluster.endpoints.toSorted());
    const { node } = await new KeysAPI(client).set("/k", "v");
    assert.equal(node.value, "v");
  });

  test(`sync: ${selectionMode}: advertised URLs that lead to another cluster are not installed (D11)`, async () => {
    await using other = await fastCluster({ size: 1 });
    await using cluster = await fastCluster({ size: 1, advertiseClientUrls: () => other.endpoints });
    await using client = new Client({ endpoints: cluster.endpoints, selectionMode });
    const keys = new KeysAPI(client);
    const { clusterId } = await keys.set("/k", "v");
    await client.sync();
    assert.deepEqual(client.endpoints, cluster.endpoints);
    assert.equal((await keys.get("/k")).clusterId, clusterId);
  });

  test(`sync: of several advertised URLs only those that respond are installed, ${selectionMode} (D11, FF12)`, async () => {
    const refused = await refusedUrl();
    await using cluster = await fastCluster({
      size: 1,
      advertiseClientUrls: ({ url }) => [refused, url.replace("127.0.0.1", "localhost")],
    });
    const [endpoint = ""] = cluster.endpoints;
    await using client = new Client({ endpoints: cluster.endpoints, selectionMode });
    await client.sync();
    assert.deepEqual(client.endpoints, [endpoint.replace("127.0.0.1", "localhost")]);
    const keys = new KeysAPI(client);
    assert.equal((await keys.create("/k", "v")).action, "create");
    assert.equal((await keys.get("/k")).node.value, "v");
  });
}
