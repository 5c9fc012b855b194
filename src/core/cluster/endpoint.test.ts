import assert from "node:assert/strict";
import test from "node:test";
import { UsageError } from "../../util/errors.js";
import type { RequestSpec } from "../../http/exchange.js";
import { parseEndpoint, requestUrl, requireRequestLine } from "./endpoint.js";

const spec: RequestSpec = { method: "GET", path: "/v2/keys/k" };

for (const [input, href, url] of [
  ["http://h:1", "http://h:1", "http://h:1/v2/keys/k"],
  ["http://h:1/", "http://h:1", "http://h:1/v2/keys/k"],
  ["HTTP://Foo.COM:80/", "http://foo.com", "http://foo.com/v2/keys/k"],
  ["http://h:1/etcd", "http://h:1/etcd", "http://h:1/etcd/v2/keys/k"],
  ["http://h:1/etcd//", "http://h:1/etcd", "http://h:1/etcd/v2/keys/k"],
  ["http://h:1/a%20b/#part", "http://h:1/a%20b", "http://h:1/a%20b/v2/keys/k"],
  ["https://[::1]:2379", "https://[::1]:2379", "https://[::1]:2379/v2/keys/k"],
  ["http://h:1/etcd/?x=1", "http://h:1/etcd?x=1", "http://h:1/etcd/v2/keys/k?x=1"],
] as const) {
  test(`endpoint: ${input} is read as ${href} (A24)`, () => {
    for (const endpoint of [parseEndpoint(input), parseEndpoint(new URL(input))]) {
      assert.equal(endpoint.href, href);
      assert.equal(endpoint.label, href.split("?")[0]);
      assert.equal(endpoint.secure, href.startsWith("https:"));
      assert.equal(requestUrl(endpoint, spec).href, url);
    }
  });
}

test("endpoint: its query is merged into the request's, sorted; the request wins where both have a name", () => {
  const endpoint = parseEndpoint("http://h:1?x=1&a=b%20c&recursive=true");
  assert.equal(
    requestUrl(endpoint, { ...spec, query: "recursive=false&wait=true" }).search,
    "?a=b%20c&recursive=false&wait=true&x=1",
  );
});

for (const [input, message] of [
  ["", /is not a URL/],
  ["foo", /"foo" is not a URL; it should look like/],
  ["127.0.0.1:2379", /is not a URL/],
  ["localhost:2379", /"localhost:2379" must begin with http:\/\/ or https:\/\//],
  ["ftp://h", /must begin with/],
  ["unix:///s", /must begin with/],
  ["http://", /is not a URL/],
  ["http://h:port", /is not a URL/],
  ["http://a:99999", /is not a URL/],
  ["http://root:secret@h:1", /contains credentials/],
  ["http://secret@h:1", /contains credentials/],
  ["root:secret@h:1", /must begin with/],
  ["ftp://h/?token=secret", /must begin with/],
  [5, /must be a string or a URL/],
  [null, /must be a string or a URL/],
] as const) {
  test(`endpoint: ${String(input)} is refused (A84)`, () => {
    assert.throws(
      () => parseEndpoint(input as string),
      (error) =>
        error instanceof UsageError &&
        error.code === "ERR_ARGUMENT" &&
        message.test(error.message) &&
        !error.message.includes("secret"),
    );
  });
}

test("endpoint: a request line above 4096 bytes is refused for http and sent for https (D23)", () => {
  const [plain, secure] = ["http", "https"].map((scheme) => parseEndpoint(`${scheme}://h:1/base`));
  assert.ok(plain !== undefined && secure !== undefined);
  const rest = "GET /base/ HTTP/1.1\r\n".length;
  const ofLength = (length: number): RequestSpec => ({ ...spec, path: `/${"k".repeat(length - rest)}` });
  requireRequestLine([plain], ofLength(4_096));
  requireRequestLine([secure], ofLength(100_000));
  assert.throws(() => {
    requireRequestLine([plain], ofLength(4_097));
  }, /the request line would have 4097 bytes, etcd takes 4096 without TLS/);
  assert.throws(
    () => {
      requireRequestLine([secure, plain], ofLength(4_097));
    },
    UsageError,
    "any http endpoint may be the one that is asked",
  );
  assert.throws(() => {
    requireRequestLine([plain], { method: "DELETE", path: "/v2/keys/k", query: `prevValue=${"p".repeat(4_096)}` });
  }, UsageError);
});
