import assert from "node:assert/strict";
import test from "node:test";
import { ClusterError, EndpointError, KeysAPI, MembersAPI, type KeysResponse } from "../core/index.js";
import { patience, until } from "../test-kit/waiting.js";
import { manualClock } from "./clock.js";
import type { FakeMember } from "./fake-member.js";
import { fakeBy, ways, type FakeWithClient } from "./test-kit/fakes.js";

/** The keys API of a client that uses one member only. */
function keysAt({ clientWith }: FakeWithClient, member: FakeMember | undefined): KeysAPI {
  return new KeysAPI(clientWith({ endpoints: [member?.endpoint ?? ""] }));
}

async function refusalOf(call: Promise<unknown>): Promise<EndpointError> {
  const error: unknown = await call.then(
    () => assert.fail("it did not fail"),
    (reason: unknown) => reason,
  );
  assert.ok(error instanceof ClusterError, String(error));
  const [first] = error.errors;
  assert.ok(first instanceof EndpointError);
  return first;
}

function leaderOf({ etcd }: FakeWithClient): FakeMember {
  return etcd.members.find(({ isLeader }) => isLeader) ?? assert.fail("no member leads");
}

function followersOf({ etcd }: FakeWithClient): readonly FakeMember[] {
  return etcd.members.filter(({ isLeader }) => !isLeader);
}

