import assert from "node:assert/strict";
import test from "node:test";
import { UsageError } from "../core/index.js";
import { DiscoveryError } from "./errors.js";
import { readHost, encodeHost, hostList, newHost, type HostInit } from "./host.js";
import { decodeInfo, encodeInfo, infoOf } from "./service-info.js";

const uuid = "2d28921b-b38c-4953-a3c4-2435f02652a7-node-1.internal.dev";

/** Values as the Go library wrote them. */
const goHosts = [
  `{"name":"public-domain.dev","service_name":"my-service","ports":{"http":"80","https":"443"},"user":"u\\u003c\\u0026\\u003eé","password":"p\\"w","public":true,"private_hostname":"node-1.internal.dev","private_ports":{"http":"8080"},"critical":true,"uuid":"${uuid}"}`,
  `{"name":"10.0.0.1","service_name":"priv","ports":{"http":"80"},"private_hostname":"10.0.0.1","private_ports":{"http":"80"},"uuid":"${uuid}"}`,
  `{"name":"h","service_name":"noports","ports":null,"public":true,"private_hostname":"box","uuid":"${uuid}"}`,
];
const goInfos = [
  '{"name":"my-service","critical":true,"hostname":"public-domain.dev","user":"u\\u003c\\u0026\\u003eé","password":"p\\"w","ports":{"http":"80","https":"443"},"public":true}',
  '{"name":"priv","critical":false}',
];

test("host: what the Go library wrote decodes to the same values and encodes to the same bytes (discovery 9)", () => {
  for (const text of goHosts) assert.equal(encodeHost(readHost("k", text)), text);
  for (const text of goInfos) assert.equal(encodeInfo(decodeInfo("k", text)), text);
  const host = readHost("k", goHosts[0] ?? "");
  assert.deepEqual(Object.fromEntries(Object.entries(host)), {
    hostname: "public-domain.dev",
    name: "my-service",
    ports: { http: "80", https: "443" },
    user: "u<&>é",
    password: 'p"w',
    public: true,
    privateHostname: "node-1.internal.dev",
    privatePorts: { http: "8080" },
    critical: true,
    uuid,
  });
  assert.equal(encodeInfo(infoOf(host)), goInfos[0]);
});

test("host: map keys are sorted by their bytes, whatever the order of the object", () => {
  const host = newHost(
    "a",
    { hostname: "h", ports: { "\u{1F600}": "4", "\uFFFF": "3", "9": "2", "10": "1" }, privateHostname: "p" },
    "box",
  );
  assert.match(encodeHost(host), /"ports":\{"10":"1","9":"2","\uFFFF":"3","\u{1F600}":"4"\}/u);
});

test("host: < > & and line separators are escaped as in Go, and read back (discovery 8)", () => {
  const host = newHost("a", { hostname: "h", user: "u<&>é\u2028\u2029" }, "box");
  assert.ok(encodeHost(host).includes('"user":"u\\u003c\\u0026\\u003eé\\u2028\\u2029"'));
  assert.equal(readHost("k", encodeHost(host)).user, "u<&>é\u2028\u2029");
});

test("host: field names count in any case, the exact one first (discovery 10)", () => {
  assert.equal(readHost("k", '{"User":"x","name":"h","ports":{}}').user, "x");
  assert.equal(readHost("k", '{"USER":"y","user":"x","User":"z","name":"h"}').user, "x");
});

test("host: unknown fields are kept", () => {
  const text = '{"name":"h","service_name":"a","ports":{},"zone":{"b":1,"a":[null,"<"]},"weight":3}';
  assert.equal(encodeHost(readHost("k", text).with({ user: "", password: "" })), text.replace("<", "\\u003c"));
  const info = '{"name":"a","critical":false,"zone":"z"}';
  assert.equal(encodeInfo(decodeInfo("k", info)), info);
});

test("host: null is absent, and a port may be a number", () => {
  const host = readHost("k", '{"name":"h","user":null,"public":null,"ports":{"http":80,"none":null}}');
  assert.deepEqual([host.user, host.public, host.ports], [undefined, false, { http: "80" }]);
});

test("host: a value that is not a host is refused, and not quoted", () => {
  for (const text of [
    "notjson secret",
    "null",
    "[]",
    '"secret"',
    '{"name":1}',
    '{"public":"secret"}',
    '{"ports":"secret"}',
    '{"ports":{"http":true}}',
  ]) {
    assert.throws(
      () => readHost("/services/a/b", text),
      (error: unknown) =>
        error instanceof DiscoveryError &&
        error.code === "ERR_DECODE" &&
        !error.message.includes("secret") &&
        error.cause === undefined,
    );
  }
});

