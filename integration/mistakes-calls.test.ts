// Mistakes in calls that only a real server shows. The numbers are those of docs/spec/mistakes.md.
import assert from "node:assert/strict";
import test, { after, before } from "node:test";
import { createConsulClient, NotFoundError } from "../src/consul/index.js";
import { AuthAPI, AuthUserAPI, Client, KeysAPI, SrvDiscoverer } from "../src/core/index.js";
import { createDiscovery, createEtcdAgent } from "../src/discovery/index.js";
import { createEtcdCandidate } from "../src/election/index.js";
import { settled } from "../src/test-kit/scripted-cluster.js";
import { patience, until } from "../src/test-kit/waiting.js";
import { failure } from "./mistakes-support.js";
import { clearHistory, ownMember } from "./support.js";
import type { Cluster } from "./test-kit/etcd.js";

let cluster: Cluster;

before(async () => {
  cluster = await ownMember();
});

after(() => cluster.stop());

const url = (): string => cluster.endpoints[0] ?? assert.fail();

test("mistakes: valid variants work: a trailing slash, credentials without auth, a key without slash (M16, M22, M33)", async () => {
  await using client = new Client({ endpoints: [`${url()}/`], username: "nobody", password: "secret" });
  const keys = new KeysAPI(client);
  assert.equal((await keys.set("slashless", "v")).node.key, "/slashless");
  assert.equal((await keys.get("/slashless")).node.value, "v");
});

test("mistakes: for auth without a user root the message is etcd's own (M24)", async () => {
  const text = await failure(url(), {}, (_keys, client) => new AuthAPI(client).enable());
  assert.equal(text, "auth: No root user available, please create one [status 409]");
});

test("mistakes: for the root as a key the message is etcd's own, with the call (M34)", async () => {
  for (const key of ["", "/"]) {
    const text = await failure(url(), {}, (keys) => keys.set(key, "v"));
    assert.match(text, /^107: Root is read only \(\/\) \[\d+\]; set \/ at http:\/\/127\.0\.0\.1:\d+$/);
  }
});

test("mistakes: a second next rejects with ERR_BUSY, and a closed client ends later calls and those in progress (M45, M46)", async () => {
  const client = new Client({ endpoints: [url()] });
  const keys = new KeysAPI(client);
  const watcher = keys.watcher("/busy");
  const first = settled(watcher.next());
  assert.match(
    String(await settled(watcher.next())),
    /UsageError: an earlier next\(\) of this watcher is still waiting/,
  );
  await client.close();
  for (const ended of [await first, await settled(keys.get("/k")), await settled(watcher.next())]) {
    assert.match(String(ended), /UsageError: the client is closed/);
  }
});

test("mistakes: a timeout and an abort reject with the signal's reason (M47)", async () => {
  await using client = new Client({ endpoints: [url()] });
  const keys = new KeysAPI(client);
  assert.equal(((await settled(keys.watcher("/quiet").next(AbortSignal.timeout(100)))) as Error).name, "TimeoutError");
  assert.equal(((await settled(keys.get("/k", { signal: AbortSignal.abort() }))) as Error).name, "AbortError");
});

test("mistakes: another index as prevIndex: the message has both, the key, and which index it should be (M48)", async () => {
  await using client = new Client({ endpoints: [url()] });
  const keys = new KeysAPI(client);
  const { node } = await keys.set("/compared", "1");
  await keys.set("/compared", "2");
  const error = String(await settled(keys.set("/compared", "3", { prevIndex: node.createdIndex })));
  assert.match(error, /101: Compare failed \(\[\d+ != \d+\]\) \[\d+\]; compareAndSwap \/compared at http/);
  assert.match(error, /; compare with node\.modifiedIndex of the last read$/);
});

test("mistakes: afterIndex + 1 leaves out an event, and the index itself does not (M49)", async () => {
  await using client = new Client({ endpoints: [url()] });
  const keys = new KeysAPI(client);
  const { index } = await keys.set("/watched", "1");
  await keys.set("/watched", "2");
  await keys.set("/watched", "3");
  const next = async (afterIndex: number): Promise<string> =>
    (await keys.watcher("/watched", { afterIndex }).next(patience())).node.value;
  assert.deepEqual([await next(index), await next(index + 1)], ["2", "3"]);
});

test("mistakes: for history that is gone the message is etcd's own, with the call (M50)", async () => {
  await using client = new Client({ endpoints: [url()] });
  const keys = new KeysAPI(client);
  await clearHistory({ keys, endpoints: cluster.endpoints }, "/mistakes");
  const error = String(await settled(keys.watcher("/old", { afterIndex: 1 }).next(patience())));
  assert.match(error, /401: The event in requested index is outdated and cleared \(.*\) \[\d+\]; watch \/old at http/);
});

