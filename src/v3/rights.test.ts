import assert from "node:assert/strict";
import test from "node:test";
import { base64 } from "./layout.js";
import { Rights } from "./rights.js";

const perm = (permType: string | undefined, key: string, end = ""): Record<string, string> => ({
  ...(permType !== undefined && { permType }),
  key: base64(key),
  ...(end !== "" && { range_end: base64(end) }),
});

// READ is 0, which the gateway leaves out
const rights = Rights.ofRoles([
  { perm: [perm("READWRITE", "/app/", "/app0"), perm(undefined, "/read", "/reae")] },
  { perm: [perm("WRITE", "/write"), perm("READ", "/x", "/x5"), perm("READ", "/x5", "/y")] },
]);

test("rights: a range is covered if the permissions for it leave no gap (V116)", () => {
  assert.ok(rights.mayRead({ key: "/app/a" }));
  assert.ok(rights.mayWrite({ key: "/app/", rangeEnd: "/app0" }));
  assert.ok(!rights.mayRead({ key: "/app" }));
  assert.ok(!rights.mayRead({ key: "/app/", rangeEnd: "/b" }));
  assert.ok(rights.mayRead({ key: "/read/a" }));
  assert.ok(!rights.mayWrite({ key: "/read/a" }));
  assert.ok(rights.mayWrite({ key: "/write" }));
  assert.ok(!rights.mayWrite({ key: "/write/a" }));
  assert.ok(!rights.mayRead({ key: "/write" }));
  assert.ok(rights.mayRead({ key: "/x1", rangeEnd: "/x9" }), "two that touch are one");
});

test("rights: of several ranges the first that may be read is taken, else the last; root may all", () => {
  const [whole, below] = [
    { key: "/app", rangeEnd: "/app0" },
    { key: "/app/", rangeEnd: "/app0" },
  ];
  assert.deepEqual(rights.firstReadable(whole, below), below);
  assert.deepEqual(Rights.all.firstReadable(whole, below), whole);
  assert.deepEqual(rights.firstReadable({ key: "/a" }, { key: "/none" }), { key: "/none" });
  assert.ok(Rights.all.mayWrite({ key: "/", rangeEnd: "0" }));
  const perms = [{ permType: "READWRITE", key: base64("/"), range_end: base64("\0") }];
  assert.ok(Rights.ofRoles([{ perm: perms }]).mayWrite({ key: "/z" }));
});
