import assert from "node:assert/strict";
import { getEventListeners } from "node:events";
import test from "node:test";
import { Client } from "../core/client.js";
import { KeysAPI } from "../core/keys.js";
import { gate } from "../test-kit/scripted-cluster.js";
import { okBody } from "../test-kit/scripted-server.js";
import type { Exchange } from "./exchange.js";

const answer = { status: 200, headers: {}, body: JSON.stringify(okBody) };

for (const [what, options] of [
  ["the caller's signal", { signal: new AbortController().signal }],
  ["no signal of the caller's", {}],
] as const) {
  test(`own signal: listeners of a transport that never removes them do not pile up, with ${what}`, async () => {
    const signals: (AbortSignal | undefined)[] = [];
    const transport: Exchange = (_url, _spec, signal) => {
      signal?.addEventListener("abort", () => undefined);
      signals.push(signal);
      return Promise.resolve(answer);
    };
    await using client = new Client({ endpoints: ["http://127.0.0.1:1"], transport });
    const keys = new KeysAPI(client);
    for (let i = 0; i < 20; i++) await keys.get("/k", options);
    assert.equal(new Set(signals).size, 20);
    for (const signal of signals) assert.equal(signal && getEventListeners(signal, "abort").length, 1);
  });
}

test("own signal: a transport that declares that it removes its listeners gets one signal for all requests", async () => {
  const signals = new Set<AbortSignal | undefined>();
  const exchange: Exchange = (_url, _spec, signal) => {
    signals.add(signal);
    return Promise.resolve(answer);
  };
  await using client = new Client({
    endpoints: ["http://127.0.0.1:1"],
    transport: Object.assign(exchange, { sharesSignals: true }),
  });
  const { signal } = new AbortController();
  for (let i = 0; i < 20; i++) await new KeysAPI(client).get("/k", { signal });
  assert.equal(signals.size, 1);
});

test("own signal: an abort reaches the transport and decides the result", async () => {
  const abort = new AbortController();
  const asked = gate();
  let told: unknown;
  const transport: Exchange = (_url, _spec, signal) =>
    new Promise((_resolve, reject) => {
      asked.open();
      signal?.addEventListener("abort", () => {
        told = signal.reason;
        reject(new Error("the transport's own"));
      });
    });
  await using client = new Client({ endpoints: ["http://127.0.0.1:1"], transport });
  const call = new KeysAPI(client).get("/k", { signal: abort.signal });
  await asked.opened;
  abort.abort(new Error("over"));
  await assert.rejects(call, (error) => error === abort.signal.reason);
  assert.equal(told, abort.signal.reason);
});

test("own signal: when the promise of onHeaders resolves, a long poll ends early and its transport is aborted", async () => {
  let told: unknown;
  const transport: Exchange = (_url, spec, signal) => {
    spec.onHeaders?.({ status: 200, headers: { "x-etcd-index": "5" } });
    return new Promise(() => {
      signal?.addEventListener("abort", () => {
        told = signal.reason;
      });
    });
  };
  await using client = new Client({ endpoints: ["http://127.0.0.1:1"], transport });
  const raw = await client.send({
    method: "GET",
    path: "/v2/keys/k",
    longPoll: true,
    onHeaders: () => Promise.resolve(),
  });
  assert.equal(raw.truncated, true);
  assert.equal(raw.headers["x-etcd-index"], "5");
  assert.ok(told instanceof Error);
});
