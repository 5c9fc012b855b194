import assert from "node:assert/strict";
import { getEventListeners } from "node:events";
import test from "node:test";
import { ClusterError, EndpointError, UsageError } from "../util/errors.js";
import { SrvDiscoverer, type SrvRecord, type SrvResolver } from "./srv-discoverer.js";
import { gate, rejection } from "../test-kit/scripted-cluster.js";

type Zone = Readonly<Record<string, readonly SrvRecord[] | Error>>;

/** Resolves names from a zone; a name that is not in it is not found. */
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

test("srv: both names are looked up; https comes first, and alone unless insecure ones are allowed (A113, D18)", async () => {
  const resolver = resolverOf({ [ssl]: [srv("a")], [plain]: [srv("b")] });
  assert.deepEqual(await new SrvDiscoverer({ resolver }).discover("d"), ["https://a:2379"]);
  assert.deepEqual(resolver.asked.toSorted(), [ssl, plain].sort());
  assert.deepEqual(await new SrvDiscoverer({ resolver, allowInsecure: true }).discover("d"), [
    "https://a:2379",
    "http://b:2379",
  ]);
});

test("srv: if the ssl lookup fails, the plain ones are used (A114)", async () => {
  const resolver = resolverOf({ [plain]: [srv("b")] });
  assert.deepEqual(await new SrvDiscoverer({ resolver }).discover("d"), ["http://b:2379"]);
});

test("srv: if the plain lookup fails, the ssl ones are used (A114)", async () => {
  const resolver = resolverOf({ [ssl]: [srv("a")] });
  assert.deepEqual(await new SrvDiscoverer({ resolver, allowInsecure: true }).discover("d"), ["https://a:2379"]);
});

test("srv: if both lookups fail, one error names both (A115)", async () => {
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

test("srv: if one lookup fails and the other is empty, there are no endpoints and no error (A115)", async () => {
  assert.deepEqual(await new SrvDiscoverer({ resolver: resolverOf({ [plain]: [] }) }).discover("d"), []);
});

test("srv: a service name is part of both names (A116)", async () => {
  const resolver = resolverOf({ "_etcd-client-ssl-blue._tcp.d": [srv("a")] });
  assert.deepEqual(await new SrvDiscoverer({ resolver }).discover("d", "blue"), ["https://a:2379"]);
  assert.deepEqual(resolver.asked.toSorted(), ["_etcd-client-blue._tcp.d", "_etcd-client-ssl-blue._tcp.d"]);
});

test("srv: URLs have no trailing dot (A117)", async () => {
  const resolver = resolverOf({ [plain]: [srv("n1.example.com.", 4001)] });
  assert.deepEqual(await new SrvDiscoverer({ resolver }).discover("d"), ["http://n1.example.com:4001"]);
});

test("srv: IPv6 literals are bracketed; the target `.` means that there is no service (D18)", async () => {
  const resolver = resolverOf({ [ssl]: [srv(".")], [plain]: [srv("::1")] });
  assert.deepEqual(await new SrvDiscoverer({ resolver }).discover("d"), ["http://[::1]:2379"]);
});

test("srv: endpoints are sorted by priority, whatever the order of the response (1.9)", async () => {
  const resolver = resolverOf({ [plain]: [srv("c", 1, 30), srv("a", 1, 10), srv("b", 1, 20)] });
  for (let i = 0; i < 20; i++) {
    assert.deepEqual(await new SrvDiscoverer({ resolver }).discover("d"), ["http://a:1", "http://b:1", "http://c:1"]);
  }
});

test("srv: at equal priority the heavier comes first more often, but not always (1.9)", async () => {
  const resolver = resolverOf({ [plain]: [srv("light", 1, 0, 10), srv("heavy", 1, 0, 30)] });
  const discoverer = new SrvDiscoverer({ resolver });
  let heavyFirst = 0;
  for (let i = 0; i < 2_000; i++) if ((await discoverer.discover("d"))[0] === "http://heavy:1") heavyFirst++;
  // 1500 are expected; ten standard deviations either way
  assert.ok(heavyFirst > 1_300 && heavyFirst < 1_700, String(heavyFirst));
});

test("srv: at equal priority without weights, every order occurs (D19)", async () => {
  const resolver = resolverOf({ [plain]: [srv("a"), srv("b"), srv("c")] });
  const discoverer = new SrvDiscoverer({ resolver });
  const firsts = new Set<string | undefined>();
  for (let i = 0; i < 500 && firsts.size < 3; i++) firsts.add((await discoverer.discover("d"))[0]);
  assert.equal(firsts.size, 3);
});

test("srv: an abort rejects with its reason at once; an aborted signal prevents the lookup (2.6)", async () => {
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

test("srv: bad arguments are refused without a lookup (1.9)", async () => {
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
