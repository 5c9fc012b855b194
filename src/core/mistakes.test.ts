// What users see when they make a common mistake: the message says what is wrong and what to do.
import assert from "node:assert/strict";
import test from "node:test";
import {
  clientOf,
  closeUnanswered,
  refusedUrl,
  reply,
  ScriptedServer,
  type Answer,
} from "../test-kit/scripted-server.js";
import { settled } from "../test-kit/scripted-cluster.js";
import { Client } from "./client.js";
import { KeysAPI } from "./keys.js";
import { MembersAPI } from "./members.js";
import { StatsAPI } from "./stats.js";

const url = "http://127.0.0.1:2379";
const keys = new KeysAPI(new Client({ endpoints: [url] }));

/** Calls as a JavaScript program may write them. */
const wrong = (value: unknown): never => value as never;

/** Mistakes that are found before any I/O. */
const early: readonly (readonly [string, () => unknown, RegExp])[] = [
  [
    "endpoints that are a string",
    () => new Client({ endpoints: wrong(url) }),
    /options\.endpoints must be an array of URLs, got string/,
  ],
  [
    "endpoint for endpoints",
    () => new Client(wrong({ endpoint: [url] })),
    /no field "endpoint"; did you mean "endpoints"\?/,
  ],
  [
    "user for username",
    () => new Client(wrong({ endpoints: [url], user: "root" })),
    /no field "user"; did you mean "username"\?/,
  ],
  ["hosts for endpoints", () => new Client(wrong({ hosts: [url] })), /no field "hosts"; its fields are endpoints, /],
  [
    "a list in place of options",
    () => new Client(wrong([url])),
    /needs options, as in \{ endpoints: \["http:\/\/127\.0\.0\.1:2379"\] \}; got an array/,
  ],
  ["a URL in place of options", () => new Client(wrong(url)), /needs options, as in .*; got string/],
  ["no options", () => new Client(wrong(undefined)), /needs options, as in .*; got undefined/],
  [
    "an endpoint without scheme",
    () => new Client({ endpoints: ["localhost:2379"] }),
    /must begin with http:\/\/ or https:\/\//,
  ],
  [
    "an endpoint with /v2",
    () => new Client({ endpoints: [`${url}/v2`] }),
    /must not contain the path of the v2 API: leave out "\/v2"/,
  ],
  ["an endpoint with /v2/keys (FF53)", () => new Client({ endpoints: [`${url}/v2/keys`] }), /leave out "\/v2\/keys"/],
  [
    "an endpoint with /v2/keys/ (FF53)",
    () => new Client({ endpoints: [`${url}/base/v2/keys/`] }),
    /leave out "\/v2\/keys"/,
  ],
  ["an endpoint with a key (FF53)", () => new Client({ endpoints: [`${url}/v2/keys/a`] }), /leave out "\/v2\/keys\/a"/],
  [
    "credentials in an endpoint",
    () => new Client({ endpoints: ["http://u:secret@h:1"] }),
    /pass them as username and password/,
  ],
  [
    "a path as tls.ca",
    () => new Client({ endpoints: [url], tls: { ca: "/etc/ssl/ca.pem" } }),
    /tls\.ca.*read the file/,
  ],
  ["a URL for KeysAPI", () => new KeysAPI(wrong(url)), /sender must be a Client, as in new Client\(/],
  [
    "options for KeysAPI",
    () => new KeysAPI(wrong({ endpoints: [url] })),
    /sender must be a Client, as in new Client\(/,
  ],
  [
    "a signal in place of options",
    () => keys.get("/k", wrong(AbortSignal.timeout(1_000))),
    /options must be an object, as in \{ signal \}, got a signal/,
  ],
  [
    "an endpoint of another cluster for statistics",
    () => new StatsAPI(new Client({ endpoints: [url] })).self({ endpoint: "http://other:2379" }),
    /endpoint "http:\/\/other:2379" is not one of this client's endpoints/,
  ],
  [
    "a negative budget",
    () => keys.get("/k", { retryForMs: -1 }),
    /retryForMs must be a number of milliseconds from 0 to/,
  ],
  [
    "options as a callback",
    () =>
      keys.get(
        "/k",
        wrong(() => undefined),
      ),
    /get takes no callback: it returns a promise/,
  ],
  [
    "a callback after the options",
    () => (keys.set.bind(keys) as (...args: unknown[]) => unknown)("/k", "v", {}, () => undefined),
    /set takes no callback: it returns a promise/,
  ],
  [
    "too many arguments",
    () => (keys.delete.bind(keys) as (...args: unknown[]) => unknown)("/k", {}, 5),
    /delete has too many arguments/,
  ],
  ["a number as value", () => keys.set("/k", wrong(5)), /value must be a string, got number/],
  [
    "an object as value",
    () => keys.set("/k", wrong({ a: 1 })),
    /value must be a string, got object; use JSON\.stringify/,
  ],
  ["no value, but options", () => keys.set("/k", wrong({ ttl: 5 })), /value must be a string, got object/],
  ["ttl 0", () => keys.set("/k", "v", { ttl: 0 }), /options\.ttl must be a number of seconds above 0/],
  ["ttlMs", () => keys.set("/k", "v", wrong({ ttlMs: 60_000 })), /no field "ttlMs"; did you mean "ttl"\?/],
  [
    "prevExists",
    () => keys.set("/k", "v", wrong({ prevExists: false })),
    /no field "prevExists"; did you mean "prevExist"\?/,
  ],
  ["sorted", () => keys.get("/k", wrong({ sorted: true })), /no field "sorted"/],
  ["waitIndex", () => keys.watcher("/k", wrong({ waitIndex: 5 })), /no field "waitIndex"/],
  [
    "a controller as signal",
    () => keys.get("/k", { signal: wrong(new AbortController()) }),
    /options\.signal must be an AbortSignal, got object/,
  ],
  ["an empty prevValue", () => keys.set("/k", "v", { prevValue: "" }), /use options\.prevIndex/],
];

for (const [name, call, message] of early) {
  test(`mistakes: ${name}`, async () => {
    const error = await settled(Promise.resolve().then(call));
    assert.ok(error instanceof Error && error.name === "UsageError", String(error));
    assert.match(error.message, message);
    assert.doesNotMatch(error.message, /secret/);
  });
}

const refused = (status: number, errorCode: number, message: string, cause: string): Answer =>
  reply(status, { errorCode, message, cause, index: 7 });
const unauthorized = refused(401, 110, "The request requires user authentication", "Insufficient credentials");

/** Mistakes that only the server notices. */
const late: readonly (readonly [string, Answer, (keys: KeysAPI, client: Client) => Promise<unknown>, RegExp])[] = [
  [
    "a key that does not exist: verb, key and endpoint",
    refused(404, 100, "Key not found", "/config"),
    (k) => k.get("/config/missing"),
    /^100: Key not found \(\/config\) \[7\]; get \/config\/missing at http:\/\/127\.0\.0\.1:\d+$/,
  ],
  [
    "a key that exists: verb, key and endpoint",
    refused(412, 105, "Key already exists", "/a"),
    (k) => k.create("/a", "v"),
    /; create \/a at http/,
  ],
  [
    "another index as prevIndex",
    refused(412, 101, "Compare failed", "[15 != 16]"),
    (k) => k.set("/k", "v", { prevIndex: 15 }),
    /\[15 != 16\].*compareAndSwap \/k at .*compare with node\.modifiedIndex/,
  ],
  [
    "delete of a directory",
    refused(403, 102, "Not a file", "/d"),
    (k) => k.delete("/d"),
    /pass recursive, or dir if it is empty/,
  ],
  [
    "delete of a full directory",
    refused(403, 108, "Directory not empty", "/d"),
    (k) => k.delete("/d", { dir: true }),
    /pass recursive to delete/,
  ],
  [
    "v2 off",
    reply(404, "404 page not found\n"),
    (k) => k.get("/k"),
    /the v2 API is probably not enabled, start etcd with --enable-v2/,
  ],
  ["a web server", reply(200, "<html>", { "content-type": "text/html" }), (k) => k.get("/k"), /is this an etcd\?/],
  ["a server that hangs up", closeUnanswered(), (_k, client) => client.version(), /if it speaks TLS, use https:\/\//],
];

for (const [name, answer, call, message] of late) {
  test(`mistakes: ${name}`, async () => {
    await using server = await ScriptedServer.start(answer);
    await using client = clientOf([server]);
    const error = await settled(call(new KeysAPI(client), client));
    assert.ok(error instanceof Error, String(error));
    assert.match(error.message, message);
  });
}

test("mistakes: the messages for no password and a wrong password differ", async () => {
  await using server = await ScriptedServer.start(unauthorized);
  await using guest = clientOf([server]);
  await using user = clientOf([server], { username: "planted", password: "secret" });
  const asGuest = await settled(new KeysAPI(guest).set("/k", "v"));
  const asUser = await settled(new KeysAPI(user).set("/k", "v"));
  assert.match(String(asGuest), /set \/k at .*sent without credentials, as guest: pass username and password/);
  assert.match(String(asUser), /set \/k at .*sent with credentials: check the user's name, password and rights/);
  assert.doesNotMatch(String(asUser), /planted|secret/);
  server.script(reply(401, { message: "Insufficient credentials" }));
  assert.match(String(await settled(new MembersAPI(guest).add("http://h:1"))), /sent without credentials, as guest/);
});

test("mistakes: the peer port", async () => {
  const transport = (): Promise<{ status: number; headers: object; body: string }> =>
    Promise.resolve({ status: 404, headers: {}, body: "404 page not found\n" });
  const client = new Client({ endpoints: ["http://127.0.0.1:2380"], transport: wrong(transport) });
  assert.match(String(await settled(new KeysAPI(client).get("/k"))), /this is probably a peer port/);
});

test("mistakes: fetch as transport", async () => {
  const answer = (): Promise<unknown> => Promise.resolve(new Response("{}"));
  const client = new Client({ endpoints: [url], transport: wrong(answer) });
  const error = await settled(new KeysAPI(client).get("/k"));
  assert.match(String(error), /UsageError: options\.transport must resolve to \{ status, headers, body \}/);
});

test("mistakes: a wrong port", async () => {
  const client = clientOf([await refusedUrl()]);
  assert.match(String(await settled(new KeysAPI(client).get("/k"))), /connect ECONNREFUSED 127\.0\.0\.1/);
  await client.close();
});
