import assert from "node:assert/strict";
import test from "node:test";
import { ClusterError, EndpointError, type Outcome } from "../util/errors.js";
import { KeysAPI } from "../core/keys.js";
import { badAttempt, clusterOf, gate, rejection, serverOf } from "../test-kit/scripted-cluster.js";
import { clientOf, closeUnanswered, ok, okBody, redirect, refusedUrl, reply } from "../test-kit/scripted-server.js";
import { limitMs } from "../test-kit/waiting.js";
import type { RequestSpec } from "./exchange.js";

const credentials = { username: "rôot", password: "p:w" };
const authorization = "Basic csO0b3Q6cDp3";

for (const status of [301, 302, 307, 308]) {
  test(`redirects: ${String(status)} to an absolute URL on the same origin repeats the PUT, with credentials (A87)`, async (t) => {
    const { keys, server, seen } = await clusterOf(t, [[ok()]], credentials);
    server(0).script(redirect(`${server(0).url}/v2/keys/there`, status), ok());
    await keys.set("/k", "a b", { ttl: 3 });
    const [first, second] = seen(0);
    assert.equal(second?.target, "/v2/keys/there");
    assert.deepEqual(
      [second.method, second.body, second.headers["content-type"]],
      [first?.method, first?.body, first?.headers["content-type"]],
    );
    assert.deepEqual(second.form, ["ttl=3", "value=a b"]);
    assert.equal(second.headers.authorization, authorization);
  });
}

for (const status of [300, 303, 304]) {
  test(`redirects: ${String(status)} is not followed (D6)`, async (t) => {
    const { keys, counts } = await clusterOf(t, [[redirect("/v2/keys/there", status)]]);
    await assert.rejects(keys.get("/k"), { code: "ERR_STATUS", status });
    assert.deepEqual(counts(), [1]);
  });
}

test("redirects: a relative location is resolved and followed (A88)", async (t) => {
  const { keys, seen } = await clusterOf(t, [[redirect("/v2/keys/a?recursive=true", 301), redirect("b", 301), ok()]]);
  await keys.delete("/k");
  assert.deepEqual(
    seen(0).map(({ method, target }) => `${method} ${target}`),
    ["DELETE /v2/keys/k", "DELETE /v2/keys/a?recursive=true", "DELETE /v2/keys/b"],
  );
});

test("redirects: a location with a host and no scheme keeps the scheme (A88)", async (t) => {
  const other = await serverOf(t, ok());
  const { keys } = await clusterOf(t, [[redirect(`//127.0.0.1:${String(other.port)}/v2/keys/x`)]]);
  await keys.get("/k");
  assert.equal(other.requests[0]?.target, "/v2/keys/x");
});

/** Allows every redirect. */
const checkRedirect = (): void => undefined;

test("redirects: an allowed redirect to another host carries no credentials and has that host's Host header (A89)", async (t) => {
  const other = await serverOf(t, ok());
  const { keys, seen } = await clusterOf(t, [[redirect(`${other.url}/v2/keys/k`)]], { ...credentials, checkRedirect });
  await keys.set("/k", "v");
  assert.equal(seen(0)[0]?.headers.authorization, authorization);
  assert.equal(other.requests[0]?.headers.authorization, undefined);
  assert.equal(other.requests[0]?.headers.host, `127.0.0.1:${String(other.port)}`);
  assert.deepEqual(other.requests[0].form, ["value=v"]);
});

test("redirects: an endpoint reached by way of another host still gets the credentials, the other host does not (A89)", async (t) => {
  const stranger = await serverOf(t);
  const { keys, server, seen } = await clusterOf(t, [[redirect(`${stranger.url}/v2/keys/k`)], [ok()]], {
    ...credentials,
    checkRedirect,
  });
  stranger.script(redirect(`${server(1).url}/v2/keys/k`));
  await keys.get("/k");
  assert.equal(stranger.requests.length, 1);
  assert.equal(stranger.requests[0]?.headers.authorization, undefined);
  assert.equal(seen(1)[0]?.headers.authorization, authorization);
});

test("redirects: setEndpoints during a request does not drop its credentials (A89)", async (t) => {
  const { opened, open } = gate();
  const { keys, client, server, seen } = await clusterOf(t, [[], [ok()]], credentials);
  server(0).script(async (response, request, socket) => {
    await opened;
    return redirect("/v2/keys/there")(response, request, socket);
  }, ok());
  const call = keys.get("/k");
  await server(0).received(1);
  client.setEndpoints([server(1).url]);
  open();
  await call;
  assert.equal(seen(0)[1]?.headers.authorization, authorization);
});

test("redirects: credentials in a location are not used, and checkRedirect does not see them (A89)", async (t) => {
  const other = await serverOf(t, ok());
  const seen: string[] = [];
  const { keys } = await clusterOf(
    t,
    [[redirect(`http://eve:secret@127.0.0.1:${String(other.port)}/v2/keys/k#frag`)]],
    { checkRedirect: (_via, location) => void seen.push(location.href) },
  );
  await keys.get("/k");
  assert.equal(other.requests[0]?.headers.authorization, undefined);
  assert.deepEqual(seen, [`${other.url}/v2/keys/k`]);
});

