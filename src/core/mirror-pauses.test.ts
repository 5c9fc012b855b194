import assert from "node:assert/strict";
import test, { type TestContext } from "node:test";
import { useVirtualTime } from "../test-kit/virtual-time.js";
import { patience, sleep } from "../test-kit/waiting.js";
import { globalClock } from "../testing/index.js";
import { fakeBy, type FakeWithClient } from "../testing/test-kit/fakes.js";
import { Mirror } from "./mirror.js";
import type { MirrorOptions } from "./mirror-options.js";

const time = useVirtualTime();

interface Ground extends Pick<FakeWithClient, "etcd"> {
  readonly mirror: Mirror;
  /** When each list was sent, in ms since the first. */
  readonly listedMs: () => readonly number[];
}

/** A mirror of /d in a fake etcd. */
async function ground(t: TestContext, options: MirrorOptions): Promise<Ground> {
  const fake = await fakeBy("transport", { keys: { "/d/a": "1" }, clock: globalClock() });
  t.after(() => fake[Symbol.asyncDispose]());
  const { etcd, keys } = fake;
  const mirror = new Mirror(keys, "/d", { onError: () => undefined, ...options });
  const listedMs = (): readonly number[] => {
    const at = etcd.requests.filter(({ query }) => query["wait"] !== "true").map(({ atMs }) => atMs);
    return at.map((ms) => ms - (at[0] ?? 0));
  };
  return { etcd, mirror, listedMs };
}

test("mirror: if history is cleared before each watch, the pauses grow (FF17)", async (t) => {
  const { etcd, mirror, listedMs } = await ground(t, { minRetryMs: 100, maxRetryMs: 10_000 });
  const body = JSON.stringify({ errorCode: 401, message: "outdated and cleared", cause: "history", index: 1 });
  const fault = { kind: "status", status: 400, type: "application/json", body } as const;
  etcd.fail({ watch: true }, fault, { times: Infinity });
  const stop = new AbortController();
  const reading = (async () => {
    for (;;) await mirror.next(stop.signal);
  })().catch((error: unknown) => error);
  await sleep(120_000);
  stop.abort(new Error("enough"));
  assert.equal(await reading, stop.signal.reason);
  const lists = listedMs();
  const pausesMs = lists.slice(1).map((ms, i) => ms - (lists[i] ?? 0));
  assert.ok(
    pausesMs.every((ms) => ms >= 1_000),
    `a second at least between two lists: ${pausesMs.join(", ")}`,
  );
  // a pause is between a half and the whole of 100 ms, 200 ms and so on up to 10 s
  assert.ok(
    pausesMs.slice(8).every((ms) => ms >= 5_000 && ms <= 10_001),
    pausesMs.join(", "),
  );
});

test("mirror: if history is cleared after a successful watch, it reads again at once (FF17)", async (t) => {
  const { etcd, mirror, listedMs } = await ground(t, { minRetryMs: 60_000, maxRetryMs: 60_000 });
  const next = async (): Promise<string> => {
    const { kind, startedOver } = await mirror.next(patience());
    assert.equal(startedOver, undefined);
    return kind;
  };
  const begunMs = time.now();
  for (let round = 0; round < 5; round++) {
    assert.equal(await next(), "list");
    etcd.load({ "/d/a": String(round) });
    assert.equal(await next(), "event");
    // the next watch would begin before what is kept
    etcd.load({ "/d/b": String(round), "/elsewhere": "" });
    etcd.clearHistory();
  }
  assert.equal(await next(), "list");
  assert.equal(listedMs().length, 6);
  assert.ok(time.now() - begunMs < 6_000, `took ${String(time.now() - begunMs)} ms`);
});
