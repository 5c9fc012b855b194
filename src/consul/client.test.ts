import assert from "node:assert/strict";
import dns from "node:dns";
import test, { type TestContext } from "node:test";
import { setImmediate } from "node:timers/promises";
import { EndpointError, UsageError } from "../util/errors.js";
import type { Exchange, RequestSpec } from "../http/exchange.js";
import { httpDoor } from "./test-kit/consul-doors.js";
import { ConsulFront, type ConsulReply, type ConsulRequest } from "./test-kit/consul-front.js";
import { refusedUrl } from "../test-kit/scripted-server.js";
import {
  createConsulAgent,
  createConsulLocks,
  ConsulError,
  createConsulClient,
  NotFoundError,
  RequestError,
  type ConsulClient,
  type ConsulOptions,
  type SessionConfig,
  type SessionId,
} from "./index.js";

const id = "adf4238a-882b-9ddc-4a9d-5b6758e4159e" as SessionId;
const sessionConfig: SessionConfig = { node: "n", name: "s", lockDelayMs: 1_000, ttlMs: 10_000, behavior: "release" };

/** A client of a server that always sends the same response. */
async function clientAnswered(
  t: TestContext,
  body: unknown,
  status = 200,
  options: ConsulOptions = {},
): Promise<{ client: ConsulClient; front: ConsulFront; asked: () => string; last: () => ConsulRequest }> {
  const reply: ConsulReply = { status, body: typeof body === "string" ? body : JSON.stringify(body) };
  const front = await ConsulFront.start(() => Promise.resolve(reply), httpDoor);
  const client = createConsulClient({ address: front.url, ...options });
  t.after(async () => {
    await client.close();
    await front.close();
  });
  const last = (): ConsulRequest => front.requests().at(-1) ?? assert.fail("nothing was asked");
  const asked = (): string => {
    const { method, path, query } = last();
    return `${method} ${path}${query.size === 0 ? "" : `?${query.toString()}`}`;
  };
  return { client, front, asked, last };
}

function kv(value: unknown, key = "config/baz/bar"): readonly object[] {
  return [{ LockIndex: 1, Key: key, Flags: 0, Value: value, CreateIndex: 10, ModifyIndex: 11 }];
}

const isUsage = (error: unknown): boolean => error instanceof UsageError && error.code === "ERR_ARGUMENT";
const isDecode = (error: unknown): boolean => error instanceof ConsulError && error.code === "ERR_DECODE";
const isMissing = (error: unknown): boolean =>
  error instanceof NotFoundError && error.code === "ERR_NOT_FOUND" && error.statusCode === 404;

test("consul client: by default it connects to localhost:8500, and a call may take 10 s (1)", async (t) => {
  const urls: string[] = [];
  const transport: Exchange = (url, _spec, signal) => {
    urls.push(url.href);
    return new Promise((_resolve, reject) => {
      const stop = (): void => {
        reject(signal?.reason as Error);
      };
      signal?.addEventListener("abort", stop, { once: true });
    });
  };
  await using client = createConsulClient({ transport, httpTimeoutMs: 0 });
  t.mock.timers.enable({ apis: ["setTimeout"] });
  let isOver = false;
  const call = assert.rejects(
    client.datacenters().finally(() => (isOver = true)),
    (error) => error instanceof ConsulError && error.code === "ERR_TIMEOUT" && error.message.includes("10000 ms"),
  );
  while (urls.length === 0) await setImmediate();
  t.mock.timers.tick(9_999);
  await setImmediate();
  assert.equal(isOver, false);
  t.mock.timers.tick(1);
  await call;
  assert.deepEqual(urls, ["http://localhost:8500/v1/catalog/datacenters"]);
});

test("consul client: the token is a header of every request and never in a URL (2)", async (t) => {
  const { client, front } = await clientAnswered(t, kv(null), 200, { token: "abc" });
  await client.get("k");
  await client.put("k", "v");
  await client.delete("k");
  assert.deepEqual(
    front.requests().map(({ method, headers }) => [method, headers["x-consul-token"]]),
    [
      ["GET", "abc"],
      ["PUT", "abc"],
      ["DELETE", "abc"],
    ],
  );
  assert.deepEqual(front.requests(/abc/), []);
});

