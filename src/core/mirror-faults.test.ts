import assert from "node:assert/strict";
import test, { type TestContext } from "node:test";
import type { Sender } from "../http/exchange.js";
import { isIndexCleared, ResponseError } from "../util/errors.js";
import { KeysAPI } from "./keys.js";
import type { MirrorUpdate } from "./mirror-changes.js";
import { Mirror } from "./mirror.js";
import type { MirrorOptions } from "./mirror-options.js";
import { clusterOf, settled, type ScriptedCluster } from "../test-kit/scripted-cluster.js";
import {
  closeUnanswered,
  event,
  headersOnly,
  raftTimeout,
  reply,
  waitIndexes,
  type Answer,
} from "../test-kit/scripted-server.js";
import { patience } from "../test-kit/waiting.js";

function head(index: number, clusterId = "a"): Readonly<Record<string, string>> {
  return { "x-etcd-index": String(index), "x-etcd-cluster-id": clusterId };
}

function file(key: string, modifiedIndex: number): object {
  return { key, value: "v", createdIndex: 4, modifiedIndex };
}

/** A list of /d with files of these names, each last modified at the list's index. */
function list(index: number, names: readonly string[], clusterId?: string): Answer {
  const nodes = names.map((name) => file(`/d/${name}`, 4));
  return reply(200, { action: "get", node: { key: "/d", dir: true, nodes } }, head(index, clusterId));
}

function eventOf(name: string, modifiedIndex: number, began: number): Answer {
  return event(modifiedIndex, head(began), { node: file(`/d/${name}`, modifiedIndex) });
}

function cleared(index: number): Answer {
  return reply(400, { errorCode: 401, message: "outdated and cleared", cause: "history", index }, head(index));
}

interface Ground extends ScriptedCluster {
  readonly mirror: Mirror;
  readonly errors: readonly unknown[];
  readonly next: () => Promise<MirrorUpdate>;
}

/** A mirror of /d on one server with the given script. */
async function ground(t: TestContext, script: readonly Answer[], options: MirrorOptions = {}): Promise<Ground> {
  const cluster = await clusterOf(t, [script]);
  const errors: unknown[] = [];
  const onError = (error: unknown): unknown => errors.push(error);
  const mirror = new Mirror(cluster.keys, "/d", { minRetryMs: 1, maxRetryMs: 5, onError, ...options });
  return { ...cluster, mirror, errors, next: () => mirror.next(patience()) };
}

function show({ kind, index, changes }: MirrorUpdate): string {
  const shown = changes.map(({ type, node }) => `${type === "remove" ? "-" : "+"}${node.key}`);
  return [`${kind}@${String(index)}:`, ...shown].join(" ");
}

test("mirror: events that a member skipped arrive with the next list, and onError is called (FF1)", async (t) => {
  const { mirror, next, errors } = await ground(t, [
    list(8, ["a"]),
    eventOf("after", 7013, 8),
    cleared(7013),
    list(7013, ["a", "gap1", "gap2", "after"]),
    eventOf("b", 7014, 7013),
  ]);
  assert.equal(show(await next()), "list@8: +/d/a");
  assert.equal(show(await next()), "list@7013: +/d/gap1 +/d/gap2 +/d/after");
  assert.ok(errors.length === 1 && isIndexCleared(errors[0]));
  assert.equal(show(await next()), "event@7014: +/d/b");
  assert.deepEqual([...mirror.nodes.keys()].sort(), ["/d/a", "/d/after", "/d/b", "/d/gap1", "/d/gap2"]);
});

test("mirror: when the cluster starts over, it reads again by quorum, delivers the difference and calls onError (FF2)", async (t) => {
  const { next, errors, seen } = await ground(t, [
    list(100, ["old"]),
    closeUnanswered(),
    // sent again by the client once it knows that the whole cluster was replaced
    headersOnly(head(3, "b")),
    headersOnly(head(3, "b")),
    list(3, ["new"], "b"),
    eventOf("newer", 4, 3),
  ]);
  assert.equal((await next()).startedOver, undefined);
  const update = await next();
  assert.deepEqual([show(update), update.startedOver], ["list@3: -/d/old +/d/new", true]);
  assert.equal(errors.filter(isIndexCleared).length, 1);
  assert.deepEqual(
    seen(0).map(({ query }) => query.includes("quorum=true")),
    [false, false, false, false, true],
  );
});

test("mirror: the same cluster id with a lower index also counts as a cluster that started over (FF2)", async (t) => {
  const { mirror, next, errors, server } = await ground(t, [
    list(100, ["old"]),
    headersOnly(head(3)),
    headersOnly(head(3)),
    list(3, ["new"]),
    list(3, ["new"]),
    eventOf("newer", 4, 3),
  ]);
  await next();
  const update = await next();
  assert.deepEqual([show(update), update.startedOver], ["list@3: -/d/old +/d/new", true]);
  assert.ok(errors.length === 1 && isIndexCleared(errors[0]));
  assert.equal(show(await next()), "event@4: +/d/newer");
  assert.equal(mirror.index, 4);
  assert.equal(waitIndexes(server(0)).at(-1), 4);
});

test("mirror: a lower index read by quorum is reported and accepted (FF2)", async (t) => {
  const { mirror, next, errors } = await ground(t, [
    list(900, ["old"]),
    list(5, ["new"]),
    list(5, ["new"]),
    headersOnly(head(5)),
  ]);
  await next();
  mirror.resync();
  assert.equal(show(await next()), "list@5: -/d/old +/d/new");
  assert.ok(errors.length === 1 && isIndexCleared(errors[0]));
});

