import assert from "node:assert/strict";
import test from "node:test";
import { ancestorsOf, base64, compareBytes, fromBase64, isHiddenBelow, Layout } from "./layout.js";

test("layout: a file is its key, a directory its marker and all below it, within the namespace", () => {
  const layout = new Layout("/app");
  assert.equal(layout.file("/a/b"), "/app/a/b");
  assert.equal(layout.marker("/a"), "/app/a/");
  assert.equal(layout.marker("/"), "/app/");
  assert.deepEqual(layout.below("/a"), { key: "/app/a/", rangeEnd: "/app/a0" });
  assert.deepEqual(layout.below("/"), { key: "/app/", rangeEnd: "/app0" });
  assert.deepEqual(layout.inside("/a"), { key: "/app/a/\0", rangeEnd: "/app/a0" });
});

test("layout: a v3 key that no v2 key can be is not seen (V123)", () => {
  const cases: readonly (readonly [namespace: string, v3Key: string, expected: unknown])[] = [
    ["", "/a/b", { key: "/a/b", isMarker: false }],
    ["", "/a/", { key: "/a", isMarker: true }],
    ["", "/", { key: "/", isMarker: true }],
    ["/app", "/app/a", { key: "/a", isMarker: false }],
    ["/app", "/app/", { key: "/", isMarker: true }],
    ["/app", "/application/a", undefined],
    ["/app", "/app", undefined],
    ["", "a", undefined],
    ["", "/a//b", undefined],
    ["", "//", undefined],
    ["", "/a/./b", undefined],
    ["", "/a/..", undefined],
    ["", "/../", undefined],
    ["", "/a/...", { key: "/a/...", isMarker: false }],
    ["", "/a/.b", { key: "/a/.b", isMarker: false }],
    ["", "/a/\ufffd", undefined],
  ];
  for (const [namespace, v3Key, expected] of cases) {
    assert.deepEqual(new Layout(namespace).parse(v3Key), expected, `${namespace} ${JSON.stringify(v3Key)}`);
  }
});

test("layout: the directories on the way, hidden elements, the order of bytes, base64", () => {
  assert.deepEqual(ancestorsOf("/a/b/c"), ["/a", "/a/b"]);
  assert.deepEqual(ancestorsOf("/a"), []);
  assert.equal(isHiddenBelow("/", "/_a"), true);
  assert.equal(isHiddenBelow("/_a", "/_a/b"), false);
  assert.equal(isHiddenBelow("/_a", "/_a/_b"), true);
  assert.equal(isHiddenBelow("/a", "/a/b_c"), false);
  assert.ok(compareBytes("\u{10000}", "\uffff") > 0, "UTF-16 has it the other way round");
  assert.equal(compareBytes("a", "a"), 0);
  assert.equal(fromBase64(base64("/ä\0😀")), "/ä\0😀");
});