test("host: the private hostname follows the UUID (discovery 4, 5)", () => {
  assert.match(newHost("a", { hostname: "h.dev", public: true }, "box").uuid ?? "", /^[\da-f-]{36}-box$/);
  assert.match(newHost("a", { hostname: "10.0.0.1" }, "box").uuid ?? "", /^[\da-f-]{36}-10\.0\.0\.1$/);
  assert.match(newHost("a", { hostname: "h", privateHostname: "p" }, "box").uuid ?? "", /-p$/);
});

test("host: private ports default to the ports, and no ports are null (discovery 6, 7)", () => {
  assert.deepEqual(
    newHost("a", { hostname: "h", ports: { http: "80" }, privatePorts: {} }, "box").toJSON()["private_ports"],
    { http: "80" },
  );
  const text = encodeHost(newHost("a", { hostname: "h" }, "box"));
  assert.ok(text.includes('"ports":null') && !text.includes("private_ports"));
});

test("host: it is a frozen copy", () => {
  const ports = { http: "80" };
  const host = newHost("a", { hostname: "h", ports }, "box");
  ports.http = "81";
  assert.equal(host.ports["http"], "80");
  assert.ok(Object.isFrozen(host) && Object.isFrozen(host.ports));
});

test("host: bad fields are refused", () => {
  const bad: readonly unknown[] = [
    undefined,
    {},
    { hostname: 1 },
    { hostname: "h", ports: { http: 80 } },
    { hostname: "h", ports: [] },
    { hostname: "h", public: "yes" },
    { hostname: "h", privateHostname: "a/b" },
    { hostname: "h", hostnme: "h" },
    { hostname: "\ud800" },
  ];
  for (const init of bad) assert.throws(() => newHost("a", init as HostInit, "box"), UsageError);
});

test("host: an empty scheme is http, else https (discovery 31)", () => {
  const url = (ports: Record<string, string>): string => newHost("a", { hostname: "h", ports }, "box").url("", "/path");
  assert.equal(url({ https: "443", http: "80" }), "http://h:80/path");
  assert.equal(url({ https: "443", tcp: "1" }), "https://h:443/path");
  assert.throws(() => url({ tcp: "1" }), { code: "ERR_UNKNOWN_SCHEME" });
  assert.throws(() => newHost("a", { hostname: "h", ports: {} }, "box").url("toString"), {
    code: "ERR_UNKNOWN_SCHEME",
  });
});

test("host: credentials are encoded in URLs, unless raw (discovery 32)", () => {
  const host = newHost("a", { hostname: "h", ports: { http: "1" }, user: "a@b", password: "p:/?" }, "box");
  assert.equal(host.url("http", "/"), "http://a%40b:p%3A%2F%3F@h:1/");
  assert.equal(host.url("http", "/", { raw: true }), "http://a@b:p:/?@h:1/");
  assert.equal(host.privateUrl("http", "x", { raw: true }), "http://a@b:p:/?@h:1x");
});

test("host: an IPv6 hostname is put in brackets, unless raw (discovery 33)", () => {
  const host = newHost("a", { hostname: "fd00::1", ports: { http: "80" }, public: true }, "box");
  assert.equal(host.url("http", "/"), "http://[fd00::1]:80/");
  assert.equal(host.url("http", "/", { raw: true }), "http://fd00::1:80/");
});

test("host: a path gets a leading slash, unless it is empty, a query or a fragment (discovery 34)", () => {
  const host = newHost("a", { hostname: "h", ports: { http: "80" } }, "box");
  assert.deepEqual(
    ["x", "?q", "#f", "", "/y"].map((path) => host.url("http", path)),
    ["http://h:80/x", "http://h:80?q", "http://h:80#f", "http://h:80", "http://h:80/y"],
  );
});

test("host: the private URL uses the private hostname and ports, or the public ones if there are none", () => {
  const host = newHost(
    "a",
    { hostname: "h", ports: { http: "1" }, privateHostname: "p", privatePorts: { tcp: "2" } },
    "box",
  );
  assert.equal(host.privateUrl("tcp"), "tcp://p:2");
  assert.throws(() => host.privateUrl(), { code: "ERR_UNKNOWN_SCHEME" });
  assert.equal(readHost("k", '{"name":"h1","ports":{"http":"1"}}').privateUrl("http", "/p"), "http://h1:1/p");
});

test("host: a list of hosts prints their private hostnames, else their hostnames (discovery 49)", () => {
  const hosts = hostList([
    readHost("k", '{"name":"public.dev"}'),
    newHost("a", { hostname: "x", privateHostname: "test-private.dev" }, "box"),
  ]);
  assert.equal(hosts.toString(), "public.dev, test-private.dev");
  assert.equal(String(hostList([])), "");
  assert.deepEqual(hostList([]), []);
});