for (const [name, location, message] of [
  ["no location", undefined, /location header not set/],
  ["an empty location", "", /location header not set/],
  ["a location that is not a URL", "http://[", /location header not valid URL$/],
  ["a location of another scheme", "ftp://127.0.0.1/x", /cannot follow to ftp:/],
] as const) {
  test(`redirects: 307 with ${name} is a failure that names the cause; only calls that are not one-shot fail over (A90)`, async (t) => {
    const { client, keys, server, counts } = await clusterOf(t, [
      [reply(307, "", location === undefined ? {} : { location })],
      [ok()],
    ]);
    await keys.get("/k");
    assert.deepEqual(counts(), [1, 1]);
    server(1).script(closeUnanswered());
    server(0).script(reply(307, "", location === undefined ? {} : { location }));
    const { errors } = await rejection(keys.get("/k"), ClusterError);
    const error = errors.find(({ code }) => code === "ERR_BAD_REDIRECT");
    assert.match(error?.message ?? "", message);
    assert.equal(error instanceof EndpointError && error.status, 307);
    // something was sent to the first endpoint, so the second is not tried, though nothing was applied
    const asked = counts();
    const refused = await rejection(keys.createInOrder("/q", "v"), ClusterError);
    assert.deepEqual(
      [refused.outcome, refused.errors.length],
      [client.endpoints[0] === server(1).url ? "notApplied" : "unknown", 1],
    );
    assert.equal(
      counts().reduce((sum, count) => sum + count, 0),
      asked.reduce((sum, count) => sum + count, 0) + 1,
    );
  });
}

test("redirects: an endless chain ends after 11 requests with ERR_TOO_MANY_REDIRECTS (A91)", async (t) => {
  const { keys, counts } = await clusterOf(t, [[redirect("/v2/keys/k")]]);
  const error = await badAttempt(keys.create("/k", "v"));
  assert.equal(error.code, "ERR_TOO_MANY_REDIRECTS");
  assert.equal(error.outcome, "notApplied");
  assert.match(error.message, /too many redirects/);
  assert.deepEqual(counts(), [11]);
});

test("redirects: 10 redirects are followed (A91)", async (t) => {
  const { keys, counts } = await clusterOf(t, [[...Array.from({ length: 10 }, () => redirect("/v2/keys/k")), ok()]]);
  await keys.get("/k");
  assert.deepEqual(counts(), [11]);
});

test("redirects: with maxRedirects 0, none is followed (A92)", async (t) => {
  const { keys, counts } = await clusterOf(t, [[redirect("/v2/keys/k")]], { maxRedirects: 0 });
  assert.equal((await badAttempt(keys.get("/k"))).code, "ERR_TOO_MANY_REDIRECTS");
  assert.deepEqual(counts(), [1]);
});

test("redirects: checkRedirect is called for each hop; what it throws reaches the caller, and the next endpoint is tried (A92)", async (t) => {
  const no = new RangeError("not there");
  const hops: [number, string][] = [];
  const { keys, counts } = await clusterOf(t, [[redirect("/v2/keys/a"), redirect("/v2/keys/b")], [reply(500, "")]], {
    checkRedirect: (via, location) => {
      hops.push([via, location.pathname]);
      if (via === 2) throw no;
    },
  });
  const { errors } = await rejection(keys.get("/k"), ClusterError);
  assert.deepEqual(hops, [
    [1, "/v2/keys/a"],
    [2, "/v2/keys/b"],
  ]);
  assert.equal(errors[0]?.code, "ERR_BAD_REDIRECT");
  assert.equal(errors[0].cause, no);
  assert.deepEqual(counts(), [2, 1]);
});

test("redirects: checkRedirect may throw something that is not an error, and cannot change the location (A92)", async (t) => {
  const { keys, counts } = await clusterOf(t, [[redirect("/v2/keys/a")]], {
    checkRedirect: () => {
      throw "a word";
    },
  });
  const error = await badAttempt(keys.get("/k"));
  assert.equal(error.code, "ERR_BAD_REDIRECT");
  assert.equal(error.cause, undefined);
  assert.deepEqual(counts(), [1]);
  const meddled = await clusterOf(t, [[redirect("/v2/keys/a"), ok()]], {
    checkRedirect: (_via, location) => void (location.pathname = "/elsewhere"),
  });
  await meddled.keys.get("/k");
  assert.equal(meddled.seen(0)[1]?.target, "/v2/keys/a");
});

