import assert from "node:assert/strict";
import test from "node:test";
import { EtcdError, isKeyNotFound } from "../core/index.js";
import { base64 } from "./layout.js";
import { headerAt, scriptedGateway } from "./test-kit/scripted-gateway.js";

const empty = { response_range: {} };

test("reads: a directory that is made while its absence is looked into is missing at the index of the first look", async () => {
  let looks = 0;
  const { keys } = scriptedGateway(() => {
    if (looks++ === 0) return { header: headerAt(10), succeeded: true, responses: [empty, empty] };
    const child = { key: base64("/d/x"), create_revision: "12", mod_revision: "12", version: "1" };
    return { header: headerAt(12), succeeded: true, responses: [empty, { response_range: { kvs: [child] } }] };
  });
  const error: unknown = await keys.get("/d").catch((reason: unknown) => reason);
  assert.ok(isKeyNotFound(error) && error instanceof EtcdError);
  assert.equal(error.index, 10, "a watcher from there is told of the event at 12");
});

test("reads: what is missing both times is missing at the index of the second look", async () => {
  let looks = 0;
  const { keys } = scriptedGateway(() => {
    return { header: headerAt(++looks === 1 ? 10 : 12), succeeded: true, responses: [empty, empty] };
  });
  const error: unknown = await keys.get("/d").catch((reason: unknown) => reason);
  assert.ok(isKeyNotFound(error) && error instanceof EtcdError);
  assert.deepEqual([error.index, error.serverCause], [12, "/d"]);
});

test("reads: a listing whose revision is compacted between two pages begins anew, three times at most (V121)", async () => {
  for (const format of ["old", "new"] as const) {
    for (const [compactions, isListed, recursive] of [
      [2, true, false],
      [3, false, false],
      [2, true, true],
      [3, false, true],
    ] as const) {
      let revision = 0;
      let refused = 0;
      const { keys } = scriptedGateway(
        ({ path, body }) => {
          // the first look takes it for a file
          if (body["limit"] === "2") return { header: headerAt(revision), kvs: [{ key: base64("/d/") }] };
          const isFurther = body["revision"] !== undefined;
          if (isFurther && refused++ < compactions)
            return { refusal: 11, words: "mvcc: required revision has been compacted" };
          const name = isFurther ? "b" : "a";
          revision += isFurther ? 0 : 100;
          const file = {
            key: base64(`/d/${name}`),
            value: base64(String(revision)),
            create_revision: "2",
            mod_revision: "3",
          };
          const page = { kvs: [file], ...(!isFurther && { more: true, count: "2" }) };
          const header = headerAt(revision);
          if (path === "/v3/kv/range") return { header, ...page };
          return { header, succeeded: true, responses: [empty, { response_range: page }] };
        },
        { format },
      );
      if (isListed) {
        const { node, index } = await keys.get("/d", { recursive });
        assert.deepEqual(
          node.nodes.map((each) => [each.key, each.value]),
          [
            ["/d/a", "300"],
            ["/d/b", "300"],
          ],
        );
        assert.equal(index, 300);
      } else {
        await assert.rejects(keys.get("/d", { recursive }), /compacted/);
      }
    }
  }
});

test("reads: a directory that is read recursively takes one plain read, a file or a missing key is looked up as ever", async () => {
  const file = { value: base64("v"), create_revision: "2", mod_revision: "3" };
  const { keys, calls } = scriptedGateway(({ path, body }) => {
    const header = headerAt(9);
    if (path === "/v3/kv/range") {
      return { header, ...(body["key"] === base64("/d/") && { kvs: [{ ...file, key: base64("/d/x") }] }) };
    }
    const [own] = body["success"] as readonly [{ readonly request_range: { readonly key: string } }];
    const isFile = own.request_range.key === base64("/f");
    const found = isFile ? { response_range: { kvs: [{ ...file, key: base64("/f") }] } } : empty;
    return { header, succeeded: true, responses: [found, empty] };
  });
  const paths = async (call: () => Promise<unknown>): Promise<readonly string[]> => {
    const before = calls.length;
    await call();
    return calls.slice(before).map(({ path }) => path);
  };
  const get = (key: string, recursive = true): Promise<unknown> =>
    keys.get(key, { recursive }).catch((error: unknown) => {
      if (!isKeyNotFound(error)) throw error;
    });
  assert.deepEqual(await paths(() => get("/d")), ["/v3/kv/range"]);
  assert.deepEqual(await paths(() => get("/", false)), ["/v3/kv/range"], "the root is always a directory");
  assert.deepEqual(await paths(() => get("/f")), ["/v3/kv/range", "/v3/kv/txn"]);
  assert.equal((await keys.get("/f", { recursive: true })).node.value, "v");
  assert.deepEqual(await paths(() => get("/none")), ["/v3/kv/range", "/v3/kv/txn", "/v3/kv/txn"]);
});

test("reads: a user who may not read all that begins with the key reads it as before, in one transaction or one list (V116)", async () => {
  const kv = (key: string): Record<string, string> => ({ key: base64(key), value: base64("v"), mod_revision: "3" });
  const perm = [
    { key: base64("/one") },
    { key: base64("/app/"), range_end: base64("/app0") },
    { key: base64("/all"), range_end: base64("/all0") },
  ];
  const { client, calls } = scriptedGateway(({ path, body }) => {
    const header = headerAt(9);
    if (path === "/v3/auth/authenticate") return { header, token: "t" };
    if (path === "/v3/auth/user/get") return { header, roles: ["r"] };
    if (path === "/v3/auth/role/get") return { header, perm };
    if (path === "/v3/kv/range") return { header, kvs: [kv(body["key"] === base64("/app/") ? "/app/x" : "/all")] };
    return { header, succeeded: true, responses: [{ response_range: { kvs: [kv("/one")] } }] };
  });
  const send = async (key: string): Promise<unknown> => {
    const headers = { authorization: `Basic ${base64("bob:b")}` };
    const call = { kind: "get", key, recursive: false, sort: false, quorum: false } as const;
    const { body } = await client.send({ method: "GET", path: `/v2/keys${key}`, headers, call });
    const sent = calls.filter(({ path }) => path.startsWith("/v3/kv/")).at(-1);
    return [sent?.path, (JSON.parse(body) as { readonly node: { readonly key: string } }).node.key];
  };
  assert.deepEqual(await send("/one"), ["/v3/kv/txn", "/one"]);
  assert.deepEqual(await send("/app"), ["/v3/kv/range", "/app"]);
  assert.deepEqual(await send("/all"), ["/v3/kv/range", "/all"]);
  const ranges = calls.filter(({ path }) => path === "/v3/kv/range").map(({ body }) => body["key"]);
  assert.deepEqual(ranges, [base64("/app/"), base64("/all")]);
});
