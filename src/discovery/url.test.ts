import assert from "node:assert/strict";
import test from "node:test";
import { urlOf } from "./url.js";

const host = { hostname: "h", ports: { http: "80", https: "443", tcp: "9" } };

for (const [what, expected, actual] of [
  ["the scheme selects the port", "tcp://h:9/p", () => urlOf(host, "tcp", "/p")],
  ["without a scheme it is http", "http://h:80", () => urlOf(host, "", "")],
  [
    "without a scheme and http it is https",
    "https://h:443",
    () => urlOf({ hostname: "h", ports: { https: "443" } }, "", ""),
  ],
  ["a path without a slash gets one", "http://h:80/p?q", () => urlOf(host, "http", "p?q")],
  [
    "credentials are encoded",
    "http://a%40b:c%2Fd@h:80/",
    () => urlOf({ ...host, user: "a@b", password: "c/d" }, "http", "/"),
  ],
  [
    "a password without a user is left out",
    "http://h:80/",
    () => urlOf({ ...host, user: "", password: "p" }, "http", "/"),
  ],
  [
    "an IPv6 zone is encoded within the brackets",
    "http://[fe80::1%25eth0]:80",
    () => urlOf({ ...host, hostname: "fe80::1%eth0" }, "http", ""),
  ],
  [
    "raw concatenates",
    "http://a@b:c/d@::1:80p",
    () => urlOf({ ...host, hostname: "::1", user: "a@b", password: "c/d" }, "http", "p", { raw: true }),
  ],
] as const) {
  test(`url: ${what}`, () => {
    assert.equal(actual(), expected);
  });
}

test("url: a scheme without a port is refused, inherited names too", () => {
  for (const scheme of ["ftp", "toString", "__proto__"]) {
    assert.throws(() => urlOf(host, scheme, ""), {
      code: "ERR_UNKNOWN_SCHEME",
      message: `"h" has no port for ${scheme}`,
    });
  }
  assert.throws(() => urlOf({ hostname: "h", ports: {} }, "", ""), { message: '"h" has no port for http or https' });
});
