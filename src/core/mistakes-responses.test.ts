// Mistakes that only a response shows, as scripted servers send it. The numbers are those of docs/spec/mistakes.md.
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

const url = "http://127.0.0.1:2379";

/** Options as a JavaScript program may write them. */
const wrong = (value: unknown): never => value as never;

const refused = (status: number, errorCode: number, message: string, cause: string): Answer =>
  reply(status, { errorCode, message, cause, index: 7 });
const unauthorized = refused(401, 110, "The request requires user authentication", "Insufficient credentials");

/** Mistakes that only the server notices. */
const late: readonly (readonly [string, Answer, (keys: KeysAPI, client: Client) => Promise<unknown>, RegExp])[] = [
  [
    "a key that does not exist: verb, key and endpoint (M32)",
    refused(404, 100, "Key not found", "/config"),
    (k) => k.get("/config/missing"),
    /^100: Key not found \(\/config\) \[7\]; get \/config\/missing at http:\/\/127\.0\.0\.1:\d+$/,
  ],
  [
    "a key that exists: verb, key and endpoint (M32)",
    refused(412, 105, "Key already exists", "/a"),
    (k) => k.create("/a", "v"),
    /; create \/a at http/,
  ],
  [
    "another index as prevIndex (M48)",
    refused(412, 101, "Compare failed", "[15 != 16]"),
    (k) => k.set("/k", "v", { prevIndex: 15 }),
    /\[15 != 16\].*compareAndSwap \/k at .*compare with node\.modifiedIndex/,
  ],
  [
    "delete of a directory (M51)",
    refused(403, 102, "Not a file", "/d"),
    (k) => k.delete("/d"),
    /pass recursive, or dir if it is empty/,
  ],
  [
    "delete of a full directory (M51)",
    refused(403, 108, "Directory not empty", "/d"),
    (k) => k.delete("/d", { dir: true }),
    /pass recursive to delete/,
  ],
  [
    "v2 off (M11)",
    reply(404, "404 page not found\n"),
    (k) => k.get("/k"),
    /the v2 API is probably not enabled, start etcd with --enable-v2/,
  ],
  [
    "a web server (M18)",
    reply(200, "<html>", { "content-type": "text/html" }),
    (k) => k.get("/k"),
    /is this an etcd\?/,
  ],
  [
    "a server that hangs up (M4)",
    closeUnanswered(),
    (_k, client) => client.version(),
    /if it speaks TLS, use https:\/\//,
  ],
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

test("mistakes: the messages for no password and a wrong password differ (M21)", async () => {
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

test("mistakes: port 2380 is most likely the peer port (M12)", async () => {
  const transport = (): Promise<{ status: number; headers: object; body: string }> =>
    Promise.resolve({ status: 404, headers: {}, body: "404 page not found\n" });
  const client = new Client({ endpoints: ["http://127.0.0.1:2380"], transport: wrong(transport) });
  assert.match(String(await settled(new KeysAPI(client).get("/k"))), /this is probably a peer port/);
});

for (const [what, transport, got] of [
  ["fetch", () => Promise.resolve(new Response("{}")), /got the Response of fetch: read its text\(\) first$/],
  ["an axios", () => Promise.resolve({ status: 200, data: {} }), /got an object with status, data$/],
  [
    "fetch, with its Headers",
    () => Promise.resolve({ status: 200, headers: new Headers(), body: "{}" }),
    /got headers that are a Headers or a Map: make them an object by Object\.fromEntries\(headers\)$/,
  ],
  [
    "something with raw headers",
    () => Promise.resolve({ status: 200, headers: ["X-Etcd-Index", "7"], body: "{}" }),
    /got headers that are an array$/,
  ],
  [
    "something without headers",
    () => Promise.resolve({ status: 200, headers: null, body: "{}" }),
    /got headers that are null$/,
  ],
  ["a function that resolves to nothing", () => Promise.resolve(), /got undefined$/],
  ["a function without a promise", () => ({ status: 200, headers: {} }), /got an object with status, headers$/],
] as const) {
  test(`mistakes: ${what} as transport (M57)`, async () => {
    await using client = new Client({ endpoints: [url], transport: wrong(transport) });
    for (const call of [() => new KeysAPI(client).get("/k"), () => new KeysAPI(client).watcher("/k").next()]) {
      const error = await settled(call());
      assert.match(String(error), /^UsageError: options\.transport must resolve to \{ status, headers, body \}, with /);
      assert.match(String(error), got);
    }
  });
}

test("mistakes: a port that refuses connections (M1)", async () => {
  const client = clientOf([await refusedUrl()]);
  assert.match(String(await settled(new KeysAPI(client).get("/k"))), /connect ECONNREFUSED 127\.0\.0\.1/);
  await client.close();
});
