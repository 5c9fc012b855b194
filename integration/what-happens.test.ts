// The README's table "what happens when ...": the rows that no other test covers.
import assert from "node:assert/strict";
import test, { type TestContext } from "node:test";
import type { Cluster, Member } from "./test-kit/etcd.js";
import {
  ClusterError,
  EndpointError,
  isCompareFailed,
  isNodeExist,
  KeysAPI,
  type Client,
  type ClientOptions,
  type KeysResponse,
} from "../src/core/index.js";
import { PeerNetwork } from "../src/test-kit/peer-network.js";
import { rejection, settled } from "../src/test-kit/scripted-cluster.js";
import { clientOf } from "../src/test-kit/scripted-server.js";
import { TcpProxy } from "../src/test-kit/tcp-proxy.js";
import { limitMs, patience, until } from "../src/test-kit/waiting.js";
import { calmCluster, fastCluster } from "./fast-cluster.js";

/** Keys of a client that tries these endpoints in this order. */
function keysAt(
  t: TestContext,
  endpoints: readonly string[],
  options: Partial<ClientOptions> = {},
): { readonly client: Client; readonly keys: KeysAPI } {
  const client = clientOf(endpoints, options);
  t.after(() => client.close());
  return { client, keys: new KeysAPI(client) };
}

/** A member that does not lead, and the URLs of the others. */
async function followerOf(
  cluster: Cluster,
): Promise<{ readonly follower: Member; readonly i: number; readonly others: readonly string[] }> {
  const leader = await cluster.leader();
  const i = cluster.members.findIndex((member) => member !== leader);
  const follower = cluster.members[i] ?? assert.fail();
  return { follower, i, others: cluster.endpoints.filter((url) => url !== follower.url) };
}

/** The result of a call, which is retried until etcd responds. */
function answered(call: () => Promise<unknown>): Promise<unknown> {
  return until("an answer", async () => {
    const result = await settled(call());
    return result instanceof ClusterError ? undefined : result;
  });
}

test("what happens when a member freezes: a set, create or swap is unknown after the header timeout; a set with resend goes to another one (FF11)", async (t) => {
  await using cluster = await calmCluster();
  const { follower, others } = await followerOf(cluster);
  const endpoints = [follower.url, ...others];
  const { node } = await keysAt(t, endpoints).keys.set("/swapped", "1");
  const options = { headerTimeoutMs: limitMs };
  const [resender, setter, creator, swapper] = [
    keysAt(t, endpoints, options),
    keysAt(t, endpoints, options),
    keysAt(t, endpoints, options),
    keysAt(t, endpoints, options),
  ];
  follower.freeze();

  const [set, ...refused] = await Promise.all([
    resender.keys.set("/resent", "v", { resend: true }),
    rejection(setter.keys.set("/set", "first"), ClusterError),
    rejection(creator.keys.create("/created", "v"), ClusterError),
    rejection(swapper.keys.set("/swapped", "2", { prevIndex: node.modifiedIndex }), ClusterError),
  ]);
  assert.equal(set.action, "set");
  for (const error of refused) {
    assert.equal(error.outcome, "unknown");
    assert.deepEqual(
      error.errors.map(({ code }) => code),
      ["ERR_HEADER_TIMEOUT"],
    );
  }
  // the next call begins with another endpoint, and acknowledged writes stay, whatever the frozen member does later
  await setter.keys.set("/set", "second");
  assert.notEqual(creator.client.endpoints[0], follower.url);
  assert.equal((await creator.keys.set("/next", "v")).action, "set");
  follower.thaw();
  // the frozen one has received them, and may apply them when it thaws; a second try shows which
  const again = await answered(() => creator.keys.create("/created", "v"));
  if (again instanceof Error) assert.ok(isNodeExist(again));
  const swapped = await answered(() => swapper.keys.set("/swapped", "2", { prevIndex: node.modifiedIndex }));
  if (swapped instanceof Error) assert.ok(isCompareFailed(swapped));
  // the first set was reported as unknown: it may be applied late, but it is not an acknowledged write that undoes
  // another
  assert.match((await creator.keys.get("/set", { quorum: true })).node.value, /^(?:first|second)$/);
});

test("what happens when a member freezes: its watch is silent until it thaws; with watchIdleTimeoutMs it goes to another one", async (t) => {
  await using cluster = await calmCluster();
  const { follower, others } = await followerOf(cluster);
  const { index } = await keysAt(t, [follower.url]).keys.set("/k", "1");
  const stays = keysAt(t, [follower.url, ...others]).keys.watcher("/k", { afterIndex: index });
  const leaves = keysAt(t, [follower.url, ...others], { watchIdleTimeoutMs: 500 }).keys.watcher("/k", {
    afterIndex: index,
  });
  follower.freeze();
  const silent = stays.next(patience(60_000));
  await keysAt(t, others).keys.set("/k", "2");
  assert.equal((await leaves.next(patience())).node.value, "2");
  follower.thaw();
  assert.equal((await silent).node.value, "2");
});

