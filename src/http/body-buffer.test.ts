import assert from "node:assert/strict";
import test from "node:test";
import { BodyBuffer } from "./body-buffer.js";

/** The text of a body that arrives in parts of that many bytes. */
function inParts(bytes: Buffer, size: number): string {
  const body = new BodyBuffer();
  for (let at = 0; at < bytes.length; at += size) body.add(bytes.subarray(at, at + size));
  assert.equal(body.length, bytes.length);
  return body.text();
}

for (const [what, text] of [
  ["nothing", ""],
  ["ASCII only", '{"value":"plain"}'],
  ["one character beyond ASCII at its end", '{"value":"plain"}é'],
  ["characters of two, three and four bytes", "é€😀é€😀"],
  ["a byte order mark", "\uFEFF{}"],
] as const) {
  test(`body buffer: ${what}: the text is the same however the body arrives`, () => {
    const bytes = Buffer.from(text);
    for (const size of [1, 2, 3, bytes.length + 1]) assert.equal(inParts(bytes, size), text);
  });
}

test("body buffer: bytes that are not UTF-8 are replaced as in one piece", () => {
  const bytes = Buffer.from([0x61, 0xe2, 0x82, 0x62, 0xff, 0xf0, 0x9f]);
  for (const size of [1, 3, bytes.length]) assert.equal(inParts(bytes, size), bytes.toString());
});

test("body buffer: more parts than it keeps are joined in order", () => {
  for (const end of ["", "é"]) {
    const text = `${"0123456789".repeat(500)}${end}`;
    assert.equal(inParts(Buffer.from(text), 1), text);
  }
});
