import assert from "node:assert/strict";
import { execFile, spawnSync } from "node:child_process";
import test from "node:test";
import { promisify } from "node:util";
import { okBody, reply, ScriptedServer, type SeenRequest } from "../test-kit/scripted-server.js";
import { putUserSpec } from "../core/wire/auth.js";
import { createInOrderSpec, deleteSpec, getSpec, setSpec } from "../core/wire/keys.js";
import { curlLine } from "./curl.js";
import type { RequestSpec } from "./exchange.js";
import { gotExchange } from "./got/got-exchange.js";

const runFile = promisify(execFile);

/** The arguments that curl would receive if bash ran the line. */
async function wordsOf(line: string): Promise<readonly string[]> {
  const { stdout } = await runFile("bash", ["-c", `curl() { printf '%s\\0' "$@"; }; ${line}`], {
    env: { HOME: "/home/somebody", PATH: process.env["PATH"] },
  });
  return stdout.split("\0").slice(0, -1);
}

const form = "content-type: application/x-www-form-urlencoded";
const base = "http://127.0.0.1:2379";

function at(key: string): { prefix: string; key: string } {
  return { prefix: "/v2/keys", key };
}

test("curl: a request is printed as a curl command (A118)", () => {
  assert.equal(
    curlLine(new URL(`${base}/v2/keys/k?prevIndex=3`), setSpec(at("/k"), "v", {})),
    `curl -X PUT '${base}/v2/keys/k?prevIndex=3' -H '${form}' -d value=v`,
  );
  assert.equal(
    curlLine(new URL(`${base}/v2/keys/k`), { method: "GET", path: "/v2/keys/k" }),
    `curl -X GET ${base}/v2/keys/k`,
  );
  assert.equal(
    curlLine(new URL(`${base}/v2/auth/enable`), { method: "PUT", path: "/v2/auth/enable", body: "" }),
    `curl -X PUT ${base}/v2/auth/enable -d ''`,
  );
});

test("curl: a masked body is printed instead of the body (A119)", () => {
  const line = curlLine(new URL(`${base}/v2/auth/users/eve`), putUserSpec("eve", { password: "it's secret" }));
  assert.equal(
    line,
    `curl -X PUT ${base}/v2/auth/users/eve -H 'content-type: application/json' -d '{"user":"eve","password":"***","roles":null}'`,
  );
});

for (const [user, shown] of [
  ["root", "root:***"],
  ["it's me", "'it'\\''s me':***"],
  ["$(id)", "'$(id)':***"],
  ["~", "'~':***"],
] as const) {
  test(`curl: credentials of ${user} are printed as -u ${shown} (A118)`, async () => {
    const authorization = `Basic ${Buffer.from(`${user}:secret:more`).toString("base64")}`;
    const line = curlLine(new URL(`${base}/version`), { method: "GET", path: "/version", headers: { authorization } });
    assert.equal(line, `curl -X GET ${base}/version -u ${shown}`);
    assert.deepEqual(await wordsOf(line), ["-X", "GET", `${base}/version`, "-u", `${user}:***`]);
  });
}

const nasty = [
  "it's",
  '"q"',
  "$HOME",
  "${HOME}",
  "$(id)",
  "`id`",
  "a\\b",
  "line\nbreak",
  "[a-z]",
  "{a,b}",
  "!x",
  "#x",
  "a;b|c&d",
  "*?",
  "~",
  "~root",
  "-x",
  "%41 %2F",
  "=",
  "😀 é",
  "<>",
  "\0\t",
];

const specs: readonly RequestSpec[] = [
  ...nasty.flatMap((text) => [
    setSpec(at(`/${text}`), text, { prevValue: text }),
    getSpec(at(`/${text}/`), {}),
    deleteSpec(at(`/${text}`), { prevValue: text, prevIndex: 4 }),
    createInOrderSpec(at(`/${text}`), text, { ttl: 5 }),
    putUserSpec("eve", { grant: [text] }),
  ]),
  setSpec(at("/d"), "", { dir: true }),
  setSpec(at("/k"), nasty.join(""), { ttl: 5 }),
  // requests that only a caller of Client.send could make
  ...nasty
    .filter((text) => !text.includes("\0"))
    .map((body): RequestSpec => ({ method: "POST", path: "/x", headers: { "content-type": "text/plain" }, body })),
  { method: "POST", path: "/x", headers: { "content-type": "text/plain" }, body: "@/etc/hostname" },
  { method: "PUT", path: "/v2/auth/enable" },
];