test("what happens when a member is isolated: a get returns old values, a quorum get goes to another member, a set is unknown and then goes there (FF11)", async (t) => {
  await using network = new PeerNetwork();
  await using cluster = await calmCluster({ advertisePeerUrl: network.advertise });
  const { follower, i, others } = await followerOf(cluster);
  const endpoints = [follower.url, ...others];
  const pinned = keysAt(t, endpoints);
  const leaving = keysAt(t, endpoints, { headerTimeoutMs: limitMs });
  const { index } = await pinned.keys.set("/k", "past");
  network.isolate(i, "silent");
  await keysAt(t, others).keys.set("/k", "present");

  assert.equal((await pinned.keys.get("/k")).node.value, "past");
  assert.equal(pinned.client.endpoints[0], follower.url);
  assert.equal((await leaving.keys.get("/k", { quorum: true })).node.value, "present");
  assert.notEqual(leaving.client.endpoints[0], follower.url);
  const setter = keysAt(t, endpoints, { headerTimeoutMs: limitMs });
  assert.equal((await rejection(setter.keys.set("/j", "v"), ClusterError)).outcome, "unknown");
  assert.equal((await setter.keys.set("/j", "w")).action, "set");

  // a watch at it is silent, and goes on where it was when the member is back
  const watcher = keysAt(t, [follower.url]).keys.watcher("/k", { afterIndex: index });
  const pending = watcher.next(patience(60_000));
  network.mend();
  assert.equal((await pending).node.value, "present");
});

test("what happens when the response is lost: a create or set is unknown, although it was applied; a set with resend goes to another member (FF11)", async (t) => {
  await using cluster = await calmCluster();
  const [first = "", ...others] = cluster.endpoints;
  await using door = await TcpProxy.start(first);
  const endpoints = [door.url, ...others];
  const [creator, setter, resender] = [
    keysAt(t, endpoints, { headerTimeoutMs: limitMs }),
    keysAt(t, endpoints, { headerTimeoutMs: limitMs }),
    keysAt(t, endpoints, { headerTimeoutMs: limitMs }),
  ];
  door.cut("mute");
  const [created, set, { node }] = await Promise.all([
    rejection(creator.keys.create("/created", "v"), ClusterError),
    rejection(setter.keys.set("/set", "v"), ClusterError),
    resender.keys.set("/resent", "v", { resend: true }),
  ]);
  assert.deepEqual([created.outcome, set.outcome], ["unknown", "unknown"]);
  assert.equal(node.value, "v");
  const { keys } = keysAt(t, others);
  await until(
    "the create is applied",
    async () => !((await settled(keys.get("/created", { quorum: true }))) instanceof Error),
  );
  assert.ok(isNodeExist(await answered(() => creator.keys.create("/created", "v"))));
});

test("what happens when all members die: every call fails at once and nothing is applied; a watcher goes on where it was when they are back", async (t) => {
  await using cluster = await fastCluster();
  const { client, keys } = keysAt(t, cluster.endpoints);
  const { index } = await keys.set("/dir/a", "1");
  const watcher = keys.watcher("/dir", { afterIndex: index, recursive: true });
  const watching = settled(watcher.next());
  await Promise.all(cluster.members.map((member) => member.kill()));

  const isRefused = (error: unknown): void => {
    assert.ok(error instanceof ClusterError);
    assert.deepEqual(
      error.errors.map((attempt) => attempt instanceof EndpointError && attempt.code),
      ["ERR_NETWORK", "ERR_NETWORK", "ERR_NETWORK"],
    );
    assert.equal(error.outcome, "notApplied");
  };
  // it may have seen the first one die, and have gone on to the others
  isRefused(await watching);
  for (const call of [
    () => keys.get("/dir/a"),
    () => keys.set("/dir/a", "2"),
    () => keys.create("/dir/b", "2"),
    () => watcher.next(),
  ])
    isRefused(await settled(call()));

  await Promise.all(cluster.members.map((member) => member.start()));
  const next = watcher.next(patience(60_000));
  await until<KeysResponse>("writes work again", () => keys.set("/dir/a", "3").catch(() => undefined));
  assert.equal((await next).node.value, "3");
  assert.equal((await keys.get("/dir/a", { quorum: true })).node.value, "3");
  assert.equal(client.endpoints.length, 3);
});
