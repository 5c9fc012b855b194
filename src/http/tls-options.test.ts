import assert from "node:assert/strict";
import test from "node:test";
import { UsageError } from "../util/errors.js";
import { gotExchange } from "./got/got-exchange.js";
import { hostOf } from "./host.js";
import { checkedTls, type TlsOptions } from "./tls-options.js";

const [certificate, key] = ["-----BEGIN CERTIFICATE-----\n", "-----BEGIN PRIVATE KEY-----\n"];
const secret = "MIIEvQIBADANBgkqhkiG9w0BAQEFAASC";

const refused: readonly (readonly [what: string, tls: TlsOptions, message: RegExp])[] = [
  [
    "a ca that is a path",
    { ca: "/etc/ssl/my ca.pem" },
    /^options\.tls\.ca contains no certificate in PEM \("\/etc\/ssl\/my ca\.pem"\): that is a path, read the file first$/,
  ],
  ["a ca that is a relative path", { ca: "./ca" }, /"\.\/ca"\): that is a path/],
  ["a ca that is a file's name", { ca: "ca.crt" }, /"ca\.crt"\): that is a path/],
  ["a ca that is a path of Windows", { ca: "C:\\etcd\\ca.pem" }, /"C:\\etcd\\ca\.pem"\): that is a path/],
  ["a list with a path", { ca: [certificate, "/ca.pem"] }, /options\.tls\.ca .* that is a path/],
  ["a ca that is a path in a Buffer", { ca: Buffer.from("/ca.pem") }, /that is a path/],
  [
    "a ca that is a key",
    { ca: key },
    /^options\.tls\.ca contains no certificate in PEM: it must have a line "-----BEGIN CERTIFICATE-----"$/,
  ],
  [
    "a ca in DER",
    { ca: Buffer.of(0x30, 0x82, 0x03) },
    /contains no certificate in PEM: it must have a line "-----BEGIN CERTIFICATE-----"$/,
  ],
  ["an empty ca", { ca: "" }, /options\.tls\.ca contains no certificate/],
  ["a cert that is a path", { cert: "/client.pem", key }, /options\.tls\.cert .*"\/client\.pem"\): that is a path/],
  [
    "a key that is a path",
    { cert: certificate, key: "/client-key.pem" },
    /options\.tls\.key contains no private key in PEM \("\/client-key\.pem"\): that is a path/,
  ],
  [
    "cert and key swapped",
    { cert: key, key: certificate },
    /contains a private key, and options\.tls\.key a certificate: were they swapped\?/,
  ],
  [
    "a key without its frame",
    { cert: certificate, key: secret },
    /options\.tls\.key contains no private key in PEM: it must have a line "-----BEGIN PRIVATE KEY-----"$/,
  ],
  [
    "an IPv4 address as servername",
    { servername: "127.0.0.1" },
    /servername must be a name, not the IP address "127\.0\.0\.1"/,
  ],
  ["an IPv6 address as servername", { servername: "::1" }, /servername must be a name, not the IP address "::1"/],
];

for (const [what, tls, message] of refused) {
  test(`tls: ${what} is refused, and the message says why (mistakes)`, () => {
    assert.throws(
      () => checkedTls(tls),
      (error) => {
        assert.ok(error instanceof UsageError);
        assert.match(error.message, message);
        assert.ok(!error.message.includes(secret));
        return true;
      },
    );
  });
}

test("tls: PEM of every kind is accepted", () => {
  for (const tls of [
    { ca: `some words\n${certificate}` },
    { ca: [certificate, Buffer.from(certificate)] },
    { ca: "-----BEGIN TRUSTED CERTIFICATE-----" },
    { cert: certificate, key: "-----BEGIN RSA PRIVATE KEY-----" },
    { cert: certificate, key: "-----BEGIN EC PRIVATE KEY-----" },
    { cert: certificate, key: Buffer.from("-----BEGIN ENCRYPTED PRIVATE KEY-----") },
    { cert: certificate + key, key: certificate + key },
    { servername: "etcd.example" },
  ]) {
    assert.deepEqual(checkedTls(tls), tls);
  }
});

test("tls: a transport says whether it presents a client certificate (FF10)", () => {
  assert.equal(gotExchange({ cert: certificate, key }).presentsCertificate, true);
  assert.equal(gotExchange({ ca: certificate }).presentsCertificate, false);
});

test("tls: the host has no brackets, and an IPv4-mapped IPv6 address becomes the IPv4 address", () => {
  for (const [url, host] of [
    ["http://name:1", "name"],
    ["http://127.0.0.1", "127.0.0.1"],
    ["http://[::1]:1", "::1"],
    ["http://[::ffff:127.0.0.1]", "127.0.0.1"],
    ["http://[::ffff:10.200.3.4]", "10.200.3.4"],
    ["http://[::ffff:0:1]", "0.0.0.1"],
    ["http://[1::ffff:7f00:1]", "1::ffff:7f00:1"],
  ] as const) {
    assert.equal(hostOf(new URL(url).hostname), host);
  }
});
