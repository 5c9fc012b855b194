import assert from "node:assert/strict";
import dns from "node:dns";
import test, { type TestContext } from "node:test";
import { startChild } from "../test-kit/child.js";
import { badAttempt } from "../test-kit/scripted-cluster.js";
import { clientOf, ok, ScriptedServer } from "../test-kit/scripted-server.js";
import { KeysAPI } from "../core/keys.js";
import { errorCode } from "../util/plain-cause.js";

function keysOf(t: TestContext, endpoints: readonly string[]): KeysAPI {
  const client = clientOf(endpoints);
  t.after(() => client.close());
  return new KeysAPI(client);
}

/** Every name has these addresses from now on, as `localhost` has two on most machines. */
function resolveTo(t: TestContext, ...addresses: readonly string[]): void {
  const found = addresses.map((address) => ({ address, family: address.includes(":") ? 6 : 4 }));
  t.mock.method(dns, "lookup", (_name: string, _options: unknown, done: (error: null, all: typeof found) => void) => {
    done(null, found);
  });
}

// to a multicast address connect() fails at once, before any packet is sent
const unreachable = "http://224.0.0.1:2379";

test("connect: an immediate failure counts as not sent, and a one-shot write fails over to the next endpoint (FF13)", async (t) => {
  const server = await ScriptedServer.start(ok());
  t.after(() => server.close());
  const keys = keysOf(t, [unreachable, server.url]);
  await keys.create("/k", "v");
  await keys.createInOrder("/k", "v");
  await keys.delete("/k");
  assert.equal(server.requests.length, 3);
});

for (const scheme of ["http:", "https:"]) {
  test(`connect: after an immediate failure every write has the outcome notApplied (${scheme}) (FF13)`, async (t) => {
    const keys = keysOf(t, [unreachable.replace("http:", scheme)]);
    for (const call of [
      () => keys.create("/k", "v"),
      () => keys.set("/k", "v"),
      () => keys.set("/k", "v", { prevIndex: 7 }),
      () => keys.delete("/k"),
      () => keys.get("/k"),
    ]) {
      const { outcome, cause } = await badAttempt(call());
      assert.deepEqual([outcome, errorCode(cause)], ["notApplied", "ENETUNREACH"]);
    }
  });
}

test("connect: without a file descriptor nothing was sent, and later calls work (FF13)", async (t) => {
  const server = await ScriptedServer.start(ok());
  t.after(() => server.close());
  const child = startChild(t, "descriptor-programs.js", ["connect", server.url], { descriptors: 96 });
  const { stdout, stderr } = await child.ended;
  assert.deepEqual(
    [JSON.parse(stdout), stderr],
    [["notApplied EMFILE", "notApplied EMFILE", "created", "created"], ""],
  );
});

test("load: without a file descriptor the first call was not applied, and later calls work (FF39)", async (t) => {
  const server = await ScriptedServer.start(ok());
  t.after(() => server.close());
  const child = startChild(t, "descriptor-programs.js", ["load", server.url], { descriptors: 64 });
  const { stdout, stderr } = await child.ended;
  assert.deepEqual(
    [JSON.parse(stdout), stderr],
    [["notApplied EMFILE", "notApplied EMFILE", "created", "created"], ""],
  );
});

for (const scheme of ["http:", "https:"]) {
  test(`connect: for a name with several addresses, the error lists each address with its reason (${scheme}) (FF14)`, async (t) => {
    resolveTo(t, "::1", "127.0.0.1");
    const keys = keysOf(t, [`${scheme}//name.example:9`]);
    const { code, message, outcome, cause } = await badAttempt(keys.create("/k", "v"));
    const [beginning, reasons = ""] = message.split(" failed: ");
    assert.equal(beginning, `endpoint ${scheme}//name.example:9`);
    // on a machine without IPv6 that address is not refused, but not available
    assert.match(reasons, /^connect E[A-Z]+ ::1:9\b.*, connect ECONNREFUSED 127\.0\.0\.1:9$/);
    assert.deepEqual([code, outcome], ["ERR_NETWORK", "notApplied"]);
    assert.match(errorCode(cause) ?? "", /^E[A-Z]+$/);
  });
}

test("connect: one working address of a name is enough, even for one-shot writes (FF14)", async (t) => {
  const server = await ScriptedServer.start(ok());
  t.after(() => server.close());
  resolveTo(t, "224.0.0.1", "::1", "127.0.0.2", "127.0.0.1");
  const keys = keysOf(t, [`http://name.example:${String(server.port)}`]);
  await keys.create("/k", "v");
  await keys.get("/k");
  assert.equal(server.connections, 1);
});
