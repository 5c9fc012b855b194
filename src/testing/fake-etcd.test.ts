import assert from "node:assert/strict";
import { connect } from "node:net";
import { networkInterfaces } from "node:os";
import test from "node:test";
import { AuthAPI, AuthRoleAPI, Client, KeysAPI, UsageError } from "../core/index.js";
import { startChild } from "../test-kit/child.js";
import { patience, until } from "../test-kit/waiting.js";
import { createFakeEtcd, startFakeEtcd } from "./fake-etcd.js";
import { fakeBy, ways } from "./test-kit/fakes.js";

test("fake etcd: ten fakes started at once have ten ports of 127.0.0.1, and all respond to /health (X1)", async () => {
  const fakes = await Promise.all(Array.from({ length: 10 }, () => startFakeEtcd()));
  const urls = fakes.flatMap(({ endpoints }) => endpoints);
  assert.equal(new Set(urls).size, 10);
  for (const url of urls) {
    assert.match(url, /^http:\/\/127\.0\.0\.1:\d+$/);
    assert.equal(await (await fetch(`${url}/health`)).text(), '{"health":"true"}');
  }
  await Promise.all(fakes.map((fake) => fake.close()));
});

for (const way of ways)
  test(`fake etcd over ${way}: close ends polls, refuses later requests, and is idempotent (X2)`, async () => {
    await using fake = await fakeBy(way);
    const { etcd, keys } = fake;
    const event = keys
      .watcher("/a")
      .next(patience())
      .catch((error: unknown) => error);
    await etcd.untilWatched("/a", { signal: patience() });
    await etcd.close();
    await etcd.close();
    await assert.rejects(keys.get("/a"), { code: "ERR_CLUSTER_UNAVAILABLE" });
    await fake.client.close();
    assert.ok((await event) instanceof Error);
    assert.throws(() => {
      etcd.load({ "/a": "1" });
    }, UsageError);
  });

test("fake etcd: a process that forgets to close its fakes exits all the same (X3)", async (t) => {
  const { ended } = startChild(t, "../testing/test-kit/forgotten-program.js");
  const { status, stdout, stderr } = await ended;
  assert.deepEqual([status, stderr], [0, ""]);
  assert.match(stdout, /"value":"1"/);
});

test("fake etcd: its transport and its HTTP server share one store (X6)", async () => {
  await using etcd = await startFakeEtcd();
  await using overHttp = new Client({ endpoints: etcd.endpoints });
  await using inMemory = new Client({ endpoints: etcd.endpoints, transport: etcd.transport });
  await new KeysAPI(overHttp).set("/a", "1");
  assert.equal((await new KeysAPI(inMemory).get("/a")).node.value, "1");
});

test("fake etcd: initial keys can be read, and are not events (X7)", async () => {
  await using fake = await fakeBy("transport", {
    keys: { "/a/b": "1", c: { value: "2", ttl: 100 }, "/d": { dir: true } },
  });
  const read = await fake.keys.get("/", { recursive: true, sort: true });
  assert.deepEqual(
    read.node.nodes.map(({ key, value, dir, ttl }) => [key, value, dir, ttl]),
    [
      ["/a", "", true, undefined],
      ["/c", "2", false, 100],
      ["/d", "", true, undefined],
    ],
  );
  assert.ok(read.index > 0);
  await assert.rejects(fake.keys.watcher("/a", { recursive: true, afterIndex: 1 }).next(patience()), {
    errorCode: 401,
  });
});

test("fake etcd: dump has only files, hidden ones too, by key (X8)", async () => {
  await using fake = await fakeBy("transport");
  const { etcd, keys } = fake;
  for (const key of ["/b", "/a/_h", "/a/x", "/gone"]) await keys.set(key, `value of ${key}`);
  await keys.delete("/gone");
  await keys.set("/dir", "", { dir: true });
  assert.deepEqual(Object.entries(etcd.dump()), [
    ["/a/_h", "value of /a/_h"],
    ["/a/x", "value of /a/x"],
    ["/b", "value of /b"],
  ]);
});

for (const way of ways)
  test(`fake etcd over ${way}: load writes as another client would: watchers get events, each key takes one index (X9)`, async () => {
    await using fake = await fakeBy(way);
    const { etcd, keys } = fake;
    const event = keys.watcher("/a").next(patience());
    await etcd.untilWatched("/a", { signal: patience() });
    const before = etcd.index;
    etcd.load({ "/a": "1", "/b/c": { value: "2", ttl: 5 }, "/d": { dir: true } });
    assert.equal(etcd.index, before + 3);
    const { action, node } = await event;
    assert.deepEqual([action, node.value, node.modifiedIndex], ["set", "1", before + 1]);
  });