test("consul client: no token, value or write follows a redirect to another server (2, FF10)", async (t) => {
  for (const status of [301, 302, 307, 308]) {
    const { front: other } = await clientAnswered(t, kv("dg=="));
    const { client, front } = await clientAnswered(t, "", status, { token: "abc" });
    front.rewrite(/v1\/kv/, (reply) => ({ ...reply, headers: { location: `${other.url}/v1/kv/k` } }));
    await using bare = createConsulClient({ address: front.url });
    for (const call of [
      () => client.get("k"),
      () => client.put("k", "secret"),
      () => client.delete("k"),
      () => bare.put("k", "secret"),
      () => bare.put("k", new Uint8Array([1])),
      () => bare.delete("k"),
    ]) {
      await assert.rejects(call, (error) => {
        assert.ok(error instanceof EndpointError && error.code === "ERR_BAD_REDIRECT", String(error));
        assert.equal(error.outcome, "notApplied");
        assert.ok(error.message.includes(`${other.url}/v1/kv/k`), error.message);
        assert.doesNotMatch(JSON.stringify(error), /abc|secret/);
        return true;
      });
    }
    assert.deepEqual(other.requests(), []);
    assert.equal(await bare.get("k"), "v");
  }
});

test("consul client: a refusal that repeats the token or the value is masked (FF10)", async (t) => {
  const token = "5f2f1b2c-0f6d-4b7e-9d58-2a37c6d3e1a4";
  const { client, front } = await clientAnswered(t, "", 403, { token });
  front.intercept(/(?:)/, ({ headers, body }) =>
    Promise.resolve({ status: 403, body: `no ${String(headers["x-consul-token"])} for ${body.toString()}` }),
  );
  for (const call of [
    () => client.put("k", "s3cret"),
    () => client.put("k", new TextEncoder().encode("s3cret")),
    () => client.keys("k"),
    () => client.createSession({ ...sessionConfig, name: "s3cret" }),
  ]) {
    await assert.rejects(call, (error) => {
      assert.ok(error instanceof RequestError);
      assert.match(error.body, /^no \*\*\* for/);
      assert.doesNotMatch(`${error.message} ${JSON.stringify(error)} ${String(error.stack)}`, /s3cret|5f2f1b2c/);
      return true;
    });
  }
});

test("consul client: an address may end with a slash and may have a path (3)", async (t) => {
  const { client, front, asked } = await clientAnswered(t, []);
  await client.nodes();
  for (const address of [`${front.url}/`, `${front.url}/base/`, `${front.url}/base`]) {
    await using other = createConsulClient({ address });
    await other.nodes();
    assert.equal(asked(), `GET ${address.includes("base") ? "/base" : ""}/v1/catalog/nodes`);
  }
});

test("consul client: self reads node, address, port and tags (4)", async (t) => {
  const { client, asked } = await clientAnswered(
    t,
    '{"Config":{"NodeName":"n1"},"Member":{"Addr":"10.3.0.19","Port":8301,"Tags":{"dc":"mydc"}}}',
  );
  assert.deepEqual(await client.self(), { name: "n1", address: "10.3.0.19", port: 8301, tags: { dc: "mydc" } });
  assert.equal(asked(), "GET /v1/agent/self");
});

test("consul client: field names match in any case, null is empty, unknown fields are ignored (4)", async (t) => {
  const { client } = await clientAnswered(
    t,
    '{"config":{"NODENAME":"n1","More":[]},"member":{"addr":"a","Tags":null}}',
  );
  assert.deepEqual(await client.self(), { name: "n1", address: "a", port: 0, tags: {} });
});

test("consul client: a RequestError has the status and up to 4 KiB of the body (5)", async (t) => {
  const { client } = await clientAnswered(t, "malfunction", 500);
  const calls: readonly (() => Promise<unknown>)[] = [
    () => client.self(),
    () => client.members(),
    () => client.reload(),
    () => client.datacenters(),
    () => client.node("n"),
    () => client.services(),
    () => client.keys("k"),
    () => client.put("k", "secret"),
    () => client.createSession(sessionConfig),
    () => client.listSessions("n"),
  ];
  for (const call of calls) {
    await assert.rejects(call(), (error) => {
      assert.ok(error instanceof RequestError);
      assert.deepEqual([error.code, error.statusCode, error.body], ["ERR_REQUEST", 500, "malfunction"]);
      assert.match(error.message, /^consul: (GET|PUT) \/v1\/.*: status 500: malfunction$/);
      assert.ok(!error.message.includes("secret"));
      return true;
    });
  }
  const long = await clientAnswered(t, "x".repeat(10_000), 403);
  await assert.rejects(
    long.client.self(),
    (error) => error instanceof RequestError && error.body.length === 4_096 && error.message.length < 300,
  );
});