function urlOf(origin: string, { path, query = "" }: RequestSpec): URL {
  return new URL(origin + path + (query === "" ? "" : `?${query}`));
}

test("curl: bash splits a printed command into the intended arguments (A118)", async () => {
  for (const spec of specs) {
    const url = urlOf(base, spec);
    const [x, method, target, ...rest] = await wordsOf(curlLine(url, spec));
    assert.deepEqual([x, method, target], ["-X", spec.method, url.href]);
    const headers = Object.entries(spec.headers ?? {}).flatMap(([name, value]) => ["-H", `${name}: ${value}`]);
    const body = typeof spec.body !== "string" ? [] : [spec.body.startsWith("@") ? "--data-raw" : "-d", spec.body];
    assert.deepEqual(rest, [...headers, ...body]);
  }
});

// without curl installed, the test of the arguments above is all there is
const hasCurl = spawnSync("curl", ["--version"]).status === 0;

if (hasCurl) {
  test("curl: a printed command pasted into bash repeats the request (A118)", async () => {
    await using server = await ScriptedServer.start(reply(200, "{}"));
    const exchange = gotExchange();
    const lines: string[] = [];
    for (const [i, spec] of specs.entries()) {
      const url = urlOf(server.url, spec);
      // an endpoint's own query may contain what curl would expand as a pattern
      if (i % 3 === 0) url.search = `${url.search}&x=[1-3]&y={a,b}`;
      lines.push(curlLine(url, spec));
      await exchange(url, spec, undefined);
    }
    const sent = server.requests.map(essence);
    await runFile("bash", ["-c", `set -e; ${lines.join("\n")}`], {
      env: { PATH: process.env["PATH"], CURL_HOME: "/nonexistent", HOME: "/nonexistent" },
    });
    assert.equal(sent.length, specs.length);
    assert.deepEqual(server.requests.slice(sent.length).map(essence), sent);
    await exchange.close?.();
  });
}

function essence({ method, target, body, headers }: SeenRequest): object {
  return { method, target, body, type: headers["content-type"] };
}

/** Runs calls of a client in its own process. Returns the lines printed on stderr, without their times. */
async function linesOf(
  endpoints: readonly string[],
  calls: string,
  env: NodeJS.ProcessEnv = {},
): Promise<readonly string[]> {
  const program = `
    import { AuthUserAPI, Client, KeysAPI, disableCurlDebug, enableCurlDebug } from ${JSON.stringify(new URL("../core/index.js", import.meta.url).href)};
    const endpoints = ${JSON.stringify(endpoints)};
    let client;
    do client = new Client({ endpoints, username: "root", password: "secret", checkRedirect() {} }); while (client.endpoints[0] !== endpoints[0]);
    const keys = new KeysAPI(client);
    const users = new AuthUserAPI(client);
    ${calls}
    await client.close();`;
  const { stdout, stderr } = await runFile(process.execPath, ["--input-type=module", "-e", program], {
    env: { PATH: process.env["PATH"], ...env },
  });
  assert.equal(stdout, "");
  const lines = stderr.split("\n").filter(Boolean);
  for (const line of lines) assert.match(line, /^\S+Z etcd2:curl curl -X /);
  return lines.map((line) => line.replace(/^\S+Z etcd2:curl /, ""));
}

test("curl: enableCurlDebug and DEBUG=etcd2:curl print a line per attempt and per redirect until disableCurlDebug (A118)", async () => {
  await using leaderless = await ScriptedServer.start(reply(503, ""));
  await using server = await ScriptedServer.start((response, request, socket) => {
    const hop = request.path === "/v2/keys/k%";
    return (hop ? reply(307, "", { location: "/v2/keys/hop" }) : reply(200, okBody))(response, request, socket);
  });
  const urls = [leaderless.url, server.url];
  const set = (url: string): string => `curl -X PUT ${url} -H '${form}' -u root:*** -d value=%25s%2Bv`;
  const expected = [
    set(`${leaderless.url}/v2/keys/k%25`),
    set(`${server.url}/v2/keys/k%25`),
    set(`${server.url}/v2/keys/hop`),
  ];
  const calls = 'await keys.set("/k%", "%s+v"); disableCurlDebug(); await keys.get("/silent");';
  assert.deepEqual(await linesOf(urls, `enableCurlDebug(); ${calls}`), expected);
  assert.deepEqual(await linesOf(urls, calls, { DEBUG: "etcd2:curl" }), expected);
  assert.deepEqual(await linesOf(urls, calls), []);
});

