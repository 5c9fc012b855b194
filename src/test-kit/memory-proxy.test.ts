import assert from "node:assert/strict";
import { test } from "node:test";
import type { Exchange, RawResponse, RequestSpec } from "../http/exchange.js";
import { EndpointError } from "../util/errors.js";
import { untilAborted } from "../util/signals.js";
import { MemoryProxy } from "./memory-proxy.js";
import { settled } from "./scripted-cluster.js";
import { useVirtualTime } from "./virtual-time.js";
import { sleep } from "./waiting.js";

const time = useVirtualTime();
const url = new URL("http://memory.invalid/");

/** A server that counts requests, and sends the headers of a long poll at once. */
function scene(): {
  readonly proxy: MemoryProxy;
  readonly seen: string[];
  readonly send: (spec?: Partial<RequestSpec>, signal?: AbortSignal) => Promise<RawResponse>;
} {
  const seen: string[] = [];
  const server: Exchange = async (_url, { method, longPoll, onHeaders }, signal) => {
    seen.push(method);
    const head = { status: 200, headers: { server: "memory" } };
    onHeaders?.(head);
    if (longPoll === true) await untilAborted(signal ?? assert.fail("a request has a signal"));
    return { ...head, body: "ü" };
  };
  const proxy = new MemoryProxy(server);
  return { proxy, seen, send: (spec, signal) => proxy.exchange(url, { method: "PUT", path: "/", ...spec }, signal) };
}

function isReset(error: unknown): boolean {
  return error instanceof EndpointError && error.message.includes("ECONNRESET") && error.outcome === "unknown";
}

test("memory proxy: a response arrives, later when it is slow", async () => {
  const { proxy, send } = scene();
  const begunMs = time.now();
  const heads: number[] = [];
  assert.deepEqual(await send({ onHeaders: ({ status }) => heads.push(status) }), {
    status: 200,
    headers: { server: "memory" },
    body: "ü",
  });
  assert.deepEqual(heads, [200]);
  assert.equal(time.now() - begunMs, 2);
  proxy.slow(100);
  await send();
  assert.equal(time.now() - begunMs, 104);
});

test("memory proxy: refuse resets requests under way and new ones, heal ends it", async () => {
  const { proxy, seen, send } = scene();
  proxy.slow(100);
  const waiting = settled(send());
  await sleep(50);
  proxy.cut("refuse");
  assert.ok(isReset(await waiting));
  await assert.rejects(send(), isReset);
  assert.deepEqual(seen, ["PUT"]);
  proxy.heal();
  await send();
});

test("memory proxy: hang keeps requests from the server, mute keeps responses from the client, until heal or a limit", async () => {
  for (const [how, arrived] of [
    ["hang", 0],
    ["mute", 1],
  ] as const) {
    const { proxy, seen, send } = scene();
    proxy.cut(how);
    const waiting = settled(send());
    const limited = settled(send({ limits: { headersMs: 1_000, idleMs: Infinity } }));
    const begunMs = time.now();
    const error = await limited;
    assert.ok(error instanceof EndpointError && error.code === "ERR_HEADER_TIMEOUT", String(error));
    assert.equal(time.now() - begunMs, 1_000);
    proxy.heal();
    assert.ok(isReset(await waiting));
    assert.equal(seen.length, arrived * 2);
  }
});

test("memory proxy: a cut holds the rest of a response back, too", async () => {
  const { proxy, send } = scene();
  proxy.slow(100);
  const waiting = settled(send());
  await sleep(50);
  proxy.cut("mute");
  await sleep(60_000);
  proxy.heal();
  assert.ok(isReset(await waiting));
});

test("memory proxy: a long poll has its headers at once, and ends as truncated or with the reason of an abort", async () => {
  const { proxy, send } = scene();
  let heads = 0;
  const poll = { method: "GET", longPoll: true, onHeaders: () => heads++ } as const;
  const cut = send(poll);
  const reason = new Error("enough");
  const stop = new AbortController();
  const stopped = settled(send(poll, stop.signal));
  await sleep(10);
  assert.equal(heads, 2);
  stop.abort(reason);
  assert.equal(await stopped, reason);
  proxy.cut("refuse");
  assert.equal((await cut).truncated, true);
});
