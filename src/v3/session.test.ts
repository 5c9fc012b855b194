import assert from "node:assert/strict";
import test from "node:test";
import { Client, ClusterError, EndpointError, KeysAPI, type Exchange } from "../core/index.js";
import { useVirtualTime } from "../test-kit/virtual-time.js";
import { v3Protocol } from "./protocol.js";
import { headerAt } from "./test-kit/scripted-gateway.js";

useVirtualTime();

const headerTimeoutMs = 1_000;

interface Sent {
  readonly path: string;
  readonly leftMs: number | undefined;
}

/** A server that takes so long for each request, whatever its limit, and carries out all writes. */
function slowServer(ms: number): { readonly keys: KeysAPI; readonly sent: readonly Sent[] } {
  const sent: Sent[] = [];
  const marker = { kvs: [{ mod_revision: "6", create_revision: "6" }] };
  const transport: Exchange = async (_url, { path, limits, readOnly = false }) => {
    sent.push({ path, leftMs: limits?.headersMs });
    await new Promise((resolve) => setTimeout(resolve, ms));
    const responses = readOnly ? [{ response_range: marker }] : [{ response_put: {} }];
    const json = { header: headerAt(7), ID: "77", TTL: "9", succeeded: !readOnly, responses };
    return { status: 200, headers: {}, body: JSON.stringify(json) };
  };
  const client = new Client({ endpoints: ["http://gateway:2379"], headerTimeoutMs, transport, protocol: v3Protocol() });
  return { keys: new KeysAPI(client), sent };
}

test("session: the time for a key in order begins with its turn among the calls for its directory", async () => {
  const { keys, sent } = slowServer(400);
  await Promise.all(Array.from({ length: 10 }, () => keys.createInOrder("/q", "v")));
  const least = Math.min(...sent.map(({ leftMs = 0 }) => leftMs));
  assert.ok(least >= headerTimeoutMs - 400, `a request had only ${String(least)} ms`);
});

test("session: calls for one directory do not wait one after the other for a server that does not answer", async () => {
  const time = useVirtualTime();
  const transport: Exchange = async (url, { limits }) => {
    await new Promise((resolve) => setTimeout(resolve, limits?.headersMs));
    throw new EndpointError("ERR_HEADER_TIMEOUT", "silence", { endpoint: url.origin, outcome: "notApplied" });
  };
  await using client = new Client({
    endpoints: ["http://gateway:2379"],
    headerTimeoutMs,
    transport,
    protocol: v3Protocol(),
  });
  const startMs = time.now();
  const calls = Array.from({ length: 10 }, () => new KeysAPI(client).createInOrder("/q", "v"));
  const results = await Promise.allSettled(calls);
  assert.ok(results.every(({ status }) => status === "rejected"));
  assert.ok(time.now() - startMs <= 2 * headerTimeoutMs + 1, `they took ${String(time.now() - startMs)} ms`);
});

test("session: a write for which no time is left is not sent, and was not applied", async () => {
  const { keys, sent } = slowServer(headerTimeoutMs);
  const error: unknown = await keys.set("/k", "v", { ttl: 9 }).catch((each: unknown) => each);
  assert.ok(error instanceof ClusterError, String(error));
  assert.deepEqual(
    error.errors.map((each) => [(each as { readonly code?: unknown }).code, each.message]),
    [["ERR_HEADER_TIMEOUT", "endpoint http://gateway:2379 exceeded header timeout of 1000 ms"]],
  );
  assert.equal(error.outcome, "notApplied");
  assert.deepEqual(
    sent.map(({ path }) => path),
    ["/v3/lease/grant"],
  );
});