test("curl: passwords are masked, and no credentials are printed for other origins (A119)", async () => {
  await using other = await ScriptedServer.start(reply(200, okBody));
  await using server = await ScriptedServer.start((response, request, socket) => {
    const answer =
      request.method === "PUT"
        ? reply(201, { user: "eve", roles: [] })
        : reply(307, "", { location: `${other.url}/v2/keys/k` });
    return answer(response, request, socket);
  });
  const lines = await linesOf(
    [server.url],
    'enableCurlDebug(); await users.add("eve", "hidden"); await users.grant("eve", ["100%% %o"]); await keys.delete("/k");',
  );
  assert.deepEqual(lines, [
    `curl -X PUT ${server.url}/v2/auth/users/eve -H 'content-type: application/json' -u root:*** -d '{"user":"eve","password":"***","roles":null}'`,
    `curl -X PUT ${server.url}/v2/auth/users/eve -H 'content-type: application/json' -u root:*** -d '{"user":"eve","roles":null,"grant":["100%% %o"]}'`,
    `curl -X DELETE ${server.url}/v2/keys/k -H '${form}' -u root:***`,
    `curl -X DELETE ${other.url}/v2/keys/k -H '${form}'`,
  ]);
});

for (const [name, value] of [
  ["authorization", "Bearer secret"],
  ["authorization", "secret"],
  ["proxy-authorization", "Basic c2VjcmV0OnNlY3JldA=="],
  ["cookie", "id=secret"],
  ["x-consul-token", "secret"],
  ["x-api-key", "secret"],
] as const) {
  test(`curl: the header ${name}: ${value.split(" ").length > 1 ? "with a scheme" : "alone"} is masked (FF10)`, () => {
    const line = curlLine(new URL(`${base}/x`), {
      method: "GET",
      path: "/x",
      headers: { [name]: value, accept: "*/*" },
    });
    assert.equal(line, `curl -X GET ${base}/x -H '${name}: ***' -H 'accept: */*'`);
  });
}

test("curl: passwords in a JSON value are masked, in the body and as prevValue, whatever they contain (FF10)", async () => {
  for (const password of ["s3cret", 's"3\\cr%et&=é', "", '\\"', '","user":"x']) {
    const value = JSON.stringify({ name: "db", user: "app", password, ports: { tcp: "1" } });
    const pretty = JSON.stringify({ user: "app", PASSWORD: password, db_password: password, tags: [] }, undefined, 1);
    for (const text of [value, pretty]) {
      const spec = setSpec(at("/k"), text, { prevValue: text, ttl: 5 });
      const line = curlLine(new URL(`${base}${spec.path}?${spec.query ?? ""}`), spec);
      const [url = "", body = ""] = (await wordsOf(line)).filter((word) => /value=/i.test(word));
      for (const form of [new URL(url).searchParams.get("prevValue"), new URLSearchParams(body).get("value")]) {
        const shown = JSON.parse(form ?? "") as Record<string, unknown>;
        const expected = JSON.parse(text, (name, each: unknown) => (/password/i.test(name) ? "***" : each)) as unknown;
        assert.deepEqual(shown, expected);
      }
      assert.match(body, /ttl=5/);
    }
  }
});

test("curl: other values are printed unchanged, even if they mention a password", () => {
  for (const value of ["password", '"password"', '{"note":"password: x"}', '{"password":5}', '{"password":"cut']) {
    const spec = setSpec(at("/k"), value, {});
    assert.ok(curlLine(new URL(base), spec).includes(spec.body ?? "?"));
  }
});

test("curl: a note goes before the command, as a comment (v3)", async () => {
  const spec: RequestSpec = { method: "POST", path: "/v3/kv/range", body: "{}", note: "get /k" };
  const line = curlLine(new URL(`${base}/v3/kv/range`), spec);
  assert.equal(line, `# get /k\ncurl -X POST ${base}/v3/kv/range -d '{}'`);
  assert.equal((await wordsOf(line))[1], "POST");
});
