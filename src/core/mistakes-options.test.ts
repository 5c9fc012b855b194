// Mistakes in options, which are found before any request. The numbers are those of docs/spec/mistakes.md.
import { mistake, testMistakes, wrong } from "../test-kit/mistakes.js";
import { AuthAPI, AuthRoleAPI, AuthUserAPI } from "./auth.js";
import { Client } from "./client.js";
import { KeysAPI } from "./keys.js";
import { MembersAPI } from "./members.js";
import { Mirror } from "./mirror.js";
import { StatsAPI } from "./stats.js";

const url = "http://127.0.0.1:2379";
const client = new Client({ endpoints: [url] });
const certificate = "-----BEGIN CERTIFICATE-----";
const key = "-----BEGIN PRIVATE KEY-----";
const tls = (options: object): Client => new Client({ endpoints: [url], tls: wrong(options) });

testMistakes([
  mistake(
    7,
    "tls.ca is a path",
    () => tls({ ca: "/etc/ssl/ca.pem" }),
    /^options\.tls\.ca contains no certificate in PEM \("\/etc\/ssl\/ca\.pem"\): that is a path, read the file first$/,
  ),
  mistake(
    7,
    "one of several CAs is a path",
    () => tls({ ca: [certificate, "./ca.crt"] }),
    /^options\.tls\.ca .*"\.\/ca\.crt".* read the file first$/,
  ),
  mistake(
    8,
    "tls.cert is a path",
    () => tls({ cert: "client.pem", key }),
    /^options\.tls\.cert .*"client\.pem".* that is a path, read the file first$/,
  ),
  mistake(
    8,
    "tls.key is a path",
    () => tls({ cert: certificate, key: "client.key" }),
    /^options\.tls\.key .*"client\.key".* that is a path, read the file first$/,
  ),
  mistake(
    8,
    "tls.cert and tls.key are swapped",
    () => tls({ cert: key, key: certificate }),
    /^options\.tls\.cert contains a private key, and options\.tls\.key a certificate: were they swapped\?$/,
  ),
  mistake(
    8,
    "tls.cert is neither",
    () => tls({ cert: "secret", key }),
    /^options\.tls\.cert contains no certificate in PEM: it must have a line "-----BEGIN CERTIFICATE-----"$/,
  ),
  mistake(
    8,
    "tls.cert is an object",
    () => tls({ cert: {}, key }),
    /^options\.tls\.cert must be PEM text or a Buffer, got object$/,
  ),
  mistake(
    8,
    "keyFile for tls.key",
    () => tls({ keyFile: "secret" }),
    /^options\.tls has no field "keyFile"; did you mean "key"\?$/,
  ),
  mistake(
    9,
    "tls.key without tls.cert",
    () => tls({ key }),
    /^options\.tls\.cert and options\.tls\.key go together: "cert" is missing$/,
  ),
  mistake(9, "tls.cert without tls.key", () => tls({ cert: certificate }), /go together: "key" is missing$/),
  mistake(
    13,
    "an endpoint with /v2",
    () => new Client({ endpoints: [`${url}/v2`] }),
    /^endpoint "http:\/\/127\.0\.0\.1:2379\/v2" must not contain the path of the v2 API: leave out "\/v2"$/,
  ),
  ...["/v2/keys", "/v2/keys/a", "/v2/members", "/v2/stats/self", "/v2/machines"].map((path) =>
    mistake(
      14,
      `an endpoint with ${path} (FF53)`,
      () => new Client({ endpoints: [url + path] }),
      new RegExp(`the path of the v2 API: leave out "${path}"$`),
    ),
  ),
  mistake(
    14,
    "an endpoint with /v2/keys/ below a path (FF53)",
    () => new Client({ endpoints: [`${url}/base/v2/keys/`] }),
    /leave out "\/v2\/keys"$/,
  ),
  mistake(
    15,
    "a host and port without scheme",
    () => new Client({ endpoints: ["localhost:2379"] }),
    /^endpoint "localhost:2379" must begin with http:\/\/ or https:\/\/, as in "http:\/\/127\.0\.0\.1:2379"$/,
  ),
  mistake(
    15,
    "an address without scheme",
    () => new Client({ endpoints: ["127.0.0.1:2379"] }),
    /^endpoint "127\.0\.0\.1:2379" is not a URL; it should look like "http:\/\/127\.0\.0\.1:2379"$/,
  ),
  mistake(
    15,
    "several endpoints in one string",
    () => new Client({ endpoints: ["http://a:1,http://b:2"] }),
    /is not a URL; .*, one string for each endpoint$/,
  ),
  mistake(
    23,
    "credentials in an endpoint",
    () => new Client({ endpoints: ["http://u:secret@h:1"] }),
    /^endpoint \(not shown: it contains an @\) contains credentials: pass them as username and password of the client$/,
  ),
  mistake(
    25,
    "endpoints are a string",
    () => new Client({ endpoints: wrong(url) }),
    /^options\.endpoints must be an array of URLs, as in \{ endpoints: \["http:\/\/127\.0\.0\.1:2379"\] \}; got string$/,
  ),
  mistake(
    25,
    "endpoints of undefined",
    () => new Client({ endpoints: wrong([undefined]) }),
    /^an endpoint must be a string or a URL, got undefined$/,
  ),
  mistake(
    25,
    "no endpoints",
    () => new Client({ endpoints: [] }),
    /^client: no endpoints available: options\.endpoints is empty$/,
  ),
  ...(
    [
      ["endpoint", 'did you mean "endpoints"?'],
      ["hosts", 'did you mean "endpoints"?'],
      ["url", 'did you mean "endpoints"?'],
      ["port", "write the port into the endpoint, as in"],
      ["user", 'did you mean "username"?'],
      ["timeout", 'did you mean "headerTimeoutMs"?'],
      ["auth", 'pass "username" and "password"'],
      ["ssl", 'did you mean "tls"?'],
      ["ca", 'it is a field of "tls"'],
      ["maxRetries", 'did you mean "retryForMs"?'],
    ] as const
  ).map(([name, hint]) =>
    mistake(
      26,
      `the option ${name}`,
      () => new Client(wrong({ [name]: "secret" })),
      `options has no field "${name}"; ${hint}`,
    ),
  ),
  ...(
    [
      ["an array", [url], "an array"],
      ["a URL as text", url, "string"],
      ["nothing", undefined, "undefined"],
      ["null", null, "null"],
    ] as const
  ).map(([what, value, got]) =>
    mistake(
      27,
      `a client of ${what}`,
      () => new Client(wrong(value)),
      `the client needs options, as in { endpoints: ["${url}"] }; got ${got}`,
    ),
  ),
  mistake(
    27,
    "a client of a URL object",
    () => new Client(wrong(new URL(url))),
    /^options has no field "href"; did you mean "endpoints"\?$/,
  ),
  mistake(
    27,
    "a client of host and port",
    () => Reflect.construct(Client, ["localhost", 2379]),
    /^the client needs options, as in .*; got string$/,
  ),
  ...[KeysAPI, MembersAPI, AuthAPI, AuthUserAPI, AuthRoleAPI, StatsAPI].flatMap((Api) =>
    [url, { endpoints: [url] }, undefined].map((value) =>
      mistake(
        29,
        `new ${Api.name}(${typeof value})`,
        () => new Api(wrong(value)),
        `sender must be a Client, as in new Client({ endpoints: [...] }), or have its send method; got ${typeof value}`,
      ),
    ),
  ),
  mistake(
    29,
    "a mirror of a client",
    () => new Mirror(wrong(client), "/a"),
    /^keys must be a KeysAPI, as in new KeysAPI\(client\), got object$/,
  ),
  mistake(
    57,
    "a transport that is an object",
    () => new Client({ endpoints: [url], transport: wrong({}) }),
    /^options\.transport must be a function, got object$/,
  ),
]);
