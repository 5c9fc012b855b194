import assert from "node:assert/strict";
import test from "node:test";
import { Client } from "../core/index.js";
import { useVirtualTime } from "../test-kit/virtual-time.js";
import { sleep, until } from "../test-kit/waiting.js";
import { createFakeEtcd, globalClock } from "../testing/index.js";
import { unauthorized } from "../testing/test-kit/fakes.js";
import { createDiscovery, type Discovery } from "./discovery.js";
import type { DiscoveryWarning } from "./warning.js";

const time = useVirtualTime();

interface Ground extends AsyncDisposable {
  readonly etcd: ReturnType<typeof createFakeEtcd>;
  readonly discovery: Discovery;
  readonly warnings: readonly DiscoveryWarning[];
  readonly client: Client;
}

function ground(): Ground {
  const etcd = createFakeEtcd({ clock: globalClock() });
  const client = new Client({ endpoints: etcd.endpoints, transport: etcd.transport });
  const warnings: DiscoveryWarning[] = [];
  const discovery = createDiscovery({ client, hostname: "box", onWarning: (warning) => warnings.push(warning) });
  return {
    etcd,
    discovery,
    warnings,
    client,
    [Symbol.asyncDispose]: async () => {
      await client.close();
      await etcd.close();
    },
  };
}

const publicHost = { hostname: "h", public: true, user: "u", password: "p" };

test("register: metadata first, then the host; close() removes the host and leaves the metadata", async () => {
  await using at = ground();
  const registration = at.discovery.register("web", publicHost);
  await registration.waitRegistration();
  const key = `/services/web/${registration.uuid}`;
  const writes = at.etcd.requests.filter(({ method }) => method === "PUT").map((request) => request.key);
  assert.deepEqual(writes, ["/services_infos/web", key]);
  await registration.close();
  assert.deepEqual(Object.keys(at.etcd.dump()), ["/services_infos/web"]);
  // the Go library's subscribers know "delete", and not "compareAndDelete"
  const removal = at.etcd.requests.find(({ method }) => method === "DELETE");
  assert.equal(removal?.query["prevIndex"], undefined);
  assert.deepEqual(at.warnings, []);
});

test("register: heartbeats that fail are tried again; the state follows", async () => {
  await using at = ground();
  const registration = at.discovery.register("web", { hostname: "h" });
  await registration.waitRegistration();
  const states: string[] = [];
  const reading = (async () => {
    for await (const state of registration.stateChanges()) states.push(state);
  })();
  const down = at.etcd.fail({ method: "PUT" }, { kind: "status", status: 503, body: "down" }, { times: Infinity });
  await until("it is degraded", () => registration.state === "degraded");
  assert.ok(registration.ready());
  down.heal();
  await until("it is registered", () => registration.state === "registered");
  await registration.close();
  await reading;
  assert.deepEqual(states, ["degraded", "registered", "closed"]);
  assert.ok(at.warnings.every(({ code }) => code === "RETRY"));
});

test("register: a refusal by etcd is tried again until initialTimeoutMs, and is the cause of the error", async () => {
  await using at = ground();
  const refused = at.etcd.fail({ method: "PUT" }, unauthorized, { times: Infinity });
  const registration = at.discovery.register("web", publicHost, { initialTimeoutMs: 60_000, retryMs: 1_000 });
  const begunMs = time.now();
  const error: unknown = await registration.waitRegistration().catch((reason: unknown) => reason);
  assert.ok(error instanceof Error && "code" in error && error.code === "ERR_REGISTRATION_TIMEOUT", String(error));
  assert.equal(time.now() - begunMs, 60_000);
  assert.match(String(error.cause), /110/);
  assert.equal(await registration.closed, error);
  refused.heal();
  assert.deepEqual(at.etcd.dump(), {});
});

test("register: new credentials of the service are written at once, over the same key", async () => {
  await using at = ground();
  const a = at.discovery.register("web", publicHost);
  await a.waitRegistration();
  const changes = a.credentialChanges();
  const b = at.discovery.register("web", { ...publicHost, user: "ub", password: "pb" });
  assert.deepEqual((await changes.next()).value, { user: "ub", password: "pb" });
  assert.match(at.etcd.dump()[`/services/web/${a.uuid}`] ?? "", /"user":"ub","password":"pb"/);
  await Promise.all([a.close(), b.close()]);
  assert.deepEqual(at.warnings, []);
});

test("register: a closed client ends the registration with the client's error", async () => {
  await using at = ground();
  const registration = at.discovery.register("web", { hostname: "h" });
  await registration.waitRegistration();
  await at.client.close();
  const error = await registration.closed;
  assert.ok(error instanceof Error && "code" in error && error.code === "ERR_CLOSED");
  assert.equal(at.warnings.at(-1)?.code, "NOT_DELETED");
});

test("register: the host expires while its process is cut off, and is back at once afterwards", async () => {
  await using at = ground();
  const registration = at.discovery.register("web", { hostname: "h" }, { ttlMs: 5_000 });
  await registration.waitRegistration();
  const key = `/services/web/${registration.uuid}`;
  const down = at.etcd.fail({ method: "PUT" }, { kind: "blackHole" }, { times: Infinity });
  const sinceMs = time.now();
  await until("it has expired", () => at.etcd.dump()[key] === undefined);
  assert.ok(time.now() - sinceMs <= 6_000, `expired after ${String(time.now() - sinceMs)} ms`);
  await sleep(60_000);
  assert.equal(registration.state, "degraded");
  down.heal();
  await until("it is back", () => at.etcd.dump()[key] !== undefined && registration.state === "registered");
  await registration.close();
  assert.equal(at.etcd.dump()[key], undefined);
});
