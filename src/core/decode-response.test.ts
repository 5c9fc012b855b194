import assert from "node:assert/strict";
import test from "node:test";
import type { RawResponse } from "../http/exchange.js";
import { ResponseError } from "../util/errors.js";
import { decodeResponse } from "./decode-response.js";

const spec = { method: "GET", path: "/v2/keys/d" } as const;
const headers = { "x-etcd-index": "9", "x-etcd-cluster-id": "ab" };

const asText = (body: object): RawResponse => ({ status: 200, headers, body: JSON.stringify(body) });
const asValue = (json: object): RawResponse => ({ status: 200, headers, body: "", json });
const decode = async (raw: RawResponse, namespace = "", signal?: AbortSignal): Promise<unknown> =>
  decodeResponse(raw, spec, namespace, signal);

function directory(count: number, below?: object): object {
  const file = (i: number): object => ({
    key: `/d/${String(i)}`,
    value: String(i),
    expiration: i % 10 === 0 ? "2026-01-02T03:04:05Z" : undefined,
    ttl: i % 10 === 0 ? 7 : undefined,
    modifiedIndex: i + 1,
    createdIndex: i + 1,
  });
  const nodes = [...Array.from({ length: count }, (_, i) => file(i)), ...(below === undefined ? [] : [below])];
  return {
    action: "get",
    node: { key: "/d", dir: true, nodes, modifiedIndex: 1, createdIndex: 1 },
    prevNode: undefined,
  };
}

test("decode response: a body that a protocol has made as a value is decoded as its text is", async () => {
  const below = {
    key: "/d/sub",
    dir: true,
    nodes: [{ key: "/d/sub/x", value: "y", modifiedIndex: 3, createdIndex: 3 }],
  };
  for (const body of [directory(0), directory(3, below), directory(25_000)]) {
    assert.deepEqual(await decode(asValue(body)), await decode(asText(body)));
    assert.deepEqual(await decode(asValue(body), "/d"), await decode(asText(body), "/d"));
  }
});

test("decode response: a value stays as it is, and may be decoded again", async () => {
  const body = directory(3);
  const before = structuredClone(body);
  const first = await decode(asValue(body));
  assert.deepEqual(body, before);
  assert.deepEqual(await decode(asValue(body)), first);
});

test("decode response: a value is checked as a text is", async () => {
  for (const body of [
    {},
    { action: "get" },
    { action: "get", node: [] },
    { action: "get", node: { nodes: [1] } },
    [],
  ]) {
    await assert.rejects(decode(asValue(body)), ResponseError, JSON.stringify(body));
  }
});

test("decode response: a large value leaves others their turn, and ends when the signal aborts", async () => {
  const aborted = new AbortController();
  const decoding = decode(asValue(directory(400_000)), "", aborted.signal);
  setImmediate(() => {
    aborted.abort(new Error("enough"));
  });
  await assert.rejects(decoding, /enough/);
});
