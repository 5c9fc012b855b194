import assert from "node:assert/strict";
import test from "node:test";
import type { KeyNode } from "../core/index.js";
import { AgentLayout, encodeSegment } from "./agent-layout.js";

const segments: readonly (readonly [text: string, segment: string])[] = [
  ["web-1.2~x_y", "web-1.2~x_y"],
  ["a/b", "a%2Fb"],
  ["_x%2F", "%5Fx%252F"],
  ["__", "%5F_"],
  [".", "%2E"],
  ["..", "%2E%2E"],
  ["...", "..."],
  ["a b+c", "a%20b%2Bc"],
  ["!'()*", "%21%27%28%29%2A"],
  ["é\u{1f600}", "%C3%A9%F0%9F%98%80"],
];

test("agent layout: a name or an id is one segment, and is decoded to the same text (agent 34)", () => {
  const layout = new AgentLayout("/disco");
  for (const [text, segment] of segments) {
    assert.equal(encodeSegment(text), segment);
    const instance = { id: text, name: `n${text}`, host: "h", port: 1, tags: [] };
    assert.deepEqual(layout.instanceOf(file(layout.instanceKey(instance), layout.valueOf(instance))), instance);
  }
});

test("agent layout: the prefix may be the root, and may have additional slashes", () => {
  const keys = ["/disco", "disco", "//a//b/", "/", ""].map((prefix) => {
    const layout = new AgentLayout(prefix);
    return [layout.root, layout.instanceKey({ name: "s", id: "x" })];
  });
  assert.deepEqual(keys, [
    ["/disco", "/disco/s/x"],
    ["/disco", "/disco/s/x"],
    ["/a/b", "/a/b/s/x"],
    ["/", "/s/x"],
    ["/", "/s/x"],
  ]);
  const value = '{"id":"x","name":"s","host":"h","port":1}';
  assert.deepEqual(new AgentLayout("/").instanceOf(file("/s/x", value)), {
    id: "x",
    name: "s",
    host: "h",
    port: 1,
    tags: [],
  });
});

test("agent layout: meta is stored if given, unknown fields are ignored, anything else is not an instance", () => {
  const layout = new AgentLayout("/disco");
  const instance = { id: "x", name: "s", host: "h", port: 1, tags: ["a"], meta: { zone: "1" } };
  const value = layout.valueOf(instance);
  assert.equal(value, '{"id":"x","name":"s","host":"h","port":1,"tags":["a"],"meta":{"zone":"1"}}');
  assert.deepEqual(layout.instanceOf(file("/disco/s/x", value.replace("{", '{"colour":"red",'))), instance);
  const spoilt: readonly object[] = [
    { id: 1 },
    { name: null },
    { host: undefined },
    { port: "1" },
    { port: -1 },
    { port: 65_536 },
    { port: 1.5 },
    { tags: "a" },
    { tags: [1] },
    { meta: [] },
    { meta: { a: 1 } },
    { id: "y" },
    { name: "t" },
  ];
  for (const fields of spoilt) {
    assert.equal(typeof layout.instanceOf(file("/disco/s/x", JSON.stringify({ ...instance, ...fields }))), "string");
  }
  for (const key of ["/disco/s", "/disco/s/x/y", "/disco/s/%zz"])
    assert.equal(layout.instanceOf(file(key, value)), "its key is not that of an instance");
});

function file(key: string, value: string): KeyNode {
  return { key, value, dir: false, nodes: [], createdIndex: 1, modifiedIndex: 1 };
}
