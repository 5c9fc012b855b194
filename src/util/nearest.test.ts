import assert from "node:assert/strict";
import test from "node:test";
import { nearest } from "./nearest.js";

const names = ["signal", "ttlMs", "onWarning", "retryMs", "minRetryMs", "maxRetryMs", "prevValue", "tls", "dc"];

for (const [given, meant] of [
  ["sginal", "signal"],
  ["Signal", "signal"],
  ["singal", "signal"],
  ["ttl", "ttlMs"],
  ["onWarn", "onWarning"],
  ["onwarnings", "onWarning"],
  ["retryms", "retryMs"],
  ["prevVal", "prevValue"],
  ["preValue", "prevValue"],
  ["maxRetryMS", "maxRetryMs"],
  ["ssl", undefined],
  ["dcc", "dc"],
  ["timeout", undefined],
  ["agent", undefined],
  ["x", undefined],
  ["", undefined],
] as const) {
  test(`nearest: "${given}" ${meant === undefined ? "resembles nothing" : `was meant as ${meant}`}`, () => {
    assert.equal(nearest(given, names), meant);
  });
}