test("mirror: a member that merely lags causes neither a list nor a call of onError (FF2)", async (t) => {
  const { next, errors, seen } = await ground(t, [
    list(100, ["a"]),
    headersOnly(head(90)),
    headersOnly(head(90)),
    list(100, ["a"]),
    eventOf("b", 101, 100),
  ]);
  await next();
  assert.equal(show(await next()), "event@101: +/d/b");
  assert.deepEqual(errors, []);
  assert.equal(seen(0).length, 5);
});

const html: Answer = reply(200, "<html>maintenance</html>", { "content-type": "text/html" });
const refusals: Readonly<Record<string, Answer>> = {
  ...Object.fromEntries(
    [403, 404, 408, 421, 425, 429, 500, 502, 503, 504].flatMap((status) => [
      [`${String(status)} with text`, reply(status, "no\n")],
      [`${String(status)} with JSON`, reply(status, { message: "no" })],
    ]),
  ),
  "a page of 200": html,
  "404 page not found": reply(404, "404 page not found\n"),
};

for (const [what, refusal] of Object.entries(refusals)) {
  test(`mirror: ${what} from a proxy is waited out, by the watch and by a later read (FF7, FF19)`, async (t) => {
    const { mirror, next, errors } = await ground(t, [
      list(9, ["a"]),
      refusal,
      refusal,
      eventOf("b", 10, 9),
      refusal,
      list(11, ["a", "b", "c"]),
      headersOnly(head(11)),
    ]);
    await next();
    assert.equal(show(await next()), "event@10: +/d/b");
    assert.equal(errors.length, 2);
    mirror.resync();
    assert.equal(show(await next()), "list@11: +/d/c");
    assert.equal(errors.length, 3);
  });
}

for (const status of [408, 421, 425, 429]) {
  test(`mirror: the first read also waits out ${String(status)} (FF7)`, async (t) => {
    const { next, errors } = await ground(t, [reply(status, "slow down\n"), list(9, ["a"])]);
    assert.equal(show(await next()), "list@9: +/d/a");
    assert.equal(errors.length, 1);
  });
}

for (const [what, answer] of [
  ["a page of 200", html],
  ["404 page not found", reply(404, "404 page not found\n")],
  ["403 with text", reply(403, "no\n")],
] as const) {
  test(`mirror: ${what} at the first read is final: that URL is not an etcd with the v2 API (FF7)`, async (t) => {
    const { next, errors } = await ground(t, [answer, list(9, ["a"])]);
    await assert.rejects(next(), ResponseError);
    assert.deepEqual(errors, []);
    assert.equal(show(await next()), "list@9: +/d/a");
  });
}

test("mirror: pauses grow, and are at least as long as Retry-After (FF7)", async (t) => {
  const startMs = performance.now();
  const { next, errors } = await ground(
    t,
    [
      list(9, ["a"]),
      reply(429, "no", { "retry-after": "1" }),
      reply(503, "no", { "retry-after": "Thu, 26 Nov 2026 06:00:01 GMT", date: "Thu, 26 Nov 2026 06:00:00 GMT" }),
      reply(429, "no"),
      eventOf("b", 10, 9),
    ],
    { minRetryMs: 100, maxRetryMs: 1_000 },
  );
  await next();
  assert.equal(show(await next()), "event@10: +/d/b");
  // plus the third pause, at least half of 400 ms
  assert.ok(performance.now() - startMs >= 2_200);
  assert.equal(errors.length, 3);
});

test("mirror: a programming error rejects at once (FF19)", async () => {
  let calls = 0;
  const sender: Sender = {
    send() {
      calls++;
      return (undefined as unknown as { readonly x: Promise<never> }).x;
    },
  };
  await assert.rejects(new Mirror(new KeysAPI(sender), "/d").next(patience()), TypeError);
  assert.equal(calls, 1);
});

test("mirror: a programming error during the watch rejects at once (FF19)", async (t) => {
  const { client } = await ground(t, [list(9, ["a"])]);
  const failure = new TypeError("a fault of the program");
  const sender: Sender = {
    send: (spec, signal) => (spec.longPoll === true ? Promise.reject(failure) : client.send(spec, signal)),
  };
  const mirror = new Mirror(new KeysAPI(sender), "/d");
  await mirror.next(patience());
  assert.equal(await settled(mirror.next(patience())), failure);
});

for (const [what, answer] of [
  ["a list", reply(200, { action: "get", node: { key: "/d", dir: true } }, {})],
  ["a refusal of a key that does not exist", reply(404, { errorCode: 100, message: "Key not found", cause: "/d" })],
] as const) {
  test(`mirror: ${what} without X-Etcd-Index is refused: the watch would begin with a gap`, async (t) => {
    const { next, seen } = await ground(t, [answer, list(9, ["a"])]);
    await assert.rejects(next(), { name: "ResponseError", code: "ERR_INVALID_JSON", message: /X-Etcd-Index/ });
    assert.equal(seen(0).length, 1);
    assert.equal(show(await next()), "list@9: +/d/a");
  });
}

test("mirror: what onError throws becomes a process warning, and the mirror goes on", async (t) => {
  const warnings: unknown[] = [];
  const listen = (warning: Error): unknown => warnings.push(warning.message);
  process.on("warning", listen);
  t.after(() => process.off("warning", listen));
  const { next } = await ground(t, [raftTimeout(), list(9, ["a"])], {
    onError: () => {
      throw new Error("a fault of the callback");
    },
  });
  assert.equal(show(await next()), "list@9: +/d/a");
  await new Promise((resolve) => setImmediate(resolve));
  assert.deepEqual(warnings, ["options.onError threw: a fault of the callback"]);
});
