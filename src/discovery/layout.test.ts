import assert from "node:assert/strict";
import test from "node:test";
import { childOf, hostKey, hostsKey, infoKey, isServiceName, requireServiceName } from "./layout.js";

test("layout: keys of a service, its hosts and its metadata", () => {
  assert.deepEqual(
    [hostsKey("web"), hostKey("web", "1"), infoKey("web")],
    ["/services/web", "/services/web/1", "/services_infos/web"],
  );
});

test("layout: a child is directly below its directory", () => {
  const child = (key: string): string | undefined => childOf("/services/web", key);
  assert.equal(child("/services/web/1"), "1");
  for (const key of ["/services/web", "/services/web/", "/services/web/a/b", "/services/webs/1", "/other/1"])
    assert.equal(child(key), undefined, key);
});

test("layout: names that would address other keys, or hidden ones, are refused", () => {
  for (const name of ["web", "a-b.c", "ü", "a_b", "a b"]) assert.ok(isServiceName(name, false), name);
  const bad: readonly (readonly [unknown, RegExp])[] = [
    ["", /is empty/],
    [".", /segment/],
    ["..", /segment/],
    ["_hidden", /etcd hides/],
    ["a\n", /control characters/],
    ["\ud800", /lone surrogates/],
    ["a/b", /allowNested/],
    [1, /must be a string/],
  ];
  for (const [name, message] of bad) {
    assert.throws(
      () => {
        requireServiceName(name, false);
      },
      { name: "DiscoveryError", code: "ERR_INVALID_NAME", message },
    );
  }
});

test("layout: with allowNested each segment is checked", () => {
  assert.ok(isServiceName("a/b", true));
  for (const name of ["a/_b", "a//b", "a/..", "/a", "a/"]) assert.ok(!isServiceName(name, true), name);
});
