import assert from "node:assert/strict";
import test from "node:test";
import type { RequestSpec } from "./exchange.js";
import { isHandshakeAlert, networkError } from "./network-error.js";

const spec: RequestSpec = { method: "PUT", path: "/v2/keys/k" };

function withCode(code: string, message = "m"): Error {
  return Object.assign(new Error(message), { code });
}

function messageFor(error: Error, url = "https://h:2379/v2/keys/k"): string {
  return networkError(new URL(url), spec, error, false).message;
}

for (const [code, message] of [
  [
    "ERR_SSL_SSLV3_ALERT_BAD_CERTIFICATE",
    "80AC:error:0A000412:SSL routines:ssl3_read_bytes:sslv3 alert bad certificate:../deps/x.c:1601:SSL alert number 42\n",
  ],
  [
    "ERR_SSL_SSL/TLS_ALERT_BAD_CERTIFICATE",
    "80AC:error:0A000412:SSL routines:ssl3_read_bytes:ssl/tls alert bad certificate:../deps/x.c:916:SSL alert number 42\n",
  ],
  [
    "ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED",
    "80AC:error:0A00045C:SSL routines:ssl3_read_bytes:tlsv13 alert certificate required:../deps/x.c:1601:SSL alert number 116\n",
  ],
  [
    "ERR_SSL_TLSV1_ALERT_UNKNOWN_CA",
    "80AC:error:0A000418:SSL routines:ssl3_read_bytes:tlsv1 alert unknown ca:../deps/x.c:1601:SSL alert number 48\n",
  ],
] as const) {
  test(`network error: ${code} is a TLS refusal before any request; its message is short and says what to do`, () => {
    assert.ok(isHandshakeAlert(withCode(code, message)));
    const text = messageFor(withCode(code, message));
    assert.match(
      text,
      /^endpoint https:\/\/h:2379 failed: [a-z0-9/]+ alert [a-z ]+ \(the server wants a client certificate, .*tls\.cert and tls\.key/,
    );
  });
}

test("network error: EPROTO of TLS 1.2 is not a handshake alert, but has the same hint", () => {
  const error = withCode(
    "EPROTO",
    "write EPROTO 80AC:error:0A000412:SSL routines:ssl3_read_bytes:sslv3 alert bad certificate:../deps/x.c:1:SSL alert number 42\n",
  );
  assert.ok(!isHandshakeAlert(error));
  assert.match(messageFor(error), /failed: sslv3 alert bad certificate \(the server wants a client certificate/);
});

for (const code of [
  "ECONNRESET",
  "EPIPE",
  "ERR_SSL_TLSV1_ALERT_INTERNAL_ERROR",
  "ERR_SSL_SSL/TLS_ALERT_UNEXPECTED_MESSAGE",
  "ERR_SSL_DECRYPTION_FAILED_OR_BAD_RECORD_MAC",
]) {
  test(`network error: ${code} may occur at any time, so it is not a handshake alert`, () => {
    assert.ok(!isHandshakeAlert(withCode(code)));
  });
}

for (const [name, error, url, hint] of [
  ["wrong CA", withCode("UNABLE_TO_VERIFY_LEAF_SIGNATURE"), "https://h", /pass that CA as tls\.ca/],
  ["self-signed", withCode("DEPTH_ZERO_SELF_SIGNED_CERT"), "https://h", /pass that CA as tls\.ca/],
  ["expired", withCode("CERT_HAS_EXPIRED"), "https://h", /renew it/],
  ["not valid yet", withCode("CERT_NOT_YET_VALID"), "https://h", /check the clocks/],
  ["another host", withCode("ERR_TLS_CERT_ALTNAME_INVALID"), "https://h", /tls\.servername/],
  [
    "no TLS there",
    withCode("EPROTO", "write EPROTO 80:error:0A00010B:SSL routines:ssl3_get_record:wrong version number:x.c:1:\n"),
    "https://h",
    /use http:/,
  ],
  [
    "no TLS there either",
    withCode("ECONNRESET", "Client network socket disconnected before secure TLS connection was established"),
    "https://h",
    /use http:/,
  ],
  ["no TLS there, connection reset", withCode("ECONNRESET", "read ECONNRESET"), "https://h", /use http:/],
  ["TLS there", withCode("ECONNRESET", "socket hang up"), "http://h", /use https:/],
  ["passphrase", withCode("ERR_OSSL_BAD_DECRYPT"), "https://h", /tls\.passphrase/],
  [
    "another passphrase, by chance",
    withCode("ERR_OSSL_UNSUPPORTED", "error:1E08010C:DECODER routines::unsupported"),
    "https://h",
    /tls\.key .* PEM.* tls\.passphrase/,
  ],
  ["mismatch", withCode("ERR_OSSL_X509_KEY_VALUES_MISMATCH"), "https://h", /does not belong to tls\.cert/],
  ["no PEM", withCode("ERR_OSSL_PEM_NO_START_LINE"), "https://h", /must be PEM/],
  ["unknown name", withCode("ENOTFOUND"), "http://h", /resolver does not know this name/],
] as const) {
  test(`network error: hint for ${name}`, () => {
    assert.match(messageFor(error, url), hint);
  });
}

test("network error: no hint where the system's own message is clear", () => {
  assert.equal(
    messageFor(withCode("ECONNREFUSED", "connect ECONNREFUSED 127.0.0.1:1"), "http://127.0.0.1:1/v2/keys/k"),
    "endpoint http://127.0.0.1:1 failed: connect ECONNREFUSED 127.0.0.1:1",
  );
  const reset = networkError(
    new URL("https://h:2379/v2/keys/k"),
    spec,
    withCode("ECONNRESET", "read ECONNRESET"),
    true,
  );
  assert.deepEqual([reset.message, reset.outcome], ["endpoint https://h:2379 failed: read ECONNRESET", "unknown"]);
});
