import assert from "node:assert/strict";
import test from "node:test";
import { compareBytes } from "./compare-bytes.js";

const texts = ["", "a", "aa", "b", "é", "\u{ffff}", "\u{fffd}", "\u{10000}", "a\u{1f600}", "a\u{ffff}", "\ud800"];

test("compare bytes: the order is that of the UTF-8 bytes, for any two texts", () => {
  for (const a of texts) {
    for (const b of texts) {
      const expected = Buffer.compare(Buffer.from(a), Buffer.from(b));
      assert.equal(Math.sign(compareBytes(a, b)), expected, `${JSON.stringify(a)} and ${JSON.stringify(b)}`);
    }
  }
});
