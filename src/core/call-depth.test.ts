import assert from "node:assert/strict";
import test from "node:test";
import { Client } from "./client.js";
import type { Exchange } from "../http/exchange.js";
import { KeysAPI } from "./keys.js";

/** The most frames of our own between `keys.set` and the transport. */
const maxFrames = 15;

/**
 * The frames of our own between a call and the transport, the outermost first. Frames that only await ("at async") have
 * returned, and do not count.
 */
async function wayOf(call: (keys: KeysAPI) => Promise<unknown>): Promise<readonly string[]> {
  let way: readonly string[] = [];
  const exchange: Exchange = () => {
    way = ownFrames();
    const node = { key: "/a", value: "v", modifiedIndex: 7, createdIndex: 7 };
    return Promise.resolve({ status: 200, headers: {}, body: JSON.stringify({ action: "set", node }) });
  };
  const transport = Object.assign(exchange, { sharesSignals: true });
  await using client = new Client({ endpoints: ["http://127.0.0.1:2379"], transport });
  const keys = new KeysAPI(client);
  // the first call loads the log
  await call(keys);
  await call(keys);
  return way;
}

function stackOf(): readonly string[] {
  const { stackTraceLimit } = Error;
  Error.stackTraceLimit = 100;
  const lines = (new Error().stack ?? "").split("\n").filter((line) => /^\s+at (?!async )/.test(line));
  Error.stackTraceLimit = stackTraceLimit;
  return lines;
}

function ownFrames(): readonly string[] {
  return stackOf()
    .filter((line) => /\/src\/(?:core|http|util)\//.test(line) && !line.includes("call-depth.test"))
    .map((line) => line.trim())
    .reverse();
}

/** How often a way comes into a file from another one. */
function entriesOf(way: readonly string[], file: string): number {
  return way.filter((frame, i) => frame.includes(file) && way[i - 1]?.includes(file) !== true).length;
}

for (const [name, call] of [
  ["set", (keys: KeysAPI) => keys.set("/a", "v")],
  ["get", (keys: KeysAPI) => keys.get("/a")],
] as const) {
  test(`client: from keys.${name} to the transport there are at most ${String(maxFrames)} frames`, async () => {
    const way = await wayOf(call);
    assert.match(way[0] ?? "", new RegExp(`KeysAPI\\.${name}`), way.join("\n"));
    assert.ok(way.some((frame) => frame.includes("/limiter.")) && way.at(-1)?.includes("/http/"), way.join("\n"));
    assert.ok(way.length <= maxFrames, `${String(way.length)} frames:\n${way.join("\n")}`);
    assert.ok(entriesOf(way, "/core/client.") <= 2, way.join("\n"));
  });
}