test("mistakes: a file in place of a directory, or the other way round, is named, with the option to pass (M51, M52)", async () => {
  await using client = new Client({ endpoints: [url()] });
  const keys = new KeysAPI(client);
  await keys.set("/file", "v");
  await keys.set("/dir/a", "v");
  const table: readonly (readonly [() => Promise<unknown>, RegExp])[] = [
    [() => keys.set("/file/a", "v"), /104: Not a directory \(\/file\) \[\d+\]; set \/file\/a at http/],
    [() => keys.set("/dir", "v"), /102: Not a file \(\/dir\) \[\d+\]; set \/dir at http/],
    [
      () => keys.delete("/dir"),
      /102: Not a file \(\/dir\) .*; it is a directory: pass recursive, or dir if it is empty$/,
    ],
    [
      () => keys.delete("/dir", { dir: true }),
      /108: Directory not empty \(\/dir\) .*; pass recursive to delete what is below it, too$/,
    ],
  ];
  for (const [call, text] of table) assert.match(String(await settled(call())), text);
  const { node } = await keys.get("/dir");
  assert.deepEqual([node.value, node.dir], ["", true]);
});

test("mistakes: a name without SRV records: both lookups are named (M54)", async () => {
  const resolver = {
    resolveSrv: (name: string) =>
      Promise.reject(Object.assign(new Error(`querySrv ENOTFOUND ${name}`), { code: "ENOTFOUND" })),
  };
  const text = String(await settled(new SrvDiscoverer({ resolver }).discover("example.com")));
  assert.match(
    text,
    /lookup of _etcd-client-ssl\._tcp\.example\.com failed: .*; .*lookup of _etcd-client\._tcp\.example\.com failed/,
  );
});

test("mistakes: a Consul client at an etcd does not get the error of a missing key (M56)", async () => {
  await using consul = createConsulClient({ address: url() });
  for (const call of [() => consul.get("a"), () => consul.put("a", "b"), () => consul.services()]) {
    const error = await settled(call());
    assert.ok(!(error instanceof NotFoundError), String(error));
    assert.match(String(error), /status 404: 404 page not found; is this a Consul\? Check options\.address/);
  }
});

test("mistakes: fetch as the transport (M57)", async () => {
  const text = await failure(url(), { transport: fetch as never });
  assert.match(
    text,
    /^options\.transport must resolve to \{ status, headers, body \}, .*; got the Response of fetch: read its text\(\) first$/,
  );
});

test("mistakes: the layers name the field that is missing or wrong, and write nothing (M37, M55)", async () => {
  await using client = new Client({ endpoints: [url()] });
  const before = (await new KeysAPI(client).get("/")).index;
  const wrong = (value: unknown): never => value as never;
  const agent = createEtcdAgent({ client });
  const candidate = createEtcdCandidate({ client });
  const contest = { key: "/leader", contactInfo: "me" };
  const table: readonly (readonly [() => unknown, string])[] = [
    [() => createEtcdAgent(wrong({ client, ttl: 15_000 })), 'options has no field "ttl"; did you mean "ttlMs"?'],
    [
      () => createEtcdAgent({ client, ttlMs: 15 }),
      "options.ttlMs must be a number of milliseconds from 1000 to 7e12, got 15",
    ],
    [
      () => createDiscovery({ client }).register("a", { hostname: "h", ports: wrong({ http: 80 }) }),
      "host.ports.http must be a string, got number",
    ],
    [() => agent.register(wrong({ name: "a" })), "port must be a whole number from 0 to 65535, got undefined"],
    [() => candidate.run(contest, wrong(undefined)), "work must be a function, got undefined"],
    [
      () => candidate.run(wrong({ key: "/leader" }), () => undefined),
      "config.contactInfo must be a string, got undefined",
    ],
    [
      () => createConsulClient({ address: "localhost:8500" }),
      'options.address must be a URL such as "http://localhost:8500", got "localhost:8500"',
    ],
  ];
  for (const [call, text] of table) {
    const error = await settled(Promise.resolve().then(call));
    assert.ok(error instanceof Error, text);
    assert.equal(error.message, text);
  }
  assert.equal((await new KeysAPI(client).get("/")).index, before);
});

// last, since it locks guests out of the server
test("mistakes: without credentials, and with wrong or insufficient ones, the message says how the call was sent (M21)", async () => {
  const root = { username: "root", password: "secret" };
  const endpoint = url();
  await using client = new Client({ endpoints: [endpoint], headerTimeoutMs: 60_000, ...root });
  const users = new AuthUserAPI(client);
  await users.add("root", root.password);
  await users.add("weak", "weak-pw");
  await new AuthAPI(client).enable();
  await until("auth is on", async () => (await new AuthAPI(client).status()) || undefined);
  const text = (options: object): Promise<string> => failure(endpoint, options, (keys) => keys.set("/_hidden", "v"));
  for (const options of [
    { ...root, password: "wrong" },
    { username: "nobody", password: "x" },
  ]) {
    assert.match(
      await text(options),
      /^110: .*\(Insufficient credentials\) \[\d+\]; set \/_hidden at http.*; sent with credentials: check the user's name, password and rights$/,
    );
  }
  assert.match(
    await failure(endpoint, {}, (_keys, guest) => new AuthUserAPI(guest).list()),
    /; sent without credentials, as guest: pass username and password to the client$/,
  );
});