for (const way of ways)
  test(`fake etcd over ${way}: reset starts afresh on the same endpoints, and the index does not go back (X10)`, async () => {
    await using fake = await fakeBy(way, { members: 3 });
    const { etcd, keys } = fake;
    const { endpoints } = etcd;
    await keys.set("/a", "1", { ttl: 100 });
    const cut = new Promise<void>((resolve) => {
      const [endpoint = ""] = endpoints;
      const spec = { method: "GET", path: "/v2/keys/a", query: "wait=true", longPoll: true } as const;
      void etcd.transport(new URL(`${endpoint}/v2/keys/a?wait=true`), spec, undefined).then(({ truncated }) => {
        assert.equal(truncated, true);
        resolve();
      });
    });
    await etcd.untilWatched("/a", { signal: patience() });
    etcd.fail({}, { kind: "status", status: 502 }, { times: Infinity });
    await etcd.members[1]?.kill();
    const { index } = etcd;
    etcd.reset();
    await cut;
    assert.deepEqual([etcd.dump(), etcd.requests, etcd.endpoints], [{}, [], endpoints]);
    assert.ok(etcd.index >= index);
    await until("all members answer", async () => {
      const answers = await Promise.all(
        endpoints.map((endpoint) =>
          fake
            .clientWith({ endpoints: [endpoint] })
            .version()
            .then(
              () => true,
              () => false,
            ),
        ),
      );
      return answers.every(Boolean);
    });
    await keys.create("/a", "2");
    await assert.rejects(keys.watcher("/a", { afterIndex: index - 1 }).next(patience()), { errorCode: 401 });
  });

for (const way of ways)
  test(`fake etcd over ${way}: requests has one entry for each, also for refused and faulted ones, without passwords (X11)`, async () => {
    await using fake = await fakeBy(way, { root: "secret" });
    const { etcd } = fake;
    const keys = new KeysAPI(fake.clientWith({ username: "root", password: "secret" }));
    await keys.set("/a b/c", "1", { ttl: 5, prevExist: false });
    await assert.rejects(keys.get("/none", { recursive: true }));
    etcd.fail({ key: "/none" }, { kind: "status", status: 503 });
    await assert.rejects(keys.get("/none"));
    assert.deepEqual(
      etcd.requests.map(({ atMs, ...rest }) => ({ ...rest, now: Math.abs(Date.now() - atMs) < 60_000 })),
      [
        {
          member: "m1",
          method: "PUT",
          path: "/v2/keys/a b/c",
          key: "/a b/c",
          query: { prevExist: "false" },
          form: { ttl: "5", value: "1" },
          user: "root",
          status: 201,
          now: true,
        },
        ...[404, 503].map((status) => ({
          member: "m1",
          method: "GET",
          path: "/v2/keys/none",
          key: "/none",
          query: { quorum: "false", recursive: String(status === 404), sorted: "false" },
          form: {},
          user: "root",
          status,
          now: true,
        })),
      ],
    );
    assert.ok(!JSON.stringify(etcd.requests).includes("secret"));
  });

test("fake etcd: untilWatched resolves once a watch waits, and rejects with its signal's reason (X12)", async () => {
  await using fake = await fakeBy("transport");
  const { etcd, keys } = fake;
  const before = etcd.untilWatched("/a/", { signal: patience() });
  const event = keys.watcher("/a").next(patience());
  await before;
  await etcd.untilWatched("a");
  etcd.load({ "/a": "1" });
  await event;
  const reason = new Error("enough");
  const aborted = new AbortController();
  const waiting = etcd.untilWatched("/a", { signal: aborted.signal });
  aborted.abort(reason);
  await assert.rejects(waiting, reason);
  await assert.rejects(etcd.untilWatched("/a", { signal: aborted.signal }), reason);
  const forever = etcd.untilWatched("/b");
  await etcd.close();
  await assert.rejects(forever, { code: "ERR_CLOSED" });
});