test("consul client: members are those of the datacenter, or the servers of all (6)", async (t) => {
  const { client, asked } = await clientAnswered(t, [
    { Name: "a", Addr: "h", Port: 1, Tags: { x: "y" } },
    { Name: "b" },
  ]);
  assert.deepEqual(await client.members(), [
    { name: "a", address: "h", port: 1, tags: { x: "y" } },
    { name: "b", address: "", port: 0, tags: {} },
  ]);
  assert.equal(asked(), "GET /v1/agent/members");
  await client.members({ wan: false });
  assert.equal(asked(), "GET /v1/agent/members");
  await client.members({ wan: true });
  assert.equal(asked(), "GET /v1/agent/members?wan=true");
});

test("consul client: maintenanceMode and reload send an empty PUT (7)", async (t) => {
  const { client, asked, last } = await clientAnswered(t, "");
  await client.maintenanceMode(true, "my reason");
  assert.equal(asked(), "PUT /v1/agent/maintenance?enable=true&reason=my+reason");
  await client.maintenanceMode(false);
  assert.equal(asked(), "PUT /v1/agent/maintenance?enable=false");
  await client.reload();
  assert.equal(asked(), "PUT /v1/agent/reload");
  assert.deepEqual([last().body.length, last().headers["content-length"]], [0, "0"]);
});

test("consul client: services have their tags sorted (8)", async (t) => {
  const { client, asked } = await clientAnswered(t, { redis: ["standby", "active"], web: null });
  assert.deepEqual(await client.services({ dc: "dc1" }), { redis: ["active", "standby"], web: [] });
  assert.equal(asked(), "GET /v1/catalog/services?dc=dc1");
});

test("consul client: service filters by all tags (9)", async (t) => {
  const instance = {
    Node: "n",
    Address: "10.0.0.1",
    TaggedAddresses: { wan: "1.2.3.4" },
    ServiceID: "i",
    ServiceName: "myapp",
    ServiceTags: ["t1"],
    ServiceAddress: "10.0.0.2",
    ServicePort: 80,
  };
  const { client, asked } = await clientAnswered(t, [instance, { Address: "10.0.0.1" }]);
  const tags = ["t1", "t2"];
  const [first, second] = await client.service("myapp", { dc: "dc1", tags });
  assert.equal(asked(), "GET /v1/catalog/service/myapp?dc=dc1&tag=t1&tag=t2");
  assert.deepEqual(
    { ...first, effectiveAddress: first?.effectiveAddress() },
    {
      node: "n",
      address: "10.0.0.1",
      taggedAddresses: { wan: "1.2.3.4" },
      serviceId: "i",
      serviceName: "myapp",
      serviceTags: ["t1"],
      serviceAddress: "10.0.0.2",
      servicePort: 80,
      effectiveAddress: "10.0.0.2",
    },
  );
  assert.equal(second?.effectiveAddress(), "10.0.0.1");
});

test("consul client: node rejects for an unknown node (10)", async (t) => {
  const { client, asked } = await clientAnswered(t, "null");
  await assert.rejects(client.node("foobar", { dc: "dc1" }), isMissing);
  assert.equal(asked(), "GET /v1/catalog/node/foobar?dc=dc1");
  await assert.rejects(client.node("."), isUsage);
});

test("consul client: null tags read as no tags (11)", async (t) => {
  const { client } = await clientAnswered(t, {
    Node: { Node: "foobar", Address: "10.1.10.12", TaggedAddresses: null },
    Services: { redis: { ID: "redis", Service: "redis", Tags: null, Port: 8000 } },
  });
  assert.deepEqual(await client.node("foobar"), {
    node: { name: "foobar", address: "10.1.10.12", taggedAddresses: {} },
    services: { redis: { id: "redis", service: "redis", tags: [], port: 8_000 } },
  });
});

test("consul kv: get and getBytes decode the value (12)", async (t) => {
  const { client, asked } = await clientAnswered(t, kv("bXlWYWx1ZQ=="));
  assert.equal(await client.get("config/baz/bar"), "myValue");
  assert.deepEqual([...(await client.getBytes("config/baz/bar", { dc: "dc1" }))], [...Buffer.from("myValue")]);
  assert.equal(asked(), "GET /v1/kv/config/baz/bar?dc=dc1");
});

