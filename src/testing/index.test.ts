import assert from "node:assert/strict";
import { createRequire } from "node:module";
import test from "node:test";
import { Client, type Exchange } from "../core/index.js";
import * as testing from "./index.js";
import type * as types from "./index.js";

/** Every exported type: this file does not compile when one goes. */
export interface TypeNames {
  readonly fake: [types.FakeEtcd, types.FakeEtcdOptions, types.FakeMember, types.FakeKey, types.FakeKeys];
  readonly clocks: [types.FakeClock, types.ManualClock];
  readonly faults: [types.Fault, types.FaultHandle, types.FaultMatch, types.Garbage, types.FailOptions];
  readonly watching: [types.WatchedOptions, types.SeenRequest];
}

test("testing: exports exactly these names", () => {
  assert.deepEqual(Object.keys(testing).sort(), ["createFakeEtcd", "globalClock", "manualClock", "startFakeEtcd"]);
});

test("testing: require() returns the same module", () => {
  const required = createRequire(import.meta.url)("./index.js") as typeof testing;
  assert.equal(required.createFakeEtcd, testing.createFakeEtcd);
});

test("testing: the fake's transport is an Exchange of the core (X52)", async () => {
  await using etcd = testing.createFakeEtcd();
  const transport: Exchange = etcd.transport;
  await using client = new Client({ endpoints: etcd.endpoints, transport });
  assert.match((await client.version()).server, /^3\.4\./);
});
