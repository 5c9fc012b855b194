import assert from "node:assert/strict";
import test from "node:test";
import { ClusterError } from "../util/errors.js";
import { KeysAPI } from "../core/keys.js";
import { badAttempt, clusterOf, serverOf, settled, type ScriptedCluster } from "../test-kit/scripted-cluster.js";
import { clientOf, ok, okBody, redirect, reply } from "../test-kit/scripted-server.js";
import type { Exchange } from "./exchange.js";

// redirects to a stranger: an origin that is not an endpoint

const credentials = { username: "root", password: "p" };

/** Allows every redirect. */
const checkRedirect = (): void => undefined;

const secretCalls: readonly (readonly [what: string, call: (cluster: ScriptedCluster) => Promise<unknown>])[] = [
  ["a set", ({ keys }) => keys.set("/k", "v")],
  ["a create", ({ keys }) => keys.create("/k", "v")],
  ["a set that compares by value", ({ keys }) => keys.set("/k", "v", { prevValue: "u" })],
  ["a createInOrder", ({ keys }) => keys.createInOrder("/k", "v")],
  ["a delete", ({ keys }) => keys.delete("/k")],
  ["a delete that compares by value", ({ keys }) => keys.delete("/k", { prevValue: "u" })],
  ["a body of bytes", ({ client }) => client.send({ method: "POST", path: "/x", bytes: Uint8Array.of(1) })],
  [
    "a read with a body",
    ({ client }) => client.send({ method: "POST", path: "/v3/kv/range", body: "{}", readOnly: true }),
  ],
  [
    "a read with a token",
    ({ client }) => client.send({ method: "GET", path: "/v2/keys/k", headers: { "x-auth-token": "secret" } }),
  ],
];

for (const status of [301, 302, 307, 308]) {
  for (const [what, call] of secretCalls) {
    test(`redirects: ${what} does not follow ${String(status)} to an origin that is not an endpoint (FF10)`, async (t) => {
      const stranger = await serverOf(t, ok());
      const cluster = await clusterOf(t, [[redirect(`${stranger.url}/v2/keys/k`, status)]]);
      const error = await badAttempt(call(cluster));
      assert.deepEqual([error.code, error.outcome, error.status], ["ERR_BAD_REDIRECT", "notApplied", status]);
      assert.ok(error.message.includes(stranger.url), error.message);
      assert.equal(stranger.requests.length, 0);
    });
  }
}

test("redirects: a read or a watch with credentials does not follow to an origin that is not an endpoint (FF10)", async (t) => {
  const stranger = await serverOf(t, ok());
  const { keys } = await clusterOf(t, [[redirect(`${stranger.url}/v2/keys/k`)]], credentials);
  for (const call of [() => keys.get("/k"), () => keys.watcher("/k").next()]) {
    assert.equal((await badAttempt(call())).code, "ERR_BAD_REDIRECT");
  }
  assert.equal(stranger.requests.length, 0);
});

test("redirects: a read or a watch without credentials follows anywhere (FF10)", async (t) => {
  const stranger = await serverOf(t, ok());
  const { keys } = await clusterOf(t, [[redirect(`${stranger.url}/v2/keys/k`)]]);
  await keys.get("/k");
  await keys.watcher("/k").next();
  assert.equal(stranger.requests.length, 2);
});

for (const [what, call] of secretCalls) {
  test(`redirects: ${what} follows where checkRedirect allows it, without credentials (FF10)`, async (t) => {
    const stranger = await serverOf(t, reply(200, okBody, { "x-etcd-index": "7" }));
    const cluster = await clusterOf(t, [[redirect(`${stranger.url}/v2/keys/k`)]], { ...credentials, checkRedirect });
    await call(cluster);
    assert.equal(stranger.requests.length, 1);
    const { headers } = stranger.requests[0] ?? assert.fail();
    assert.deepEqual([headers.authorization, headers["x-auth-token"]], [undefined, undefined]);
  });
}

test("redirects: a second hop to an origin that is not an endpoint is refused like a first one (FF10)", async (t) => {
  const stranger = await serverOf(t, ok());
  const { keys, server, counts } = await clusterOf(t, [[], []]);
  server(0).script(redirect(`${server(1).url}/v2/keys/k`));
  server(1).script(redirect(`${stranger.url}/v2/keys/k`));
  assert.equal((await badAttempt(keys.create("/k", "v"))).code, "ERR_BAD_REDIRECT");
  assert.deepEqual([counts(), stranger.requests.length], [[1, 1], 0]);
});

test("redirects: a client certificate is presented to an origin that is not an endpoint only if checkRedirect allows it (FF10)", async (t) => {
  for (const [presentsCertificate, allowed, to, follows] of [
    [true, false, "https://stranger:1", false],
    [true, true, "https://stranger:1", true],
    [false, false, "https://stranger:1", true],
    [true, false, "http://stranger:1", true],
    [true, false, "https://one:1", true],
  ] as const) {
    const asked: string[] = [];
    const transport: Exchange = Object.assign(
      ({ origin, pathname }: URL) => {
        asked.push(origin);
        return Promise.resolve(
          pathname === "/v2/keys/k"
            ? { status: 307, headers: { location: `${to}/there` }, body: "" }
            : { status: 200, headers: {}, body: JSON.stringify(okBody) },
        );
      },
      { presentsCertificate },
    );
    const from = to.startsWith("http:") ? "http://one:1" : "https://one:1";
    const client = clientOf([from], { transport, ...(allowed && { checkRedirect }) });
    t.after(() => client.close());
    const result = await settled(new KeysAPI(client).get("/k"));
    assert.equal(result instanceof ClusterError, !follows);
    assert.deepEqual(asked, follows ? [from, to] : [from]);
  }
});
