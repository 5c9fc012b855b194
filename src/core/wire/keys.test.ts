import assert from "node:assert/strict";
import test from "node:test";
import fc from "fast-check";
import type { RequestSpec } from "../../http/exchange.js";
import { createInOrderSpec, deleteSpec, getSpec, setSpec, watchSpec } from "./keys.js";
import { keyPath, segmentsOf } from "./paths.js";

const at = { prefix: "/v2/keys", key: "/a" };
const path = "/v2/keys/a";
const headers = { "content-type": "application/x-www-form-urlencoded" };
const put = { method: "PUT", path, query: "", headers, comparesValue: false, resend: false } as const;
const onHeaders = (): void => undefined;

const table: readonly (readonly [string, RequestSpec, RequestSpec])[] = [
  ["get", getSpec(at, {}), { method: "GET", path, query: "quorum=false&recursive=false&sorted=false" }],
  [
    "get with all",
    getSpec(at, { quorum: true, recursive: true, sort: true }),
    { method: "GET", path, query: "quorum=true&recursive=true&sorted=true" },
  ],
  [
    "watch from now on",
    watchSpec(at, true, 0, onHeaders),
    { method: "GET", path, query: "recursive=true&wait=true&waitIndex=0", longPoll: true, shared: false, onHeaders },
  ],
  [
    "watch from an index on",
    watchSpec(at, true, 7, onHeaders),
    { method: "GET", path, query: "recursive=true&wait=true&waitIndex=7", longPoll: true, shared: true, onHeaders },
  ],
  ["set", setSpec(at, "v", {}), { ...put, body: "value=v", oneShot: false }],
  ["set with ttl", setSpec(at, "v", { ttl: 1.2 }), { ...put, body: "ttl=2&value=v", oneShot: false }],
  [
    "set that must exist (update)",
    setSpec(at, "v", { prevExist: true }),
    { ...put, query: "prevExist=true", body: "value=v", oneShot: false },
  ],
  [
    "set that must not exist (create)",
    setSpec(at, "v", { prevExist: false }),
    { ...put, query: "prevExist=false", body: "value=v", oneShot: true },
  ],
  [
    "set by value",
    setSpec(at, "v", { prevValue: "p" }),
    { ...put, query: "prevValue=p", body: "value=v", oneShot: true, comparesValue: true },
  ],
  [
    "set by index",
    setSpec(at, "v", { prevIndex: 4 }),
    { ...put, query: "prevIndex=4", body: "value=v", oneShot: true },
  ],
  [
    "set without value in the response",
    setSpec(at, "v", { noValueOnSuccess: true }),
    { ...put, query: "noValueOnSuccess=true", body: "value=v", oneShot: false },
  ],
  [
    "set that may always be sent again",
    setSpec(at, "v", { resend: true }),
    { ...put, body: "value=v", oneShot: false, resend: true },
  ],
  [
    "refresh",
    setSpec(at, "", { refresh: true, ttl: 5, prevExist: true }),
    { ...put, query: "prevExist=true", body: "refresh=true&ttl=5", oneShot: false },
  ],
  [
    "refresh by index",
    setSpec(at, "", { refresh: true, ttl: 5, prevExist: true, prevIndex: 3 }),
    { ...put, query: "prevExist=true&prevIndex=3", body: "refresh=true&ttl=5", oneShot: true },
  ],
  ["new directory", setSpec(at, "", { dir: true }), { ...put, query: "dir=true", body: "", oneShot: true }],
  [
    "directory that must exist",
    setSpec(at, "", { dir: true, prevExist: true, ttl: 5 }),
    { ...put, query: "dir=true&prevExist=true", body: "ttl=5", oneShot: false },
  ],
  ["createInOrder", createInOrderSpec(at, "v", {}), { method: "POST", path, headers, body: "value=v", oneShot: true }],
  [
    "createInOrder of a directory",
    createInOrderSpec(at, "", { dir: true, ttl: 1.5 }),
    { method: "POST", path, query: "dir=true", headers, body: "ttl=2", oneShot: true },
  ],
  ["delete", deleteSpec(at, {}), { method: "DELETE", path, query: "", headers, oneShot: true, comparesValue: false }],
  [
    "delete with all false",
    deleteSpec(at, { dir: false, recursive: false }),
    { method: "DELETE", path, query: "", headers, oneShot: true, comparesValue: false },
  ],
  [
    "delete with all",
    deleteSpec(at, { dir: true, recursive: true, prevIndex: 1, prevValue: "a b" }),
    {
      method: "DELETE",
      path,
      query: "dir=true&prevIndex=1&prevValue=a%20b&recursive=true",
      headers,
      oneShot: true,
      comparesValue: true,
    },
  ],
];

for (const [name, spec, expected] of table) {
  test(`keys spec: ${name}${expected.oneShot === true ? ", one-shot" : ""}`, () => {
    // the call is tested in src/v3/calls.test.ts: it equals what a server decodes from the request
    const { call, ...http } = spec;
    assert.deepEqual(http, expected);
    assert.equal(call?.kind === "watch" || call?.kind === "get", expected.method === "GET");
  });
}

test("keys spec: prevValue moves to the form only if the request line would be too long (D23)", () => {
  for (const [length, moves] of [
    [3_500, false],
    [4_096, true],
  ] as const) {
    const prevValue = "p".repeat(length);
    const { query, body, oneShot } = setSpec(at, "v", { prevValue, prevIndex: 3 });
    assert.deepEqual(
      [query, body],
      moves ? ["prevIndex=3", `prevValue=${prevValue}&value=v`] : [`prevIndex=3&prevValue=${prevValue}`, "value=v"],
    );
    assert.equal(oneShot, true);
  }
  const long = { prefix: "/v2/keys", key: "k".repeat(3_800) };
  assert.equal(setSpec(long, "v", { prevValue: "p".repeat(200) }).query, "", "the key counts too");
});

test("keys spec: for any key, the path decodes to its segments, and a URL does not change it (A22)", () => {
  const segment = fc
    .string({ unit: "binary", minLength: 1 })
    .filter((text) => text.isWellFormed() && !text.includes("/") && text !== "." && text !== "..");
  fc.assert(
    fc.property(fc.array(segment, { minLength: 1 }), fc.boolean(), (segments, slash) => {
      const key = `/${segments.join("/")}${slash ? "/" : ""}`;
      const { pathname, search, hash } = new URL(`http://h${keyPath("/v2/keys", key)}`);
      assert.deepEqual([pathname, search, hash], [keyPath("/v2/keys", key), "", ""]);
      assert.deepEqual(segmentsOf(pathname).map(decodeURIComponent), ["v2", "keys", ...segments]);
      assert.equal(pathname.endsWith("/"), slash);
    }),
  );
});
