import assert from "node:assert/strict";
import test from "node:test";
import { Client } from "./client.js";
import type { Exchange } from "../http/exchange.js";
import { KeysAPI } from "./keys.js";

/** The most frames of our own between `keys.set` and the transport. */
const maxFrames = 11;

/**
 * The frames of our own between a call and the transport, the outermost first. Frames that only await ("at async") have
 * returned, and do not count.
 */
async function pathOf(call: (keys: KeysAPI) => Promise<unknown>): Promise<readonly string[]> {
  let path: readonly string[] = [];
  const exchange: Exchange = () => {
    path = ownFrames();
    const node = { key: "/a", value: "v", modifiedIndex: 7, createdIndex: 7 };
    return Promise.resolve({ status: 200, headers: {}, body: JSON.stringify({ action: "set", node }) });
  };
  const transport = Object.assign(exchange, { sharesSignals: true });
  await using client = new Client({ endpoints: ["http://127.0.0.1:2379"], transport });
  const keys = new KeysAPI(client);
  // the first call loads the log
  await call(keys);
  await call(keys);
  return path;
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

/** How often the path enters a file from another one. */
function entriesOf(path: readonly string[], file: string): number {
  return path.filter((frame, i) => frame.includes(file) && path[i - 1]?.includes(file) !== true).length;
}

for (const [name, call] of [
  ["set", (keys: KeysAPI) => keys.set("/a", "v")],
  ["get", (keys: KeysAPI) => keys.get("/a")],
] as const) {
  test(`client: from keys.${name} to the transport there are at most ${String(maxFrames)} frames`, async () => {
    const path = await pathOf(call);
    assert.match(path[0] ?? "", new RegExp(`KeysAPI\\.${name}`), path.join("\n"));
    assert.ok(path.some((frame) => frame.includes("/failover.")) && path.at(-1)?.includes("/http/"), path.join("\n"));
    assert.ok(path.length <= maxFrames, `${String(path.length)} frames:\n${path.join("\n")}`);
    assert.ok(entriesOf(path, "/core/client.") <= 2, path.join("\n"));
  });
}