test("consul kv: a key without a value reads as empty, a missing one rejects (13)", async (t) => {
  await assert.rejects((await clientAnswered(t, "", 404)).client.get("k"), isMissing);
  assert.equal(await (await clientAnswered(t, kv(null))).client.get("k"), "");
  await assert.rejects((await clientAnswered(t, [])).client.get("k"), isMissing);
  await assert.rejects((await clientAnswered(t, "", 404)).client.keys("k"), isMissing);
  await assert.rejects((await clientAnswered(t, "", 404)).client.recurse("k"), isMissing);
});

test("consul kv: get and recurse refuse bytes that are not UTF-8, getBytes returns them (C16)", async (t) => {
  const { client } = await clientAnswered(t, kv("AP8="));
  await assert.rejects(client.get("k"), isDecode);
  await assert.rejects(client.recurse("k"), isDecode);
  assert.deepEqual([...(await client.getBytes("k"))], [0, 255]);
});

test("consul kv: a slash in front of a path is ignored (14)", async (t) => {
  const { client, asked } = await clientAnswered(t, kv("dg=="));
  await client.get("/config/x");
  assert.equal(asked(), "GET /v1/kv/config/x");
});

test("consul kv: special characters are percent-encoded, paths that cannot be addressed are refused (15)", async (t) => {
  const { client, asked, last } = await clientAnswered(t, "true");
  await client.put("a b/c?d#e%", "v");
  assert.equal(asked(), "PUT /v1/kv/a%20b/c%3Fd%23e%25");
  assert.equal(last().body.toString(), "v");
  await client.delete("folder/");
  assert.equal(asked(), "DELETE /v1/kv/folder/");
  for (const key of ["", "/", "a//b", "//a", "..", "a/../b", "a/.", "\ud800"]) {
    await assert.rejects(client.put(key, "v"), isUsage);
    await assert.rejects(client.get(key), isUsage);
  }
});

test("consul kv: put writes empty values, and copies bytes (16)", async (t) => {
  const { client, last } = await clientAnswered(t, "true");
  await client.put("k", "");
  assert.deepEqual([last().body.length, last().headers["content-length"]], [0, "0"]);
  const bytes = new Uint8Array([0, 255]);
  const putting = client.put("k", bytes);
  bytes[0] = 7;
  await putting;
  assert.deepEqual([...last().body], [0, 255]);
  await client.put("k", new Uint8Array());
  assert.deepEqual([last().body.length, last().headers["content-length"]], [0, "0"]);
  await client.put("k", "ü😀");
  assert.equal(last().body.toString(), "ü😀");
});

test("consul kv: keys are sorted by bytes (17)", async (t) => {
  const { client, asked } = await clientAnswered(t, ["é", "\u{1f600}", "a", "\uffee", "Z"]);
  assert.deepEqual(await client.keys("config/baz"), ["Z", "a", "é", "\uffee", "\u{1f600}"]);
  assert.equal(asked(), "GET /v1/kv/config/baz?keys=true");
  await client.keys("");
  assert.equal(asked(), "GET /v1/kv/?keys=true");
});

test("consul kv: recurse sorts its pairs by key (18)", async (t) => {
  const { client, asked } = await clientAnswered(t, [...kv("Yg==", "b"), ...kv(null, "a"), ...kv("Yw==", "B")]);
  assert.deepEqual(await client.recurse("config/baz", { dc: "d" }), [
    ["B", "c"],
    ["a", ""],
    ["b", "b"],
  ]);
  assert.equal(asked(), "GET /v1/kv/config/baz?dc=d&recurse=true");
});

test("consul sessions: createSession sends the fields as Go does (19)", async (t) => {
  const { client, asked, last } = await clientAnswered(t, { ID: id });
  assert.equal(await client.createSession(sessionConfig, { dc: "dc1" }), id);
  assert.equal(asked(), "PUT /v1/session/create?dc=dc1");
  assert.equal(last().body.toString(), '{"Node":"n","Name":"s","LockDelay":"1s","TTL":"10s","Behavior":"release"}');
  assert.equal(last().headers["content-type"], "application/json");
});

test("consul sessions: a config out of range is refused before any I/O (20)", async (t) => {
  const { client, front } = await clientAnswered(t, { ID: id });
  const bad: readonly object[] = [
    { ttlMs: 9_999 },
    { ttlMs: 86_400_001 },
    { lockDelayMs: -1 },
    { lockDelayMs: 60_001 },
    { lockDelayMs: NaN },
    { node: "" },
    { name: "" },
    { behavior: "x" },
    { ttl: 10 },
  ];
  for (const fields of bad) await assert.rejects(client.createSession({ ...sessionConfig, ...fields }), isUsage);
  assert.deepEqual(front.requests(), []);
});

