import assert from "node:assert/strict";
import test from "node:test";
import {
  clientFromEnv,
  createDiscovery,
  createEtcdAgent,
  createEtcdDiscoveryAgent,
  createHost,
  createRegistration,
  decodeHost,
} from "./index.js";

const wrong = (value: unknown): never => value as never;
const usage = { name: "UsageError", code: "ERR_ARGUMENT" };

for (const [what, missing, call] of [
  ["createEtcdAgent", "client", (value: unknown) => createEtcdAgent(wrong(value))],
  ["createEtcdDiscoveryAgent", "discovery", (value: unknown) => createEtcdDiscoveryAgent(wrong(value))],
] as const) {
  test(`discovery: ${what} without options is a UsageError that names what is missing (FF48)`, () => {
    for (const value of [undefined, null]) {
      assert.throws(() => call(value), { ...usage, message: new RegExp(`"${missing}"`) });
    }
    assert.throws(() => call({}), { ...usage, message: new RegExp(`options\\.${missing}`) });
  });
}

test("discovery: wrong arguments of the other functions are UsageErrors (FF48)", () => {
  const discovery = createDiscovery({ client: { send: () => assert.fail("a request was sent") } });
  const never = (async function* (): AsyncGenerator<never> {
    await new Promise(() => undefined);
    yield* [];
  })();
  for (const value of [null, 1]) {
    assert.throws(() => createDiscovery(wrong(value)), usage);
    assert.throws(() => discovery.register("a", wrong(value)), usage);
    assert.throws(() => discovery.register("a", { hostname: "h" }, wrong(value)), usage);
    assert.throws(() => discovery.subscribe("a", wrong(value)), usage);
    assert.throws(() => createHost("a", wrong(value)), usage);
    assert.throws(() => createHost("a", { hostname: "h" }, wrong(value)), usage);
    assert.throws(() => decodeHost(wrong(value)), usage);
    assert.throws(() => createRegistration(wrong(value), never), usage);
    assert.throws(() => createRegistration("u", never, wrong(value)), usage);
  }
  assert.throws(() => discovery.register("a", wrong(undefined)), usage);
  assert.throws(() => createRegistration("u", wrong(undefined)), usage);
  assert.throws(() => clientFromEnv(wrong(null)), usage);
});

test("discovery: ttlMs in seconds is refused", () => {
  const client = { send: (): never => assert.fail("a request was sent") };
  assert.throws(() => createEtcdAgent({ client, ttlMs: 15 }), {
    ...usage,
    message: "options.ttlMs must be a number of milliseconds from 1000 to 7e12, got 15",
  });
  assert.throws(() => createDiscovery({ client }).register("a", { hostname: "h" }, { ttlMs: 5 }), usage);
});

test("discovery: createHost makes a host that encodes as a registered one, decodeHost reads it (FF48)", () => {
  const host = createHost(
    "web",
    { hostname: "h", public: true, ports: { http: "80" } },
    { uuid: "u", machineName: "box" },
  );
  assert.deepEqual([host.name, host.uuid, host.privateHostname, host.url("http")], ["web", "u", "box", "http://h:80"]);
  assert.deepEqual(decodeHost(JSON.stringify(host)).toJSON(), host.toJSON());
  assert.match(createHost("web", { hostname: "h" }).uuid ?? "", /^[\da-f-]{36}-h$/);
  assert.throws(
    () => decodeHost("secret"),
    (error: unknown) => {
      assert.ok(error instanceof Error && "code" in error && error.code === "ERR_DECODE");
      assert.ok(!error.message.includes("secret"));
      return true;
    },
  );
});
