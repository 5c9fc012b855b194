import assert from "node:assert/strict";
import { createServer } from "node:http";
import test from "node:test";
import { ClusterError, EndpointError, KeysAPI, ResponseError } from "../core/index.js";
import { limitMs, patience, until } from "../test-kit/waiting.js";
import type { Garbage } from "./faults.js";
import { fakeBy, ways } from "./test-kit/fakes.js";

/** What a failed call reports about its endpoints. */
async function errorsOf(call: Promise<unknown>): Promise<readonly EndpointError[]> {
  const error: unknown = await call.then(
    () => assert.fail("it did not fail"),
    (reason: unknown) => reason,
  );
  assert.ok(error instanceof ClusterError, String(error));
  return error.errors.filter((each) => each instanceof EndpointError);
}

for (const way of ways) {
  for (const kind of ["resetAfterApply", "closeAfterApply", "resetBeforeApply"] as const)
    test(`fault ${kind} over ${way}: the client does not know whether the write was applied; dump shows it (X20, X21)`, async () => {
      await using fake = await fakeBy(way);
      const { etcd, keys } = fake;
      const fault = etcd.fail({ key: "/a", method: "PUT" }, { kind });
      const [error] = await errorsOf(keys.create("/a", "1"));
      assert.deepEqual([error?.code, error?.outcome], ["ERR_NETWORK", "unknown"]);
      assert.deepEqual(etcd.dump(), kind === "resetBeforeApply" ? {} : { "/a": "1" });
      assert.equal(fault.hits, 1);
      assert.equal(etcd.requests[0]?.status, undefined);
    });

  test(`fault blackHole over ${way}: another member responds once the header timeout is over (X22)`, async () => {
    await using fake = await fakeBy(way, { members: 3 });
    const { etcd } = fake;
    etcd.load({ "/a": "1" });
    const client = fake.clientWith({ headerTimeoutMs: limitMs, endpoints: etcd.endpoints.slice(0, 2) });
    etcd.fail({ key: "/a" }, { kind: "blackHole" });
    assert.equal((await new KeysAPI(client).get("/a")).node.value, "1");
    const [first, second] = etcd.requests;
    assert.notEqual(first?.member, second?.member);
    assert.deepEqual([first?.status, second?.status], [undefined, 200]);
  });

  for (const applied of [false, true])
    test(`fault blackHole over ${way}, ${applied ? "after" : "before"} the write is applied: the response comes when it is healed (X23)`, async () => {
      await using fake = await fakeBy(way);
      const { etcd, keys } = fake;
      const fault = etcd.fail({ key: "/a" }, { kind: "blackHole", applied });
      const writing = keys.set("/a", "1");
      await until("the request has come", () => fault.hits === 1);
      await until("it is applied if the fault says so", () => Object.keys(etcd.dump()).length === Number(applied));
      fault.heal();
      assert.equal((await writing).action, "set");
      assert.deepEqual(etcd.dump(), { "/a": "1" });
    });

  for (const kind of ["cutBody", "emptyBody"] as const)
    test(`fault ${kind} of a watch over ${way}: the watcher goes on, and loses no event (X24)`, async () => {
      await using fake = await fakeBy(way);
      const { etcd, keys } = fake;
      const { index } = await keys.set("/a", "0");
      const fault = etcd.fail({ key: "/a", watch: true }, { kind }, { times: 2 });
      const watcher = keys.watcher("/a", { afterIndex: index });
      const event = watcher.next(patience());
      await until("the poll was cut twice", () => fault.hits === 2);
      etcd.load({ "/a": "1" });
      assert.equal((await event).node.value, "1");
      etcd.load({ "/a": "2" });
      assert.equal((await watcher.next(patience())).node.value, "2");
    });

  test(`fault cutBody over ${way}: status, headers and some bytes, then a reset`, async () => {
    await using fake = await fakeBy(way);
    const { etcd, keys } = fake;
    etcd.load({ "/a": "1" });
    etcd.fail({ key: "/a" }, { kind: "cutBody", bytes: 10 });
    const [error] = await errorsOf(keys.get("/a"));
    assert.deepEqual([error?.code, error?.outcome], ["ERR_NETWORK", "notApplied"]);
  });

  test(`fault slowHeaders over ${way}: an abort during the wait rejects with the reason at once, and the member notices (X25)`, async () => {
    await using fake = await fakeBy(way);
    const { etcd, keys } = fake;
    const fault = etcd.fail({ key: "/a" }, { kind: "slowHeaders", ms: 600_000 });
    const aborted = new AbortController();
    const reading = keys.get("/a", { signal: aborted.signal });
    await until("the request has come", () => fault.hits === 1);
    const reason = new Error("enough");
    aborted.abort(reason);
    await assert.rejects(reading, reason);
    assert.equal(etcd.requests[0]?.status, undefined);
  });

  test(`fault slowBody over ${way}: the body comes later than the headers`, async () => {
    await using fake = await fakeBy(way);
    const { etcd, keys } = fake;
    etcd.load({ "/a": "1" });
    etcd.fail({ key: "/a" }, { kind: "slowBody", ms: 60 });
    const startMs = performance.now();
    assert.equal((await keys.get("/a")).node.value, "1");
    assert.ok(performance.now() - startMs > 50);
  });

  test(`fault status over ${way}: a proxy's page is a failure of the endpoint, not a response of etcd (X26)`, async () => {
    await using fake = await fakeBy(way);
    const { etcd, keys } = fake;
    const body = "<html><h1>502 Bad Gateway</h1></html>";
    etcd.fail({ method: "GET" }, { kind: "status", status: 502, body, type: "text/html" });
    const [error] = await errorsOf(keys.get("/a"));
    assert.deepEqual([error?.code, error?.status], ["ERR_SERVER", 502]);
    await keys.set("/a", "1");
  });

  test(`fault raftError over ${way}: 500 with error code 300; the key still appears if the fault says so (X27)`, async () => {
    await using fake = await fakeBy(way);
    const { etcd, keys } = fake;
    etcd.fail({ key: "/a" }, { kind: "raftError", cause: "etcdserver: request timed out", applied: true });
    const [error] = await errorsOf(keys.create("/a", "1"));
    assert.deepEqual(
      [error?.status, error?.errorCode, error?.serverCause, error?.outcome],
      [500, 300, "etcdserver: request timed out", "unknown"],
    );
    await until("the write is applied afterwards", () => etcd.dump()["/a"] === "1");
    etcd.fail({ key: "/b" }, { kind: "raftError" });
    await errorsOf(keys.create("/b", "1"));
    assert.equal(etcd.dump()["/b"], undefined);
  });

  test(`fault redirect over ${way}: one to another member is followed with credentials, one to nowhere is a failure (X28)`, async () => {
    await using fake = await fakeBy(way, { members: 2, root: "pw" });
    const { etcd } = fake;
    const [first = "", second = ""] = etcd.endpoints;
    const client = fake.clientWith({ endpoints: [first, second], username: "root", password: "pw" });
    const keys = new KeysAPI(client);
    etcd.fail({ member: "m1" }, { kind: "redirect", status: 307, location: second }, { times: Infinity });
    for (let write = 0; write < 4; write++) await keys.set("/a", String(write));
    assert.ok(
      etcd.requests
        .filter(({ key }) => key === "/a")
        .every(({ member, user, status }) => user === "root" && (member === "m1") === (status === 307)),
    );
    assert.equal((await keys.get("/a")).node.value, "3");
    etcd.fail({}, { kind: "redirect", status: 302 }, { times: Infinity });
    const [error] = await errorsOf(keys.get("/a"));
    assert.equal(error?.code, "ERR_BAD_REDIRECT");
  });

  for (const what of ["notJson", "twoObjects", "numberForText", "hugeIndex"] as const satisfies readonly Garbage[])
    test(`fault garbage over ${way}, ${what}: a response error, never a crash (X29)`, async () => {
      await using fake = await fakeBy(way);
      fake.etcd.fail({}, { kind: "garbage", what });
      await assert.rejects(fake.keys.get("/a"), ResponseError);
    });

  test(`fault v2Off over ${way}: the client's error hints at --enable-v2 (X30)`, async () => {
    await using fake = await fakeBy(way);
    fake.etcd.fail({}, { kind: "v2Off" });
    await assert.rejects(fake.keys.get("/a"), /--enable-v2/);
    await using off = await fakeBy(way, { v2: false });
    await assert.rejects(off.keys.get("/a"), /--enable-v2/);
    assert.match((await off.client.version()).server, /^3\.4/);
  });

  test(`faults over ${way}: with times 2, two of three calls fail; with Infinity all fail until it is healed (X31)`, async () => {
    await using fake = await fakeBy(way);
    const { etcd, keys } = fake;
    etcd.load({ "/a": "1" });
    etcd.fail({ key: "/a" }, { kind: "status", status: 503 }, { times: 2 });
    await errorsOf(keys.get("/a"));
    await errorsOf(keys.get("/a"));
    await keys.get("/a");
    const fault = etcd.fail({ key: "/a*", method: "GET" }, { kind: "status", status: 503 }, { times: Infinity });
    for (let call = 0; call < 5; call++) await errorsOf(keys.get("/a"));
    fault.heal();
    fault.heal();
    await keys.get("/a");
    assert.equal(fault.hits, 5);
  });

  test(`faults over ${way}: of two that match, the one set up last applies (X32)`, async () => {
    await using fake = await fakeBy(way);
    const { etcd, keys } = fake;
    etcd.fail({ key: "/a" }, { kind: "status", status: 501 });
    etcd.fail({ key: "/*" }, { kind: "status", status: 502 });
    const statuses: (number | undefined)[] = [];
    for (let call = 0; call < 2; call++) statuses.push((await errorsOf(keys.get("/a")))[0]?.status);
    assert.deepEqual(statuses, [502, 501]);
  });

  test(`faults over ${way}: a header can be sent twice, or left out`, async () => {
    await using fake = await fakeBy(way);
    const { etcd, keys } = fake;
    etcd.load({ "/a": "1" });
    etcd.fail({ key: "/a" }, { kind: "noIndexHeader" });
    assert.equal((await keys.get("/a")).index, 0);
    etcd.fail({ key: "/a" }, { kind: "duplicateHeaders" });
    assert.equal((await keys.get("/a")).node.value, "1");
  });

  test(`fault refuse over ${way}: connecting fails until it is healed, and nothing is applied`, async () => {
    await using fake = await fakeBy(way, { members: 2 });
    const { etcd } = fake;
    const keys = new KeysAPI(fake.clientWith({ endpoints: etcd.endpoints.slice(0, 1) }));
    await keys.set("/a", "1");
    const fault = etcd.fail({ member: "m1" }, { kind: "refuse" });
    // over a kept connection the client could not know
    const other = new KeysAPI(fake.clientWith({ endpoints: etcd.endpoints.slice(0, 1) }));
    const [error] = await errorsOf(other.create("/b", "1"));
    assert.deepEqual([error?.code, error?.outcome], ["ERR_NETWORK", "notApplied"]);
    fault.heal();
    await until("it takes connections again", () =>
      keys.set("/b", "1").then(
        () => true,
        () => false,
      ),
    );
  });
}

test("fault redirect: to a foreign origin no credentials are sent (X28)", async (t) => {
  const seen: (string | undefined)[] = [];
  const foreign = createServer((request, response) => {
    seen.push(request.headers.authorization);
    response.end('{"action":"get","node":{"key":"/a","value":"foreign"}}');
  });
  t.after(() => {
    foreign.closeAllConnections();
    foreign.close();
  });
  await new Promise<void>((resolve) => foreign.listen(0, "127.0.0.1", resolve));
  const address = foreign.address();
  assert.ok(typeof address === "object" && address !== null);
  await using fake = await fakeBy("http", { root: "pw" });
  const location = `http://127.0.0.1:${String(address.port)}/v2/keys/a`;
  fake.etcd.fail({ key: "/a" }, { kind: "redirect", status: 307, location }, { times: 2 });
  assert.equal((await fake.keys.get("/a")).node.value, "foreign");
  const [error] = await errorsOf(new KeysAPI(fake.clientWith({ username: "root", password: "pw" })).get("/a"));
  assert.equal(error?.code, "ERR_BAD_REDIRECT");
  assert.deepEqual(seen, [undefined]);
});
