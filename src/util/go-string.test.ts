import assert from "node:assert/strict";
import test from "node:test";
import { goString } from "./go-string.js";

test("go string: markup and line separators are escaped, everything else is as JSON.stringify writes it", () => {
  assert.equal(goString('<a href="&">\u2028\u2029'), '"\\u003ca href=\\"\\u0026\\"\\u003e\\u2028\\u2029"');
  assert.equal(goString("é \u{1f600}\n"), '"é \u{1f600}\\n"');
});
