import assert from "node:assert/strict";
import test from "node:test";
import { ResponseError } from "../util/errors.js";
import { headerOf, integer, keyValueOf } from "./decode.js";
import { base64, fromBase64 } from "./layout.js";

test("decode: numbers come as strings or numbers, or not at all; one that a double does not hold exactly is refused", () => {
  const cases: readonly (readonly [given: unknown, read: number])[] = [
    ["0", 0],
    ["42", 42],
    ["007", 7],
    ["-1", -1],
    [String(Number.MAX_SAFE_INTEGER), Number.MAX_SAFE_INTEGER],
    [7, 7],
    [undefined, 0],
    [null, 0],
  ];
  for (const [given, read] of cases) assert.equal(integer({ n: given }, "n"), read, String(given));
  for (const given of ["9007199254740992", "9007199254740993", "9".repeat(400), "", "0x10", "1e3", " 1", 1.5, {}, true])
    assert.throws(() => integer({ n: given }, "n"), ResponseError, JSON.stringify(given));
});

test("decode: the cluster's id is told in hexadecimal, each time that of the response", () => {
  const clusterOf = (id: string): string => headerOf({ header: { cluster_id: id, revision: "1" } }).clusterId;
  for (let i = 0; i < 2; i++) {
    assert.equal(clusterOf("14841639068965178418"), "cdf818194e3a8c32");
    assert.equal(clusterOf("10"), "a");
  }
  assert.throws(() => clusterOf("none"), ResponseError);
});

test("decode: keys and values of any length are read as UTF-8; other bytes become U+FFFD", () => {
  for (const text of [
    "",
    "v",
    "\0 ü😀",
    "ä".repeat(3_000),
    "x".repeat(100_000),
    "😀".repeat(1_024),
    "a".repeat(4_097),
  ]) {
    assert.equal(fromBase64(base64(text)), text);
    assert.equal(base64(text), Buffer.from(text).toString("base64"));
    assert.equal(keyValueOf({ key: base64("/k"), value: base64(text) }).value, text);
  }
  assert.equal(fromBase64("//4="), "\ufffd\ufffd");
  assert.equal(base64("\ud800"), Buffer.from("\ufffd").toString("base64"));
});
