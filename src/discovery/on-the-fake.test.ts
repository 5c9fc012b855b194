import assert from "node:assert/strict";
import test, { type TestContext } from "node:test";
import { createRegistration, type Credentials } from "./registration.js";
import { Client } from "../core/index.js";
import { createFakeEtcd } from "../testing/index.js";
import { createDiscovery, type Discovery, type DiscoveryOptions } from "./discovery.js";

/** What users' tests do: the real discovery on an etcd in the same process. */
function discoveryOn(t: TestContext, options: Pick<DiscoveryOptions, "random"> = {}): Discovery {
  const etcd = createFakeEtcd();
  const client = new Client({ endpoints: etcd.endpoints, transport: etcd.transport });
  t.after(async () => {
    await client.close();
    await etcd.close();
  });
  return createDiscovery({ client, ...options });
}

test("discovery on the fake: it registers, shares credentials, looks up and reports changes", async (t) => {
  const discovery = discoveryOn(t, { random: () => 0.99 });
  await using down = discovery.subscribeDown("a");
  await using fresh = discovery.subscribeNew("a");
  await Promise.all([down.ready, fresh.ready]);
  await using a = discovery.register("a", {
    hostname: "h1",
    public: true,
    user: "ua",
    password: "pa",
    ports: { http: "1" },
    privateHostname: "p1",
  });
  assert.throws(() => a.credentials(), { code: "ERR_NOT_READY" });
  await a.waitRegistration();
  assert.deepEqual(a.credentials(), { user: "ua", password: "pa" });
  const changes = a.credentialChanges()[Symbol.asyncIterator]();
  await using b = discovery.register("a", {
    hostname: "h2",
    public: true,
    user: "ub",
    password: "pb",
    ports: { http: "2" },
    shard: "s",
  });
  await b.waitRegistration();
  assert.deepEqual(await changes.next(), { done: false, value: { user: "ub", password: "pb" } });
  assert.deepEqual(
    [a.credentials(), a.host.user, a.state, a.ready()],
    [{ user: "ub", password: "pb" }, "ub", "registered", true],
  );
  assert.equal((await discovery.get("a").all()).length, 2);
  assert.equal(await discovery.get("a").url("http", "/"), "http://ub:pb@h2:2/");
  assert.equal(await discovery.getForShard("a", "s").first().url("http"), "http://ub:pb@h2:2");
  await assert.rejects(discovery.getForShard("a", "t").one().host(), { code: "ERR_NO_HOST_ON_SHARD" });
  const seen: string[] = [];
  for await (const host of fresh) if (seen.push(host.hostname) === 2) break;
  assert.deepEqual(seen, ["h1", "h2"]);
  await a.close();
  assert.deepEqual([a.state, a.ready(), await changes.next()], ["closed", false, { done: true, value: undefined }]);
  for await (const uuid of down) {
    assert.equal(uuid, a.uuid);
    break;
  }
  await b.close();
  await assert.rejects(discovery.get("a").first().host(), { code: "ERR_NO_HOST" });
  await assert.rejects(discovery.get("b").first().host(), { code: "ERR_SERVICE_NOT_FOUND" });
  assert.match(String(await discovery.get("").err()), /INVALID_NAME|is empty/);
});

test("discovery on the fake: a private host leaves the metadata of a public service alone", async (t) => {
  const discovery = discoveryOn(t);
  await using a = discovery.register("a", {
    hostname: "h1",
    public: true,
    user: "u",
    password: "p",
    ports: { http: "1" },
  });
  await a.waitRegistration();
  await using b = discovery.register("a", { hostname: "h2", user: "x" });
  await b.waitRegistration();
  assert.deepEqual(b.credentials(), { user: "", password: "" });
  assert.deepEqual(a.credentials(), { user: "u", password: "p" });
  assert.equal((await discovery.get("a").service()).hostname, "h1");
});

test("createRegistration: it is ready with the first credentials", async () => {
  let give: (credentials: Credentials) => void = () => undefined;
  const next = (): Promise<Credentials> => new Promise((resolve) => (give = resolve));
  async function* source(): AsyncGenerator<Credentials, void, undefined> {
    for (;;) yield await next();
  }
  const abort = new AbortController();
  const registration = createRegistration("u-1", source(), { signal: abort.signal });
  const waits = [registration.waitRegistration(), registration.waitRegistration()];
  await new Promise((resolve) => setImmediate(resolve));
  give({ user: "u", password: "p" });
  await Promise.all(waits);
  assert.deepEqual([registration.uuid, registration.credentials()], ["u-1", { user: "u", password: "p" }]);
  abort.abort(new Error("enough"));
  assert.equal(await registration.closed, undefined);
  const late = createRegistration("u-2", source(), { signal: abort.signal });
  await assert.rejects(late.waitRegistration(), { message: "enough" });
});
