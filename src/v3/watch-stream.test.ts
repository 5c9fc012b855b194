import assert from "node:assert/strict";
import test from "node:test";
import { Client, ClusterError, KeysAPI, type Exchange, type RequestSpec } from "../core/index.js";
import { deferred } from "../util/deferred.js";
import { untilAborted } from "../util/signals.js";
import { patience } from "../test-kit/waiting.js";
import type { Json } from "./decode.js";
import { base64 } from "./layout.js";
import { v3Protocol } from "./protocol.js";
import { headerAt } from "./test-kit/scripted-gateway.js";

const first = 11;
const count = 40;

/** A put of `/d/k11`, `/d/k12` and so on, each with a lease of its own; `isDeletion`: what ended it. */
function eventAt(revision: number, isDeletion: boolean): Json {
  const lease = String(700 + revision);
  const kv = { key: base64(`/d/k${String(revision)}`), mod_revision: String(revision) };
  const whole = { ...kv, value: base64("v"), create_revision: "5", version: "1", lease };
  const event = isDeletion ? { type: "DELETE", kv, prev_kv: { ...whole, mod_revision: "5" } } : { kv: whole };
  return { result: { header: headerAt(revision), events: [event] } };
}

/** A gateway that sends one watch line per revision, and answers look-ups of leases only when 16 wait, or all that are left. */
function gatewayOf(isDeletion: boolean): { readonly transport: Exchange; readonly most: () => number } {
  let [most, left] = [0, count];
  let waiting: (() => void)[] = [];
  const watch = async (spec: RequestSpec, signal: AbortSignal | undefined): Promise<void> => {
    spec.onHeaders?.({ status: 200, headers: {} });
    const lines = [{ result: { header: headerAt(10), created: true } }];
    for (let i = 0; i < count; i++) lines.push(eventAt(first + i, isDeletion) as (typeof lines)[number]);
    for (const line of lines) spec.onPart?.(Buffer.from(`${JSON.stringify(line)}\n`));
    if (signal !== undefined) await untilAborted(signal);
  };
  const lookUp = (): Promise<void> =>
    new Promise((resolve) => {
      waiting.push(resolve);
      most = Math.max(most, waiting.length);
      if (waiting.length < Math.min(16, left)) return;
      left -= waiting.length;
      for (const each of waiting) each();
      waiting = [];
    });
  const transport: Exchange = async (_url, spec, signal) => {
    if (spec.path === "/v3/watch") await watch(spec, signal);
    else await lookUp();
    return { status: 200, headers: {}, body: JSON.stringify({ header: headerAt(60), TTL: "30", grantedTTL: "60" }) };
  };
  return { transport, most: () => most };
}

for (const [what, isDeletion, told] of [
  ["puts with a TTL", false, "set 31"],
  ["deletions of keys with a TTL", true, "delete -"],
] as const) {
  test(`watch stream: the leases of ${what} are looked up side by side, 16 at once, and their events stay in order`, async () => {
    const { transport, most } = gatewayOf(isDeletion);
    await using client = new Client({ endpoints: ["http://gateway:2379"], transport, protocol: v3Protocol() });
    const watcher = new KeysAPI(client).watcher("/d", { recursive: true, afterIndex: first - 1 });
    for (let i = 0; i < count; i++) {
      const { action, node } = await watcher.next(patience());
      assert.deepEqual([node.key, `${action} ${String(node.ttl ?? "-")}`], [`/d/k${String(first + i)}`, told]);
    }
    assert.equal(most(), 16);
  });
}

test("watch stream: when its response has ended it leaves the connection alone, which may serve another request by then", async () => {
  let hasEnded = false;
  const held: string[] = [];
  const note = (what: string) => (): void => {
    held.push(hasEnded ? `${what} after the end` : what);
  };
  const connection = { ref: note("ref"), unref: note("unref") };
  const ended = deferred<undefined>();
  const transport: Exchange = async (_url, spec) => {
    if (spec.path === "/v3/watch") {
      spec.onHeaders?.({ status: 200, headers: {} }, connection);
      for (const line of [{ result: { header: headerAt(10), created: true } }, eventAt(first, false)])
        spec.onPart?.(Buffer.from(`${JSON.stringify(line)}\n`));
      hasEnded = true;
      ended.resolve(undefined);
    } else await ended.promise;
    return { status: 200, headers: {}, body: JSON.stringify({ header: headerAt(60), TTL: "30", grantedTTL: "60" }) };
  };
  await using client = new Client({ endpoints: ["http://gateway:2379"], transport, protocol: v3Protocol() });
  const watcher = new KeysAPI(client).watcher("/d", { recursive: true, afterIndex: first - 1 });
  assert.equal((await watcher.next(patience())).node.key, `/d/k${String(first)}`);
  assert.deepEqual(held, ["ref"]);
});

test("watch stream: a server that is being stopped refuses a watch, and the watcher may ask another one", async () => {
  for (const code of [14, 1]) {
    for (const error of [
      { error: { grpc_code: code, http_code: 503, message: "gone" } },
      { error: { code, message: "gone" } },
    ]) {
      const transport: Exchange = (_url, spec) => {
        spec.onHeaders?.({ status: 200, headers: {} });
        spec.onPart?.(Buffer.from(`${JSON.stringify(error)}\n`));
        return Promise.resolve({ status: 200, headers: {}, body: "" });
      };
      await using client = new Client({ endpoints: ["http://gateway:2379"], transport, protocol: v3Protocol() });
      await assert.rejects(new KeysAPI(client).watcher("/d").next(patience()), (thrown) => {
        assert.ok(thrown instanceof ClusterError && thrown.outcome === "notApplied");
        return thrown.message.includes("refused a watch: gone");
      });
    }
  }
});
