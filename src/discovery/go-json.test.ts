import assert from "node:assert/strict";
import test from "node:test";
import { flag } from "../util/reader.js";
import { goObject, goPorts, goText, readGoObject, sortedByBytes } from "./go-json.js";

test("go json: fields keep their order, and strings are escaped as in Go", () => {
  const text = goObject([
    ["b", '<&>é\u2028\u2029"'],
    ["a", null],
    ["list", ["<", 1, true, { x: "&" }]],
    ["map", new Map([["k", "v"]])],
  ]);
  assert.equal(
    text,
    '{"b":"\\u003c\\u0026\\u003eé\\u2028\\u2029\\"","a":null,"list":["\\u003c",1,true,{"x":"\\u0026"}],"map":{"k":"v"}}',
  );
});

test("go json: maps are sorted by the bytes of their keys", () => {
  // UTF-16 would put the last two the other way round
  assert.deepEqual(
    [...sortedByBytes({ "\u{1f600}": "4", "\uff5e": "3", b: "2", B: "1" }).values()],
    ["1", "2", "3", "4"],
  );
});

test("go json: a field counts in any case, the exact name first, and null is absent", () => {
  const fields = readGoObject("host", '{"USER":"a","user":"b","Public":true,"name":null,"More":[1]}');
  assert.equal(fields.get("user", goText), "b");
  assert.equal(fields.get("public", flag), true);
  assert.equal(fields.get("name", goText), undefined);
  assert.deepEqual(fields.rest(), [["More", [1]]]);
});

test("go json: ports that are numbers are read as text, and null is left out", () => {
  assert.deepEqual(readGoObject("host", '{"ports":{"a":80,"b":"81","c":null}}').get("ports", goPorts), {
    a: "80",
    b: "81",
  });
});

test("go json: what cannot be read names the field, and quotes nothing", () => {
  for (const [text, message] of [
    ["secret", 'host "k": the text is not valid JSON'],
    ["[]", 'host "k": the text is not a JSON object'],
    ['{"ports":"secret"}', 'host "k": "ports" is not an object'],
    ['{"ports":{"http":["secret"]}}', 'host "k": "ports.http" is not a string'],
  ] as const) {
    assert.throws(() => readGoObject('host "k"', text).get("ports", goPorts), { code: "ERR_DECODE", message });
  }
});
