import assert from "node:assert/strict";
import test from "node:test";
import { UsageError } from "../util/errors.js";
import { formatDuration, parseDuration } from "./index.js";

const isUsage = (error: unknown): boolean => error instanceof UsageError;

for (const [ms, text] of [
  [0, "0s"],
  [500, "500ms"],
  [1_500, "1.5s"],
  [10_000, "10s"],
  [60_000, "1m0s"],
  [90_000, "1m30s"],
  [3_661_000, "1h1m1s"],
  [86_400_000, "24h0m0s"],
  [0.0015, "1.5µs"],
  [0.000001, "1ns"],
  [1.5, "1.5ms"],
  [60_000.5, "1m0.0005s"],
  [-5_000, "-5s"],
] as const) {
  test(`consul 26: ${String(ms)} ms are ${text}`, () => {
    assert.equal(formatDuration(ms), text);
    assert.equal(parseDuration(text), ms);
  });
}

for (const [text, ms] of [
  ["60s", 60_000],
  ["1m30s", 90_000],
  ["1.5h", 5_400_000],
  ["100ms", 100],
  ["1µs", 0.001],
  ["1us", 0.001],
  ["1μs", 0.001],
  ["-5s", -5_000],
  ["+5s", 5_000],
  ["0", 0],
  [".5s", 500],
  ["1.s", 1_000],
  ["1s1h", 3_601_000],
] as const) {
  test(`consul 26: ${text} are ${String(ms)} ms`, () => {
    assert.equal(parseDuration(text), ms);
  });
}

test("consul 26: texts that are not durations", () => {
  for (const text of ["", "10", "s", "1x", "1 s", " 1s", "1s ", "-", "1.2.3s", ".s", "1e3s", "Infinity", "--1s"])
    assert.throws(() => parseDuration(text), isUsage);
  for (const ms of [NaN, Infinity, -Infinity]) assert.throws(() => formatDuration(ms), isUsage);
});
