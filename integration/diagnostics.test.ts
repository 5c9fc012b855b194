import assert from "node:assert/strict";
import { subscribe, tracingChannel, unsubscribe } from "node:diagnostics_channel";
import test, { type TestContext } from "node:test";
import { inspect } from "node:util";
import { KeysAPI, Mirror, type SwitchMessage, type TermMessage } from "../src/core/index.js";
import { EndpointsConfig, ServiceConfig, SourceAPI, type ListerWatcher } from "../src/config/index.js";
import { createDiscovery, createEtcdAgent } from "../src/discovery/index.js";
import { createEtcdCandidate } from "../src/election/index.js";
import { clientOf, refusedUrl } from "../src/test-kit/scripted-server.js";
import { patience, until } from "../src/test-kit/waiting.js";
import { RegistryWriter, startApiSource, startEtcdSource } from "./config-support.js";
import { clusterForTests } from "./support.js";

const cluster = clusterForTests("diagnostics");
const secret = "s3cr3t";

type Message = Readonly<Record<string, unknown>>;

/** The messages of a tracing channel, each when it ended. */
function ended(t: TestContext, name: string): Message[] {
  const messages: Message[] = [];
  const channel = tracingChannel<unknown, Message>(`etcd2:${name}`);
  const subscribers = {
    start: () => undefined,
    end: () => undefined,
    asyncStart: () => undefined,
    asyncEnd: (message: Message) => void messages.push(message),
    error: () => undefined,
  };
  channel.subscribe(subscribers);
  t.after(() => {
    channel.unsubscribe(subscribers);
  });
  return messages;
}

test("diagnostics: calls, attempts, switches, watches and lists are published, without values and passwords", async (t) => {
  const { dir, endpoints } = cluster;
  const [calls, attempts, watches, lists] = ["call", "attempt", "watch", "list"].map((name) => ended(t, name));
  assert.ok(calls && attempts && watches && lists);
  const switches: SwitchMessage[] = [];
  const onSwitch = (message: unknown): void => void switches.push(message as SwitchMessage);
  subscribe("etcd2:switch", onSwitch);
  t.after(() => unsubscribe("etcd2:switch", onSwitch));

  const refused = await refusedUrl();
  await using client = clientOf([refused, ...endpoints], { username: "root", password: secret });
  const keys = new KeysAPI(client);
  const [key, path] = [`${dir}/a`, `/v2/keys${dir}/a`];
  const { node } = await keys.set(key, secret);
  await keys.set(key, secret, { prevValue: secret });
  await assert.rejects(keys.set(key, secret, { prevValue: `${secret}2` }));
  assert.deepEqual(calls[0], { method: "PUT", path, kind: "set", status: 201, endpoint: endpoints[0] });
  assert.deepEqual(
    calls.map(({ kind, status }) => [kind, status]),
    [
      ["set", 201],
      ["compareAndSwap", 200],
      ["compareAndSwap", 412],
    ],
  );
  // besides these the client requests the cluster's id
  const [first, second] = attempts.filter(({ kind }) => kind === "set");
  assert.deepEqual([first?.["endpoint"], first?.["status"]], [refused, undefined]);
  assert.equal((first?.["error"] as { code: string }).code, "ERR_NETWORK");
  assert.deepEqual(second, { endpoint: endpoints[0], method: "PUT", path, kind: "set", status: 201 });
  assert.deepEqual(switches, [{ from: refused, to: endpoints[0] }]);

  await keys.watcher(key, { afterIndex: node.modifiedIndex - 1 }).next(patience());
  assert.deepEqual(watches, [{ method: "GET", path, kind: "watch", status: 200, endpoint: endpoints[0] }]);

  const mirror = new Mirror(keys, dir);
  await mirror.next(patience());
  mirror.resync();
  await mirror.next(patience());
  assert.deepEqual(lists, [
    { key: dir, again: false, index: mirror.index },
    { key: dir, again: true, index: mirror.index },
  ]);
  for (const message of [...calls, ...attempts, ...watches, ...lists, ...switches]) {
    const shown = inspect(message, { depth: 9, showHidden: true }) + JSON.stringify(message);
    assert.ok(!shown.includes(secret) && !shown.includes(btoa(`root:${secret}`)), shown);
  }
});

