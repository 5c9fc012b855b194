import assert from "node:assert/strict";
import test from "node:test";
import { goJson } from "./go-json.js";

for (const [what, value, json] of [
  [
    "plain text",
    { a: "x", n: 1.5, yes: true, none: null, list: ["y", 2] },
    '{"a":"x","n":1.5,"yes":true,"none":null,"list":["y",2]}',
  ],
  ["quotes and backslashes", 'a"b\\c', '"a\\"b\\\\c"'],
  ["line breaks and tabs", "\n\r\t", '"\\n\\r\\t"'],
  ["a backspace and a form feed", "\b\f", '"\\u0008\\u000c"'],
  ["other control characters", "\0\x1f\x7f", '"\\u0000\\u001f\x7f"'],
  ["a backslash before a letter", "\\b \\f \\ud800", '"\\\\b \\\\f \\\\ud800"'],
  ["what HTML treats in a special way", "<&>", '"\\u003c\\u0026\\u003e"'],
  ["line separators of JavaScript", "\u2028\u2029", '"\\u2028\\u2029"'],
  ["a surrogate without its other half", "a\ud800b\udfff", '"a\\ufffdb\\ufffd"'],
  ["a character outside the basic plane", "\u{1F600}ü", '"\u{1F600}ü"'],
  ["names of fields", { "<\b": 1 }, '{"\\u003c\\u0008":1}'],
  ["a field that is undefined", { a: undefined, b: "<" }, '{"b":"\\u003c"}'],
  ["undefined", undefined, "null"],
  ["undefined in an array", [undefined, "&"], '[null,"\\u0026"]'],
] as const) {
  test(`go JSON: ${what} is written as Go writes it`, () => {
    assert.equal(goJson(value), json);
    // next to text that forces the slow way, the result is the same
    assert.equal(goJson([value, "<"]), `[${json},"\\u003c"]`);
  });
}