test("fake etcd: untilWatched counts polls at the server: a client's watchers from one index share one (X13)", async () => {
  await using fake = await fakeBy("transport");
  const { etcd, client, keys, clientWith } = fake;
  const { index } = await keys.set("/a", "0");
  const watchers = [client, client, clientWith({})].map((each) =>
    new KeysAPI(each).watcher("/a", { afterIndex: index }),
  );
  const events = watchers.map((watcher) => watcher.next(patience()));
  await etcd.untilWatched("/a", { count: 2, signal: patience() });
  await assert.rejects(etcd.untilWatched("/a", { count: 3, signal: AbortSignal.timeout(50) }), {
    name: "TimeoutError",
  });
  etcd.load({ "/a": "1" });
  assert.deepEqual(
    (await Promise.all(events)).map(({ node }) => node.value),
    ["1", "1", "1"],
  );
});

for (const way of ways)
  test(`fake etcd over ${way}: a root password turns auth on; guests may read and write until their role is narrowed (X42)`, async () => {
    await using fake = await fakeBy(way, { root: "pw" });
    const root = fake.clientWith({ username: "root", password: "pw" });
    assert.equal(await new AuthAPI(root).status(), true);
    await fake.keys.set("/a", "1");
    await new AuthRoleAPI(root).revokeKV("guest", ["/*"], "readWrite");
    await assert.rejects(fake.keys.get("/a"), { errorCode: 110 });
    assert.equal((await new KeysAPI(root).get("/a")).node.value, "1");
    const wrong = new KeysAPI(fake.clientWith({ username: "root", password: "no" }));
    await assert.rejects(wrong.get("/a"), { errorCode: 110 });
  });

for (const way of ways)
  test(`fake etcd over ${way}: a value of 1 MiB and text beyond the BMP are read back unchanged (X45)`, async () => {
    await using fake = await fakeBy(way);
    for (const value of ["x".repeat(2 ** 20), "😀é\u2028<&>\0\r\n\ufffd"]) {
      await fake.keys.set("/v", value);
      assert.equal((await fake.keys.get("/v")).node.value, value);
    }
  });

test("fake etcd: wrong arguments are usage errors of the call itself (X53)", async () => {
  const bad: readonly object[] = [
    { keys: { "/f": "1", "/f/x": "2" } },
    { keys: { "/a": { value: "1", ttl: -1 } } },
    { keys: { "/a": { value: "1", ttl: 1.5 } } },
    { keys: { "/a": { values: "1" } } },
    { keys: { "/a": { dir: true, value: "1" } } },
    { keys: { "/": "1" } },
    { keys: { "/a": "\ud800" } },
    { member: 3 },
    { members: 0 },
    { version: "3.6" },
    { historySize: 0 },
    { root: "" },
    { v2: 1 },
    { electionTimeoutMs: Infinity },
  ];
  for (const options of bad) {
    assert.throws(() => createFakeEtcd(options), UsageError, JSON.stringify(options));
    await assert.rejects(startFakeEtcd(options), UsageError);
  }
  await using etcd = createFakeEtcd();
  await assert.rejects(etcd.tick(1), UsageError);
  assert.throws(() => {
    etcd.expire("/none");
  }, UsageError);
  assert.throws(() => etcd.fail({ keys: "/a" } as object, { kind: "v2Off" }), UsageError);
  assert.throws(() => etcd.fail({}, { kind: "v2Off" }, { times: 0 }), UsageError);
  assert.throws(() => etcd.fail({ key: "/a" }, { kind: "refuse" }), UsageError);
});

test("fake etcd: fifty concurrent createInOrder calls get fifty names, in the order of their indexes (X54)", async () => {
  await using fake = await fakeBy("http");
  const made = await Promise.all(Array.from({ length: 50 }, () => fake.keys.createInOrder("/q", "v")));
  const names = made.toSorted((a, b) => a.node.createdIndex - b.node.createdIndex).map(({ node }) => node.key);
  assert.equal(new Set(names).size, 50);
  assert.deepEqual(names, names.toSorted());
});

test("fake etcd: only clients on the loopback interface get a response (X55)", async () => {
  await using etcd = await startFakeEtcd();
  const { port } = new URL(etcd.endpoints[0] ?? "");
  const others = Object.values(networkInterfaces()).flatMap((list) => (list ?? []).filter(({ internal }) => !internal));
  for (const host of [
    "::1",
    ...others.map(({ address, scopeid }) => (scopeid ? `${address}%${String(scopeid)}` : address)),
  ])
    await new Promise<void>((resolve, reject) => {
      const socket = connect({ host, port: Number(port) });
      socket.once("connect", () => {
        socket.destroy();
        reject(new Error(`answered on ${host}`));
      });
      socket.once("error", () => {
        resolve();
      });
    });
});