test("diagnostics: the lists of discovery and config sources are published, the first and later ones", async (t) => {
  const { keys, dir, client } = cluster;
  const lists = ended(t, "list");
  const shown = (): readonly string[] =>
    lists.map(({ key, again, index }) => `${String(key).replace(dir, "")} ${String(again)} ${typeof index}`);

  await using subscription = createDiscovery({ client: keys.namespace(dir) }).subscribe("web");
  await subscription.ready;
  const agent = createEtcdAgent({ client, prefix: `${dir}/disco` });
  t.after(() => agent.close());
  await (await agent.service("web")).watch().next(patience());
  const { source: etcdSource } = startEtcdSource(t, client, `${dir}/registry`, { resyncMs: 200 });
  await etcdSource.synced;
  const write = new RegistryWriter(keys, `${dir}/api`);
  await write.spec("default/web:80");
  const { source, services } = startApiSource(t, client, `${dir}/api`);
  await source.synced;
  // one event ends a directory: the source has to list again
  await keys.delete(`${dir}/api/specs`, { recursive: true });
  await services.until([]);
  const expected = [
    ...["/services/web", "/disco/web", "/registry", "endpoints", "services"].map((key) => `${key} false number`),
    "/registry true number",
    "services true number",
  ];
  await until("the lists", () => expected.every((line) => shown().includes(line)));
});

test("diagnostics: a list that fails publishes its error", async (t) => {
  const lists = ended(t, "list");
  const failed = new Error("refused");
  const fails: ListerWatcher<never> = { list: () => Promise.reject(failed), watch: () => assert.fail() };
  const [services, endpoints] = [new ServiceConfig(), new EndpointsConfig()];
  await using _source = new SourceAPI({
    services: fails,
    endpoints: fails,
    periodMs: 1_000,
    serviceSink: services.channel("api"),
    endpointsSink: endpoints.channel("api"),
    onWarning: () => undefined,
  });
  await until("two lists", () => lists.length >= 2);
  assert.deepEqual(lists.slice(0, 2), [
    { key: "services", again: false, error: failed },
    { key: "endpoints", again: false, error: failed },
  ]);
});

test("diagnostics: a call that fails publishes its error", async (t) => {
  const calls = ended(t, "call");
  await using client = clientOf([await refusedUrl()]);
  const error: unknown = await new KeysAPI(client).get("/a").catch((each: unknown) => each);
  assert.deepEqual(calls, [{ method: "GET", path: "/v2/keys/a", kind: "get", error }]);
});

test("diagnostics: heartbeats and terms are published", async (t) => {
  const { keys, dir } = cluster;
  const heartbeats = ended(t, "heartbeat");
  const terms = ended(t, "term");
  const begun: TermMessage[] = [];
  const onBegun = (message: unknown): void => void begun.push(message as TermMessage);
  subscribe("tracing:etcd2:term:start", onBegun);
  t.after(() => unsubscribe("tracing:etcd2:term:start", onBegun));

  // elections write their keys without a slash at the beginning
  const key = `${dir.slice(1)}/leader`;
  const candidate = createEtcdCandidate({ client: keys });
  await candidate.run({ key, contactInfo: secret, ttlMs: 8_000, marginMs: 500 }, async (_signal, { fencingToken }) => {
    assert.deepEqual(begun, [{ key, fencingToken }]);
    assert.deepEqual(terms, []);
    await until("a heartbeat of the election", () => heartbeats.length > 0);
  });
  assert.deepEqual(terms, begun);
  assert.deepEqual(heartbeats[0], { room: "election", key });

  heartbeats.length = 0;
  const discovery = createDiscovery({ client: keys.namespace(dir) });
  await using registration = discovery.register("web", { hostname: "h", password: secret, ports: { http: "80" } });
  await registration.waitRegistration();
  const beat = await until("a heartbeat of the registration", () => heartbeats[0]);
  assert.equal(beat["room"], "discovery");
  assert.match(String(beat["key"]), /web/);
});
