import assert from "node:assert/strict";
import test from "node:test";
import { Backoff } from "./backoff.js";

for (const [luck, expected] of [
  [0, [100, 200, 400, 500, 500]],
  [1, [50, 100, 200, 250, 250]],
] as const) {
  test(`backoff: pauses double up to the maximum, shortened by ${String(luck * 50)} %`, (t) => {
    t.mock.method(Math, "random", () => luck);
    const backoff = new Backoff(100, 500);
    const next = (): number[] => expected.map(() => backoff.next());
    assert.deepEqual(next(), expected);
    backoff.reset();
    assert.deepEqual(next(), expected);
  });
}