test("redirects: https to http is refused, even on the same host and to an endpoint; http to https is followed (D6)", async (t) => {
  const asked: string[] = [];
  const locations = new Map([
    ["https://one:1", "http://one:1/v2/keys/k"],
    ["http://two:2", "https://two:2/v2/keys/k"],
  ]);
  const client = clientOf(["https://one:1", "http://two:2"], {
    transport: ({ origin }) => {
      asked.push(origin);
      const location = locations.get(origin);
      return Promise.resolve(
        location === undefined
          ? { status: 200, headers: {}, body: JSON.stringify(okBody) }
          : { status: 307, headers: { location }, body: "" },
      );
    },
  });
  t.after(() => client.close());
  await new KeysAPI(client).get("/k");
  assert.deepEqual(asked, ["https://one:1", "http://two:2", "https://two:2"]);
});

const passwordSpec: RequestSpec = {
  method: "PUT",
  path: "/v2/auth/users/eve",
  headers: { "content-type": "application/json" },
  body: '{"user":"eve","password":"p"}',
  maskedBody: '{"user":"eve","password":"***"}',
  oneShot: true,
};

test("redirects: a password is not sent to a host that is not an endpoint, even if checkRedirect allows it (D16)", async (t) => {
  const other = await serverOf(t, reply(201, {}));
  const { client } = await clusterOf(t, [[redirect(`${other.url}/v2/auth/users/eve`)]], {
    ...credentials,
    checkRedirect,
  });
  const error = await badAttempt(client.send(passwordSpec));
  assert.equal(error.code, "ERR_BAD_REDIRECT");
  assert.equal(error.outcome, "notApplied");
  assert.equal(other.requests.length, 0);
});

test("redirects: a password is sent on to the same host and to another endpoint (D16)", async (t) => {
  const { client, server, seen } = await clusterOf(t, [[], [reply(201, {})]], credentials);
  server(0).script(redirect("/v2/auth/users/eve2"), redirect(`${server(1).url}/v2/auth/users/eve`));
  assert.equal((await client.send(passwordSpec)).status, 201);
  assert.deepEqual([seen(0)[1]?.body, seen(1)[0]?.body], [passwordSpec.body, passwordSpec.body]);
});

test("redirects: the outcome of a write is that of the hop that failed", async (t) => {
  const closing = await serverOf(t, closeUnanswered());
  const cases: readonly [to: string, code: string, outcome: Outcome][] = [
    [await refusedUrl(), "ERR_NETWORK", "notApplied"],
    [closing.url, "ERR_NETWORK", "unknown"],
  ];
  for (const [to, code, outcome] of cases) {
    const { keys } = await clusterOf(t, [[redirect(`${to}/v2/keys/k`)]], { checkRedirect });
    const error = await badAttempt(keys.delete("/k"));
    assert.deepEqual([error.code, error.outcome, error.endpoint], [code, outcome, to]);
  }
});

test("redirects: a redirected one-shot write does not fail over, whether its target refuses or closes the connection", async (t) => {
  const { keys, server, counts } = await clusterOf(t, [[redirect(`${await refusedUrl()}/v2/keys/q`)], [ok()]], {
    checkRedirect,
  });
  const refused = await rejection(keys.createInOrder("/q", "v"), ClusterError);
  assert.deepEqual([refused.outcome, counts()], ["notApplied", [1, 0]]);
  assert.match(refused.message, /answered 307, and then: .*ECONNREFUSED/);
  const closing = await serverOf(t, closeUnanswered());
  server(1).script(redirect(`${closing.url}/v2/keys/q`));
  const died = await rejection(keys.createInOrder("/q", "v"), ClusterError);
  assert.deepEqual([died.outcome, counts(), closing.requests.length], ["unknown", [1, 1], 1]);
});

test("redirects: each hop has its own header timeout, and a 500 after a redirect counts as the endpoint's failure", async (t) => {
  const other = await serverOf(t, () => undefined);
  const { keys, server, counts } = await clusterOf(t, [[redirect(`${other.url}/v2/keys/k`)], [ok()]], {
    headerTimeoutMs: limitMs,
  });
  await keys.get("/k");
  assert.deepEqual([...counts(), other.requests.length], [1, 1, 1]);
  other.script(reply(500, ""));
  server(1).script(redirect(`${other.url}/v2/keys/k`));
  server(0).script(ok());
  await keys.get("/k");
  assert.deepEqual([...counts(), other.requests.length], [2, 2, 2]);
});

test("redirects: the target of a redirect is not remembered", async (t) => {
  const other = await serverOf(t, ok());
  const { keys, client, server, counts } = await clusterOf(t, [[redirect(`${other.url}/v2/keys/k`)], [ok()]]);
  await keys.get("/k");
  await keys.get("/k");
  assert.deepEqual(counts(), [2, 0]);
  assert.deepEqual(client.endpoints, [server(0).url, server(1).url]);
});

test("redirects: at most 100 are followed, whatever the limit (FF51)", async (t) => {
  const { keys, counts } = await clusterOf(t, [[redirect("/v2/keys/k")]], { maxRedirects: Infinity });
  const error = await badAttempt(keys.get("/k"));
  assert.equal(error.code, "ERR_TOO_MANY_REDIRECTS");
  assert.match(error.message, /stopped after 100$/);
  assert.deepEqual(counts(), [101]);
});