test("consul sessions: both ends of the ranges are accepted (21)", async (t) => {
  const { client, last } = await clientAnswered(t, { ID: id });
  for (const [ttlMs, lockDelayMs, ttl, lockDelay] of [
    [10_000, 0, "10s", "0s"],
    [86_400_000, 60_000, "24h0m0s", "1m0s"],
  ] as const) {
    await client.createSession({ ...sessionConfig, ttlMs, lockDelayMs });
    const body = JSON.parse(last().body.toString()) as Record<string, string>;
    assert.deepEqual([body["TTL"], body["LockDelay"]], [ttl, lockDelay]);
  }
});

test("consul sessions: readSession reads durations as text and as nanoseconds (22)", async (t) => {
  const { client, asked } = await clientAnswered(
    t,
    `[{"ID":"${id}","Name":"s","Node":"n","LockDelay":1.5e+10,"TTL":"30s","Behavior":"delete"}]`,
  );
  assert.deepEqual(await client.readSession(id), {
    node: "n",
    name: "s",
    lockDelayMs: 15_000,
    ttlMs: 30_000,
    behavior: "delete",
  });
  assert.equal(asked(), `GET /v1/session/info/${id}`);
});

test("consul sessions: readSession rejects for no session and for several (23)", async (t) => {
  await assert.rejects((await clientAnswered(t, [])).client.readSession(id), isMissing);
  await assert.rejects((await clientAnswered(t, [{ ID: id }, { ID: id }])).client.readSession(id), isDecode);
});

test("consul sessions: renewSession resolves to the TTL (24)", async (t) => {
  const { client, asked, last } = await clientAnswered(t, [{ ID: id, TTL: "15s" }]);
  assert.equal(await client.renewSession(id), 15_000);
  assert.equal(asked(), `PUT /v1/session/renew/${id}`);
  assert.equal(last().body.length, 0);
  await assert.rejects(
    (await clientAnswered(t, `Session id '${id}' not found`, 404)).client.renewSession(id),
    isMissing,
  );
});

test("consul sessions: deleteSession destroys the session (24)", async (t) => {
  const { client, asked } = await clientAnswered(t, "true");
  await client.deleteSession(id);
  assert.equal(asked(), `PUT /v1/session/destroy/${id}`);
});

test("consul sessions: listSessions reads sessions without a TTL (25)", async (t) => {
  const { client, asked } = await clientAnswered(t, [
    { ID: "a", Node: "n", Name: "s", LockDelay: 15_000_000_000, TTL: "10s", Behavior: "release" },
    { ID: "b", Node: "n", Name: "s", LockDelay: 0, TTL: "", Behavior: "delete" },
  ]);
  const sessions = await client.listSessions("n");
  assert.equal(asked(), "GET /v1/session/node/n");
  assert.deepEqual(
    [...sessions],
    [
      ["a", { node: "n", name: "s", lockDelayMs: 15_000, ttlMs: 10_000, behavior: "release" }],
      ["b", { node: "n", name: "s", lockDelayMs: 0, behavior: "delete" }],
    ],
  );
});

test("consul client: a call to a server that hangs ends by the timeout or the signal (27)", async (t) => {
  const { client, front } = await clientAnswered(t, [], 200, { httpTimeoutMs: 200 });
  const undo = front.hang(/./);
  const begunMs = performance.now();
  await assert.rejects(client.nodes(), (error) => error instanceof ConsulError && error.code === "ERR_TIMEOUT");
  const tookMs = performance.now() - begunMs;
  assert.ok(tookMs >= 195 && tookMs < 5_000, `after ${String(tookMs)} ms`);
  undo();
  const reason = new Error("enough");
  const stop = new AbortController();
  await using patient = createConsulClient({ address: front.url });
  front.hang(/./);
  const call = patient.datacenters({ signal: stop.signal });
  await front.received(/datacenters/);
  stop.abort(reason);
  await assert.rejects(call, (error) => error === reason);
  await assert.rejects(patient.datacenters({ signal: AbortSignal.abort(reason) }), (error) => error === reason);
  assert.equal(front.requests(/datacenters/).length, 1);
});