for (const way of ways) {
  test(`fake etcd over ${way}: one of three members leads, all name it, and a client can pin it (X33)`, async () => {
    await using fake = await fakeBy(way, { members: 3 });
    assert.equal(fake.etcd.members.filter(({ isLeader }) => isLeader).length, 1);
    const leader = leaderOf(fake);
    for (const endpoint of fake.etcd.endpoints) {
      const members = new MembersAPI(fake.clientWith({ endpoints: [endpoint] }));
      assert.equal((await members.leader()).id, leader.id);
      assert.deepEqual(
        (await members.list()).map(({ clientURLs }) => clientURLs[0]).toSorted(),
        fake.etcd.endpoints.toSorted(),
      );
    }
    const client = fake.clientWith({ selectionMode: "prioritizeLeader" });
    await client.sync();
    const keys = new KeysAPI(client);
    await keys.set("/a", "1");
    assert.equal(fake.etcd.requests.find(({ key }) => key === "/a")?.member, leader.name);
  });

  test(`fake etcd over ${way}: if the leader is killed, another one leads, and a write sent during the election succeeds (X34)`, async () => {
    await using fake = await fakeBy(way, { members: 3, electionTimeoutMs: 100 });
    const before = leaderOf(fake);
    const [follower] = followersOf(fake);
    await before.kill();
    assert.ok(fake.etcd.members.every(({ isLeader }) => !isLeader));
    assert.equal((await keysAt(fake, follower).set("/a", "1")).action, "set");
    assert.notEqual(leaderOf(fake), before);
  });

  test(`fake etcd over ${way}: without a majority writes fail after a while, and reads succeed (X35)`, async () => {
    await using fake = await fakeBy(way, { members: 3 });
    await fake.keys.set("/a", "1");
    const [first, second, last] = fake.etcd.members;
    await Promise.all([first?.kill(), second?.kill()]);
    const keys = keysAt(fake, last);
    const refusal = await refusalOf(keys.create("/b", "1"));
    assert.deepEqual(
      [refusal.status, refusal.errorCode, refusal.serverCause, refusal.outcome],
      [500, 300, "etcdserver: request timed out", "unknown"],
    );
    assert.equal((await keys.get("/a")).node.value, "1");
    const client = fake.clientWith({ endpoints: [last?.endpoint ?? ""] });
    assert.equal((await refusalOf(new MembersAPI(client).leader())).status, 503);
    assert.equal((await refusalOf(client.send({ method: "GET", path: "/health" }))).status, 503);
  });

  test(`fake etcd over ${way}: a restarted member has what it missed, and watches there get each event once (X36)`, async () => {
    await using fake = await fakeBy(way, { members: 3 });
    const { etcd } = fake;
    const [follower] = followersOf(fake);
    const { index } = await fake.keys.set("/a", "0");
    await follower?.kill();
    for (let write = 1; write <= 5; write++) etcd.load({ "/a": String(write) });
    await follower?.start();
    await follower?.start();
    const watcher = keysAt(fake, follower).watcher("/a", { afterIndex: index });
    const events: KeysResponse[] = [];
    for (let event = 1; event <= 5; event++) events.push(await watcher.next(patience()));
    etcd.load({ "/a": "6" });
    events.push(await watcher.next(patience()));
    assert.deepEqual(
      events.map(({ node }) => node.value),
      ["1", "2", "3", "4", "5", "6"],
    );
  });

  test(`fake etcd over ${way}: an isolated follower returns old values until it joins (X37)`, async () => {
    await using fake = await fakeBy(way, { members: 3 });
    await fake.keys.set("/a", "old");
    const [follower] = followersOf(fake);
    const keys = keysAt(fake, follower);
    follower?.isolate();
    fake.etcd.load({ "/a": "new" });
    assert.equal((await keys.get("/a", { quorum: false })).node.value, "old");
    assert.equal((await refusalOf(keys.get("/a", { quorum: true }))).errorCode, 300);
    follower?.join();
    assert.equal((await keys.get("/a", { quorum: false })).node.value, "new");
  });

  for (const heldWrites of ["drop", "apply"] as const)
    test(`fake etcd over ${way}: an isolated leader is replaced, and the writes it received are ${heldWrites === "drop" ? "dropped" : "applied"} when it joins (X38)`, async () => {
      await using fake = await fakeBy(way, { members: 3 });
      await fake.keys.set("/a", "old");
      const before = leaderOf(fake);
      const keys = keysAt(fake, before);
      before.isolate({ heldWrites });
      const refusal = await refusalOf(keys.create("/held", "1"));
      assert.equal(refusal.outcome, "unknown");
      await until("the others elect a leader", () => fake.etcd.members.some(({ isLeader }) => isLeader));
      fake.etcd.load({ "/a": "new" });
      assert.equal((await keys.get("/a", { quorum: false })).node.value, "old");
      before.join();
      assert.equal((await keys.get("/a")).node.value, "new");
      assert.equal(before.isLeader, false);
      assert.deepEqual(fake.etcd.dump(), heldWrites === "drop" ? { "/a": "new" } : { "/a": "new", "/held": "1" });
    });

  test(`fake etcd over ${way}: a lagging member is behind in reads and watches, and a write through it waits (X39)`, async () => {
    await using fake = await fakeBy(way, { members: 3 });
    const [follower] = followersOf(fake);
    const keys = keysAt(fake, follower);
    const { index } = await fake.keys.set("/a", "0");
    follower?.lag(true);
    const event = keys.watcher("/a").next(patience());
    await fake.etcd.untilWatched("/a", { signal: patience() });
    fake.etcd.load({ "/a": "1" });
    const read = await keys.get("/a", { quorum: false });
    assert.deepEqual([read.node.value, read.index], ["0", index]);
    const write = keys.set("/b", "1");
    await until("the others have it", () => fake.etcd.dump()["/b"] === "1");
    const first = await Promise.race([write, event, Promise.resolve("nothing yet")]);
    assert.equal(first, "nothing yet");
    follower?.lag(false);
    assert.equal((await event).node.value, "1");
    assert.equal((await write).node.value, "1");
  });

  test(`fake etcd over ${way}: a frozen member accepts requests, and responds when it thaws (X40)`, async () => {
    await using fake = await fakeBy(way, { members: 3 });
    const [member] = followersOf(fake);
    member?.freeze();
    const version = fake.clientWith({ endpoints: [member?.endpoint ?? ""], headerTimeoutMs: Infinity }).version();
    await until("the request has come", () => fake.etcd.requests.some(({ path }) => path === "/version"));
    assert.equal(await Promise.race([version, Promise.resolve("nothing yet")]), "nothing yet");
    member?.thaw();
    assert.match((await version).server, /^3\.4/);
  });

  test(`fake etcd over ${way}: a client that syncs follows members that are added and removed (X41)`, async () => {
    await using fake = await fakeBy(way, { members: 3, electionTimeoutMs: 1 });
    const { etcd, client } = fake;
    const members = new MembersAPI(client);
    const added = await until("the members have settled", () =>
      members.add("http://127.0.0.1:1").catch(() => undefined),
    );
    assert.deepEqual([added.name, added.clientURLs], ["", []]);
    const joined = etcd.members[3] ?? assert.fail("there is no fourth member");
    assert.equal(joined.id, added.id);
    await joined.start();
    await until("it has published its URL", async () => {
      await client.sync();
      return client.endpoints.includes(joined.endpoint);
    });
    await fake.keys.set("/a", "1");
    await until("it has the keys of the others", () =>
      keysAt(fake, joined)
        .get("/a", { quorum: false })
        .then(
          ({ node }) => node.value === "1",
          () => false,
        ),
    );
    const [follower] = followersOf(fake);
    await members.remove(follower?.id ?? "");
    await client.sync();
    assert.ok(!client.endpoints.includes(follower?.endpoint ?? ""));
    assert.deepEqual(client.endpoints.toSorted(), etcd.endpoints.toSorted());
    await assert.rejects(members.remove("abc"), { status: 404 });
    // removed before: that is a success
    await members.remove(follower?.id ?? "");
  });
}

test("fake etcd: without a leader no key expires; keys that are due expire once there is one again", async () => {
  await using fake = await fakeBy("transport", { members: 3, clock: manualClock() });
  await fake.keys.set("/a", "1", { ttl: 1 });
  const [first, ...others] = fake.etcd.members;
  await Promise.all(others.map((other) => other.kill()));
  const keys = keysAt(fake, first);
  await fake.etcd.tick(60_000);
  assert.equal((await keys.get("/a")).node.ttl, -59);
  await others[0]?.start();
  await fake.etcd.tick(10_000);
  assert.deepEqual(fake.etcd.dump(), {});
});
