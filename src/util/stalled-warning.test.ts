import assert from "node:assert/strict";
import test, { type TestContext } from "node:test";
import { StalledWarning, type StalledOptions } from "./stalled-warning.js";

interface Scene {
  readonly found: Error[];
  /** Moves timers and the clock. */
  readonly pass: (ms: number) => Promise<void>;
}

function scene(t: TestContext): Scene {
  const found: Error[] = [];
  const listener = (warning: Error): void => {
    if (warning.name === "Etcd2Warning") found.push(warning);
  };
  process.on("warning", listener);
  t.after(() => process.off("warning", listener));
  let nowMs = 0;
  t.mock.method(performance, "now", () => nowMs);
  t.mock.timers.enable({ apis: ["setTimeout"] });
  return {
    found,
    async pass(ms) {
      nowMs += ms;
      t.mock.timers.tick(ms);
      await new Promise(setImmediate);
    },
  };
}

function stalledOf(options: Partial<StalledOptions> = {}): StalledWarning {
  return new StalledWarning({
    owner: {},
    what: "the registration of /a",
    hint: "pass options.onWarning to handle this",
    isHeard: false,
    ...options,
  });
}

const refused = new Error("connect ECONNREFUSED 127.0.0.1:1");

test("stalled: 5 s after the first contact began, a process warning gives the reason (FF20)", async (t) => {
  const { found, pass } = scene(t);
  const stalled = stalledOf();
  stalled.start();
  stalled.failed(refused);
  await pass(4_999);
  assert.equal(found.length, 0);
  await pass(1);
  assert.equal(
    found[0]?.message,
    "the registration of /a has made no progress for 5 s: connect ECONNREFUSED 127.0.0.1:1 (pass options.onWarning to handle this)",
  );
  assert.equal(Reflect.get(found[0], "code"), "ETCD2_STALLED");
});

test("stalled: a first contact that never gets a response is reported, too (FF20)", async (t) => {
  const { found, pass } = scene(t);
  stalledOf().start();
  await pass(5_000);
  assert.match(found[0]?.message ?? "", /made no progress for 5 s: no response yet/);
});

test("stalled: failures in a row are reported once they last 5 s, without a start", async (t) => {
  const { found, pass } = scene(t);
  const stalled = stalledOf();
  for (const ms of [1_000, 1_000, 2_000]) {
    stalled.failed(refused);
    await pass(ms);
  }
  assert.equal(found.length, 0);
  await pass(1_000);
  stalled.failed(new Error("the last reason"));
  await pass(0);
  assert.match(found[0]?.message ?? "", /: the last reason \(/);
});

test("stalled: a success, or a long time without a failure, starts the count again", async (t) => {
  const { found, pass } = scene(t);
  const stalled = stalledOf();
  stalled.start();
  stalled.failed(refused);
  await pass(4_000);
  stalled.end();
  stalled.failed(refused);
  await pass(4_000);
  stalled.failed(refused);
  await pass(61_000);
  stalled.failed(refused);
  await pass(0);
  assert.equal(found.length, 0);
});

test("stalled: each owner gets one warning, however many loops use it, and however long they fail (FF20)", async (t) => {
  const { found, pass } = scene(t);
  const owner = {};
  const loops = [stalledOf({ owner }), stalledOf({ owner }), stalledOf()];
  for (const loop of loops) loop.start();
  await pass(5_000);
  for (let i = 0; i < 100; i++) {
    for (const loop of loops) loop.failed(refused);
    await pass(1_000);
  }
  assert.equal(found.length, 2);
});

test("stalled: nothing is printed if there is a handler for failures", async (t) => {
  const { found, pass } = scene(t);
  const stalled = stalledOf({ isHeard: true });
  stalled.start();
  for (let i = 0; i < 10; i++) {
    stalled.failed(refused);
    await pass(1_000);
  }
  assert.equal(found.length, 0);
});