test("consul client: the error for a response that is not Consul's names the request and quotes nothing (28)", async (t) => {
  for (const body of ["", " ", "<html>secret", '{"ID":7}', "[7]", '"secret"', "7"]) {
    const { client } = await clientAnswered(t, body);
    for (const call of [() => client.createSession(sessionConfig), () => client.recurse("k"), () => client.members()]) {
      await assert.rejects(call(), (error) => {
        assert.ok(isDecode(error) && error instanceof ConsulError);
        assert.match(error.message, /^consul: (GET|PUT) \/v1\//);
        assert.ok(!error.message.includes("secret"));
        return true;
      });
    }
  }
});

test("consul client: bad options and arguments are refused before any I/O", async () => {
  const bad: readonly object[] = [
    { address: "localhost:8500" },
    { address: "ftp://h" },
    { address: "http://u:p@h" },
    { address: "http://h/?a" },
    { httpTimeoutMs: NaN },
    { token: "a\nb" },
    { cert: "c" },
    { logger: 1 },
    { adress: "http://h" },
  ];
  for (const options of bad) assert.throws(() => createConsulClient(options), isUsage);
  const specs: RequestSpec[] = [];
  const client = createConsulClient({
    transport: (_url, spec) => {
      specs.push(spec);
      return Promise.reject(new Error("no"));
    },
  });
  await assert.rejects(client.get("k", { datacenter: "x" } as object), isUsage);
  // every factory and call says what is missing (FF48)
  assert.throws(() => createConsulClient(null as unknown as ConsulOptions), isUsage);
  await assert.rejects(client.createSession(undefined as unknown as SessionConfig), isUsage);
  await assert.rejects(client.createSession(null as unknown as SessionConfig), isUsage);
  for (const none of [undefined, null] as unknown as string[]) {
    await assert.rejects(client.get(none), isUsage);
    await assert.rejects(client.node(none), isUsage);
    await assert.rejects(client.service(none), isUsage);
  }
  await assert.rejects(client.service("s", { tags: [1 as unknown as string] }), isUsage);
  await assert.rejects(client.readSession("" as SessionId), isUsage);
  await assert.rejects(client.put("k", 7 as unknown as string), isUsage);
  assert.deepEqual(specs, []);
});

test("consul client: a failed request is logged, and a logger that throws changes nothing", async () => {
  const lines: string[] = [];
  const logger = (message: string, fields?: object): void => {
    lines.push(`${message} ${JSON.stringify(fields)}`);
    throw new Error("the disk is full");
  };
  const client = createConsulClient({ address: await refusedUrl(), token: "abc", logger });
  await assert.rejects(
    client.put("k", "secret"),
    (error) => error instanceof EndpointError && error.code === "ERR_NETWORK" && error.outcome === "notApplied",
  );
  assert.equal(lines.length, 1);
  assert.match(lines[0] ?? "", /^request failed .*"path":"\/v1\/kv\/k"/);
  assert.doesNotMatch(lines[0] ?? "", /secret|abc/);
});

test("consul client: a name with several addresses that all fail is reported with each of them (FF14)", async (t) => {
  t.mock.method(dns, "lookup", (_name: string, _options: object, done: (error: null, found: object[]) => void) => {
    done(null, [
      { address: "::1", family: 6 },
      { address: "127.0.0.1", family: 4 },
    ]);
  });
  await using client = createConsulClient({ address: (await refusedUrl()).replace("127.0.0.1", "localhost") });
  await assert.rejects(client.put("k", "v"), (error) => {
    assert.ok(error instanceof EndpointError && error.outcome === "notApplied");
    assert.match(error.message, /ECONNREFUSED.*127\.0\.0\.1/);
    return true;
  });
});

test("consul client: close ends the calls in progress, and later calls reject", async (t) => {
  const { client, front } = await clientAnswered(t, []);
  front.hang(/./);
  const call = client.nodes();
  await front.received(/./);
  const isClosed = (error: unknown): boolean => error instanceof UsageError && error.code === "ERR_CLOSED";
  const rejected = assert.rejects(call, isClosed);
  await client.close();
  await client.close();
  await rejected;
  await assert.rejects(client.nodes(), isClosed);
});

test("consul: a value that is not a client is refused with an example of one", () => {
  const message = /^options\.client must be a client, as in createConsulClient\(\)/;
  for (const create of [createConsulLocks, createConsulAgent])
    assert.throws(() => create({ client: {} as never }), { code: "ERR_ARGUMENT", message });
});
