import assert from "node:assert/strict";
import { getEventListeners } from "node:events";
import test from "node:test";
import { ClusterError, EndpointError, UsageError } from "../util/errors.js";
import { SrvDiscoverer, type SrvRecord, type SrvResolver } from "./srv-discoverer.js";
import { gate, rejection } from "../test-kit/scripted-cluster.js";

type Zone = Readonly<Record<string, readonly SrvRecord[] | Error>>;

/** Answers from a zone; a name that is not in it is not found. */
function resolverOf(zone: Zone): SrvResolver & { readonly asked: readonly string[] } {
  const asked: string[] = [];
  return {
    asked,
    resolveSrv(name) {
      asked.push(name);
      const found = zone[name] ?? Object.assign(new Error(`querySrv ENOTFOUND ${name}`), { code: "ENOTFOUND" });
      return found instanceof Error ? Promise.reject(found) : Promise.resolve(found);
    },
  };
}

function srv(name: string, port = 2379, priority = 0, weight = 0): SrvRecord {
  return { name, port, priority, weight };
}

const ssl = "_etcd-client-ssl._tcp.d";
const plain = "_etcd-client._tcp.d";

test("A113: both names are asked for; https first, and alone unless insecure ones are allowed (D18)", async () => {
  const resolver = resolverOf({ [ssl]: [srv("a")], [plain]: [srv("b")] });
  assert.deepEqual(await new SrvDiscoverer({ resolver }).discover("d"), ["https://a:2379"]);
  assert.deepEqual(resolver.asked.toSorted(), [ssl, plain].sort());
  assert.deepEqual(await new SrvDiscoverer({ resolver, allowInsecure: true }).discover("d"), [
    "https://a:2379",
    "http://b:2379",
  ]);
});

test("A114: the ssl lookup fails -> the plain ones", async () => {
  const resolver = resolverOf({ [plain]: [srv("b")] });
  assert.deepEqual(await new SrvDiscoverer({ resolver }).discover("d"), ["http://b:2379"]);
});

test("A114: the plain lookup fails -> the ssl ones", async () => {
  const resolver = resolverOf({ [ssl]: [srv("a")] });
  assert.deepEqual(await new SrvDiscoverer({ resolver, allowInsecure: true }).discover("d"), ["https://a:2379"]);
});

test("A115: both fail -> one error that names both", async () => {
  const error = await rejection(new SrvDiscoverer({ resolver: resolverOf({}) }).discover("d"), ClusterError);
  assert.deepEqual([error.code, error.outcome], ["ERR_NO_ENDPOINTS", "notApplied"]);
  for (const name of [ssl, plain]) assert.ok(error.message.includes(`lookup of ${name} failed`), error.message);
  assert.deepEqual(
    error.errors.map((each) => each instanceof EndpointError && [each.code, each.endpoint]),
    [
      ["ERR_NETWORK", ssl],
      ["ERR_NETWORK", plain],
    ],
  );
});

test("A115: one fails, the other is empty -> no endpoints, no error", async () => {
  assert.deepEqual(await new SrvDiscoverer({ resolver: resolverOf({ [plain]: [] }) }).discover("d"), []);
});

test("A116: a service name goes into both names", async () => {
  const resolver = resolverOf({ "_etcd-client-ssl-blue._tcp.d": [srv("a")] });
  assert.deepEqual(await new SrvDiscoverer({ resolver }).discover("d", "blue"), ["https://a:2379"]);
  assert.deepEqual(resolver.asked.toSorted(), ["_etcd-client-blue._tcp.d", "_etcd-client-ssl-blue._tcp.d"]);
});

test("A117: no trailing dot in the URL", async () => {
  const resolver = resolverOf({ [plain]: [srv("n1.example.com.", 4001)] });
  assert.deepEqual(await new SrvDiscoverer({ resolver }).discover("d"), ["http://n1.example.com:4001"]);
});

test("D18: IPv6 literals are bracketed; the target `.` says that there is no service", async () => {
  const resolver = resolverOf({ [ssl]: [srv(".")], [plain]: [srv("::1")] });
  assert.deepEqual(await new SrvDiscoverer({ resolver }).discover("d"), ["http://[::1]:2379"]);
});

test("1.9: by priority, however the answer was ordered", async () => {
  const resolver = resolverOf({ [plain]: [srv("c", 1, 30), srv("a", 1, 10), srv("b", 1, 20)] });
  for (let i = 0; i < 20; i++) {
    assert.deepEqual(await new SrvDiscoverer({ resolver }).discover("d"), ["http://a:1", "http://b:1", "http://c:1"]);
  }
});

test("1.9: among equals the heavier comes first more often, and not always", async () => {
  const resolver = resolverOf({ [plain]: [srv("light", 1, 0, 10), srv("heavy", 1, 0, 30)] });
  const discoverer = new SrvDiscoverer({ resolver });
  let heavyFirst = 0;
  for (let i = 0; i < 2_000; i++) if ((await discoverer.discover("d"))[0] === "http://heavy:1") heavyFirst++;
  // 1500 are expected; ten standard deviations either way
  assert.ok(heavyFirst > 1_300 && heavyFirst < 1_700, String(heavyFirst));
});

test("D19: equals without a weight come in any order", async () => {
  const resolver = resolverOf({ [plain]: [srv("a"), srv("b"), srv("c")] });
  const discoverer = new SrvDiscoverer({ resolver });
  const firsts = new Set<string | undefined>();
  for (let i = 0; i < 500 && firsts.size < 3; i++) firsts.add((await discoverer.discover("d"))[0]);
  assert.equal(firsts.size, 3);
});

test("2.6: aborted -> the reason, at once; beforehand without a lookup", async () => {
  const { opened, open } = gate();
  const asked: string[] = [];
  const resolver: SrvResolver = {
    async resolveSrv(name) {
      asked.push(name);
      await opened;
      return [];
    },
  };
  const discoverer = new SrvDiscoverer({ resolver });
  const reason = new Error("enough");
  await assert.rejects(discoverer.discover("d", "", AbortSignal.abort(reason)), (error) => error === reason);
  assert.deepEqual(asked, []);
  const abort = new AbortController();
  const pending = discoverer.discover("d", "", abort.signal);
  abort.abort(reason);
  await assert.rejects(pending, (error) => error === reason);
  assert.equal(asked.length, 2);
  open();
  const unused = new AbortController();
  await discoverer.discover("d", "", unused.signal);
  assert.equal(getEventListeners(unused.signal, "abort").length, 0);
});

test("1.9: bad arguments are refused without a lookup", async () => {
  assert.throws(() => new SrvDiscoverer({ resolver: {} as never }), UsageError);
  assert.throws(() => new SrvDiscoverer({ allowInsecure: 1 as never }), UsageError);
  assert.throws(() => new SrvDiscoverer({ secure: true } as never), UsageError);
  const resolver = resolverOf({});
  const discoverer = new SrvDiscoverer({ resolver });
  for (const call of [
    () => discoverer.discover(""),
    () => discoverer.discover(1 as never),
    () => discoverer.discover("d", 1 as never),
    () => discoverer.discover("d", "", {} as never),
  ]) {
    await rejection(call(), UsageError);
  }
  assert.deepEqual(resolver.asked, []);
});
