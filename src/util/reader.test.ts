import assert from "node:assert/strict";
import test from "node:test";
import {
  count,
  flag,
  isPort,
  JsonReader,
  listOf,
  number,
  object,
  oneOf,
  port,
  recordOf,
  rfc3339,
  text,
  wholeNumber,
  type Read,
} from "./reader.js";

class DecodeError extends Error {}

function read(json: unknown, anyCase = false): JsonReader {
  return JsonReader.parse(JSON.stringify(json), { error: (problem) => new DecodeError(problem), anyCase });
}

function refused(message: string, run: () => unknown): void {
  assert.throws(run, (error) => error instanceof DecodeError && error.message === message);
}

test("reader: fields of every kind are read", () => {
  const reader = read({
    name: "a",
    up: false,
    weight: 1.5,
    delta: -3,
    index: 7,
    port: 0,
    at: "2026-01-02T03:04:05.678+01:00",
    mode: "fast",
    tags: ["x", "y"],
    meta: { k: "v", ["__proto__"]: "own" },
    nodes: [{ id: "n1" }, { id: "n2" }],
  });
  assert.equal(reader.get("name", text), "a");
  assert.equal(reader.get("up", flag), false);
  assert.equal(reader.get("weight", number), 1.5);
  assert.equal(reader.get("delta", wholeNumber), -3);
  assert.equal(reader.require("index", count), 7);
  assert.equal(reader.get("port", port), 0);
  assert.equal(reader.get("at", rfc3339), "2026-01-02T03:04:05.678+01:00");
  assert.equal(reader.get("mode", oneOf("slow", "fast")), "fast");
  assert.deepEqual(reader.list("tags", text), ["x", "y"]);
  assert.deepEqual(Object.entries(reader.record("meta", text) ?? {}), [
    ["k", "v"],
    ["__proto__", "own"],
  ]);
  assert.deepEqual(
    reader.list("nodes", object)?.map((node) => node.require("id", text)),
    ["n1", "n2"],
  );
});

test("reader: absent and null fields are undefined; a required one is refused", () => {
  const reader = read({ name: null, toString: "own" });
  assert.equal(reader.get("name", text), undefined);
  assert.equal(reader.list("other", text), undefined);
  assert.equal(reader.record("hasOwnProperty", text), undefined);
  assert.equal(reader.get("toString", text), "own");
  refused('"name" is missing', () => reader.require("name", text));
});

test("reader: a wrong field is named with its path, and its value is not quoted", () => {
  const secret = "s3cret";
  const reader = read({
    name: 5,
    up: secret,
    port: 65_536,
    subsets: [{ ports: [{ port: 1 }, { port: secret }] }, secret],
  });
  refused('"name" is not a string', () => reader.get("name", text));
  refused('"up" is not true or false', () => reader.get("up", flag));
  refused('"port" is not a port (a whole number from 0 to 65535)', () => reader.get("port", port));
  refused('"up" is not one of a, b', () => reader.get("up", oneOf("a", "b")));
  refused('"up" is not an array', () => reader.list("up", text));
  refused('"up" is not an object', () => reader.record("up", text));
  refused('"subsets" is not an object', () => reader.record("subsets", text));
  refused('"subsets[1]" is not an object', () => reader.list("subsets", object));
  refused('"subsets[0].ports[1].port" is not a port (a whole number from 0 to 65535)', () =>
    reader.list("subsets", (value, place) =>
      place.path === "subsets[0]" ? object(value, place).list("ports", (p, at) => object(p, at).get("port", port)) : [],
    ),
  );
  refused('"name" must be short', () => reader.refuse("name", "must be short"));
});

test("reader: numbers that JSON.parse has rounded are refused", () => {
  const reader = JsonReader.parse('{"index":9007199254740993,"part":1.5,"minus":-1}', {
    error: (p) => new DecodeError(p),
  });
  for (const kind of [wholeNumber, count]) {
    assert.throws(() => reader.get("index", kind), DecodeError);
    assert.throws(() => reader.get("part", kind), DecodeError);
  }
  refused('"minus" is not a whole number from 0 that JavaScript can represent exactly', () =>
    reader.get("minus", count),
  );
});

test("reader: invalid times are refused", () => {
  for (const at of ["2026-13-01T00:00:00Z", "2026-01-01", "01 Jan 2026", "2026-01-01T00:00:00", 5]) {
    refused('"at" is not an RFC 3339 time', () => read({ at }).get("at", rfc3339));
  }
});

test("reader: a text that is not a JSON object is refused without being quoted", () => {
  const error = (problem: string): Error => new DecodeError(problem);
  refused("the text is empty", () => JsonReader.parse(" \n", { error }));
  refused("the text is not valid JSON", () => JsonReader.parse("{s3cret", { error }));
  for (const json of ["null", "[]", "5", '"s3cret"']) {
    refused("the response is not a JSON object", () => JsonReader.parse(json, { error, what: "the response" }));
  }
  refused("the response is not an object", () => JsonReader.of([], { error, what: "the response" }));
  assert.equal(JsonReader.of({ a: "b" }, { error }).get("a", text), "b");
});

test("reader: when case is ignored, the exact name wins, then the last that matches", () => {
  const reader = read({ NAME: "1", name: "2", Name: "3", uSer: "4", USER: "5", more: { Deep: "6" } }, true);
  assert.equal(reader.get("name", text), "2");
  assert.equal(reader.get("user", text), "5");
  assert.equal(reader.get("more", object)?.get("deep", text), "6");
  assert.equal(read({ Name: "x" }).get("name", text), undefined);
});

test("reader: fields that were not read can be kept", () => {
  const exact = read({ a: 1, B: [2], c: null });
  exact.get("a", number);
  exact.get("b", number);
  assert.deepEqual(exact.rest(), [
    ["B", [2]],
    ["c", null],
  ]);
  const anyCase = read({ A: 1, a: 2, b: 3 }, true);
  anyCase.get("a", number);
  assert.deepEqual(anyCase.rest(), [["b", 3]]);
});

test("reader: callers can write their own readers and nest them", () => {
  const portOrName: Read<string | number> = (value, place) =>
    typeof value === "string" ? text(value, place) : port(value, place);
  const reader = read({ target: "http", targets: { a: [80, "http"] } });
  assert.equal(reader.get("target", portOrName), "http");
  assert.deepEqual(reader.get("targets", recordOf(listOf(portOrName))), { a: [80, "http"] });
  refused('"targets.a" is not a string', () => reader.record("targets", text));
});

test("reader: ports", () => {
  for (const good of [0, 1, 65_535]) assert.ok(isPort(good));
  for (const bad of [-1, 65_536, 1.5, "80", NaN, undefined]) assert.ok(!isPort(bad));
});
