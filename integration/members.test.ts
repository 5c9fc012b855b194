import assert from "node:assert/strict";
import test, { after, before } from "node:test";
import type { Cluster, Member as EtcdProcess } from "./test-kit/etcd.js";
import { Client, ClusterError, EtcdError, KeysAPI, MembersAPI, type Member } from "../src/core/index.js";
import { rejection } from "../src/test-kit/scripted-cluster.js";
import { until } from "../src/test-kit/waiting.js";
import { calmCluster, statusesIn } from "./fast-cluster.js";

let cluster: Cluster;
let client: Client;
let members: MembersAPI;

before(async () => {
  cluster = await calmCluster();
  // longer than etcd holds a change while there is no leader
  client = new Client({ endpoints: cluster.endpoints, headerTimeoutMs: 20_000 });
  members = new MembersAPI(client);
});

after(async () => {
  await client.close();
  await cluster.stop();
});

/** etcd refuses a change with 500 until the other members have been connected for 5 s. A test that makes a change waits for that. */
async function allowed<T>(what: string, change: () => Promise<T>): Promise<T> {
  const { result } = await until(what, async () => {
    try {
      return { result: await change() };
    } catch (error) {
      if (statusesIn(error).includes(500)) return undefined;
      throw error;
    }
  });
  return result;
}

/** An endpoint lists a change only once it has applied it, so this reads lists until one contains it. */
function listed(what: string, fits: (list: readonly Member[]) => boolean): Promise<readonly Member[]> {
  return until(what, async () => {
    const list = await members.list();
    return fits(list) && list;
  });
}

async function idOf(process: EtcdProcess): Promise<string> {
  const found = (await members.list()).find(({ peerURLs }) => peerURLs.includes(process.peerUrl));
  assert.ok(found);
  return found.id;
}

test("members: list returns every member with its URLs, and leader returns one of them (1.6)", async () => {
  const list = await listed("all say their URLs", (all) => all.every(({ clientURLs }) => clientURLs.length > 0));
  const seen = list.map(({ name, peerURLs, clientURLs }) => ({ name, peerURLs, clientURLs }));
  const expected = cluster.members.map(({ name, peerUrl, url }) => ({ name, peerURLs: [peerUrl], clientURLs: [url] }));
  assert.deepEqual(
    seen.toSorted((a, b) => a.name.localeCompare(b.name)),
    expected,
  );
  for (const { id } of list) assert.match(id, /^[1-9a-f][0-9a-f]{0,15}$/);

  const leader = await until("the members agree on the leader", async () => {
    const { name } = await cluster.leader();
    const found = await members.leader();
    return found.name === name && found;
  });
  assert.deepEqual(
    leader,
    list.find((member) => member.id === leader.id),
  );
});

test("members: an unknown id is 404 and a URL in use 409, each with etcd's message (1.6)", async () => {
  const unknown = await rejection(members.remove("abc"), EtcdError);
  assert.deepEqual([unknown.status, unknown.serverMessage], [404, "No such member: abc"]);
  assert.equal((await rejection(members.update("abc", ["http://127.0.0.1:1"]), EtcdError)).status, 404);
  assert.equal((await rejection(members.remove("no hex"), EtcdError)).status, 404);

  const [first, second] = cluster.members;
  assert.ok(first && second);
  const inUse = await rejection(
    allowed("an answer to update", async () => members.update(await idOf(first), [second.peerUrl])),
    EtcdError,
  );
  assert.deepEqual([inUse.status, inUse.serverMessage], [409, "membership: peerURL exists"]);
  const again = await rejection(
    allowed("an answer to add", () => members.add(first.peerUrl)),
    EtcdError,
  );
  assert.deepEqual([again.status, again.serverMessage], [409, "membership: peerURL exists"]);
  assert.equal((await members.list()).length, 3);
});

test("members: a member is added, started, listed, updated with another URL, and removed (1.6)", async () => {
  const fourth = await cluster.addMember();
  const added = await allowed("the cluster accepts a fourth member", () => members.add(` ${fourth.peerUrl} `));
  assert.deepEqual(added, { id: added.id, name: "", peerURLs: [fourth.peerUrl], clientURLs: [] });
  await listed("it is listed without a name", (list) => list.some(({ id, name }) => id === added.id && name === ""));

  // strict reconfiguration: one at a time
  const refused = await rejection(members.add("http://127.0.0.1:9"), ClusterError);
  assert.deepEqual(statusesIn(refused), [500]);
  assert.match(refused.message, /Internal Server Error/);
  assert.equal(refused.outcome, "unknown");

  await fourth.start();
  const list = await listed("it has a name", (all) => all.some(({ id, name }) => id === added.id && name !== ""));
  assert.deepEqual(
    list.find(({ id }) => id === added.id),
    { id: added.id, name: fourth.name, peerURLs: [fourth.peerUrl], clientURLs: [fourth.url] },
  );
  await until("sync takes it", async () => {
    await client.sync();
    return client.endpoints.includes(fourth.url);
  });
  const keys = new KeysAPI(client);
  const own = new Client({ endpoints: [fourth.url], headerTimeoutMs: 20_000 });
  const { node } = await keys.set("/through-all", "v");
  assert.deepEqual((await new KeysAPI(own).get("/through-all", { quorum: true })).node, node);
  await own.close();

  const urls = [fourth.peerUrl, "http://127.0.0.1:9"];
  await allowed("the cluster accepts another URL", () => members.update(added.id, urls));
  await listed("both URLs are listed", (all) =>
    all.some(({ id, peerURLs }) => id === added.id && peerURLs.toSorted().join() === urls.toSorted().join()),
  );
  await allowed("the cluster accepts the old URL again", () => members.update(added.id, [fourth.peerUrl]));

  await allowed("the cluster removes it", () => members.remove(added.id));
  await listed("it is gone", (all) => !all.some(({ id }) => id === added.id));
  await until("its process ends", () => fourth.pid === undefined);
  await until("sync lets it go", async () => {
    await client.sync();
    return !client.endpoints.includes(fourth.url);
  });

  // 410 from the server: the member is already removed
  await members.remove(added.id);
  assert.deepEqual(statusesIn(await rejection(members.update(added.id, [fourth.peerUrl]), ClusterError)), [500]);
});

test("members: replacing a dead member loses no write (1.6)", async () => {
  const keys = new KeysAPI(client);
  const { node } = await keys.set("/kept", "v");
  const [first, second, dead] = cluster.members;
  assert.ok(first && second && dead);
  const deadId = await idOf(dead);
  await dead.kill();
  await cluster.leader();
  await allowed("the dead one is removed", () => members.remove(deadId));
  await listed("it is gone", (list) => list.length === 2);
  const fresh = await cluster.addMember({ among: [first, second] });
  await allowed("another is added", () => members.add(fresh.peerUrl));
  await fresh.start();
  await listed("three have names again", (list) => list.filter(({ name }) => name !== "").length === 3);
  const own = new Client({ endpoints: [fresh.url], headerTimeoutMs: 20_000 });
  assert.deepEqual((await new KeysAPI(own).get("/kept", { quorum: true })).node, node);
  await own.close();
});
