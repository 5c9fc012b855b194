/**
 * An etcd in the process of your test, with faults on command.
 *
 * Guide: [Testing your code](../../docs/guides/testing-your-code.md).
 *
 * @module etcd2/testing
 */
export { globalClock, manualClock, type FakeClock, type ManualClock } from "./clock.js";
export { createFakeEtcd, startFakeEtcd } from "./fake-etcd.js";
export type { FailOptions, FakeEtcd, WatchedOptions } from "./fake-etcd-types.js";
export type { FakeMember } from "./fake-member.js";
export type { Fault, FaultHandle, FaultMatch, Garbage } from "./faults.js";
export type { SeenRequest } from "./front.js";
export type { FakeEtcdOptions, FakeKey, FakeKeys } from "./options.js";
export type { EtcdVersion } from "../server/messages.js";
