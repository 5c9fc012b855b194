import type { Random } from "../src/test-kit/random.js";
import type { DrivenRequest } from "../src/testing/test-kit/replay.js";

const form = "application/x-www-form-urlencoded";

/** Elements of keys: few, so that requests hit the same keys; some are hidden, some need encoding. */
const names = ["a", "b", "ab", "c", "_h", "é", "x y", "%", "+", "A", "a-b", "~", "😀", "..."];
const values = [
  "",
  "1",
  "2",
  "v",
  "é😀",
  "<b>&\"'\\</b>",
  "line\nfeed\r\t\u2028\u0001\u007f",
  "a+b c;d=e",
  "\ufffd",
  "x".repeat(2100),
];
const booleans = ["true", "true", "true", "false", "1", "0", "t", "F", "True", "yes", ""];

/** A random request to v2's keys. `index`: the approximate index of the store. */
export function randomRequest(random: Random, index: number): DrivenRequest {
  const method = random.pick([
    "PUT",
    "PUT",
    "PUT",
    "PUT",
    "GET",
    "GET",
    "GET",
    "POST",
    "DELETE",
    "DELETE",
    "HEAD",
    "PATCH",
    "OPTIONS",
  ]);
  const fields = randomFields(random, method, index);
  const inBody = (method === "PUT" || method === "POST") && random.chance(0.8);
  const split = inBody ? random.whole(0, fields.length) : fields.length;
  const query = fields.slice(0, split).join("&");
  const body = fields.slice(split).join("&");
  const type = random.chance(0.95)
    ? form
    : random.pick([
        "",
        "text/plain",
        `${form}; charset=utf-8`,
        `${form}; x`,
        `${form};`,
        "multipart/form-data",
        "a/b c",
        "Application/X-WWW-Form-URLEncoded",
        "x",
        "a/",
        ";",
      ]);
  return {
    method,
    target: `/v2/keys${randomPath(random)}${query === "" ? "" : `?${query}`}`,
    headers: method === "PUT" || method === "POST" || random.chance(0.1) ? withType(type) : {},
    body: method === "PUT" || method === "POST" || random.chance(0.05) ? body : "",
    fresh: false,
  };
}

/** A random watch, from now on or from an index near the end of the history. */
export function randomWatch(random: Random, index: number): DrivenRequest {
  const since = random.chance(0.5) ? "" : `&waitIndex=${String(Math.max(0, index + random.whole(-20, 3)))}`;
  const recursive = random.chance(0.6) ? "&recursive=true" : "";
  const stream = random.chance(0.5) ? "&stream=true" : "";
  return {
    method: "GET",
    target: `/v2/keys${randomPath(random, 1)}?wait=true${recursive}${stream}${since}`,
    headers: {},
    body: "",
    fresh: true,
  };
}

function withType(type: string): Record<string, string> {
  return type === "" ? {} : { "content-type": type };
}

function randomPath(random: Random, oddity = 0.97): string {
  const depth = random.pick([0, 1, 1, 1, 2, 2, 2, 3, 3, 4]);
  const elements = Array.from({ length: depth }, () => encodeURIComponent(random.pick(names)));
  const path = `/${elements.join("/")}`;
  if (random.chance(oddity)) return random.chance(0.1) ? `${path}/` : path;
  return random.pick([
    "",
    `/${path}`,
    `${path}//x`,
    `${path}/./y`,
    `${path}/../z`,
    `${path}/%2e%2e/z?q=%20`,
    `/a%2Fb`,
    `/%ff%fe`,
    `/%00%0A`,
    `/é`.replace("é", "%C3%A9;,:@&=$!'()*"),
    `/%zz`,
    `/a%`,
  ]);
}

function randomFields(random: Random, method: string, index: number): readonly string[] {
  const fields: string[] = [];
  const add = (chance: number, name: string, value: () => string): void => {
    if (random.chance(chance)) fields.push(`${name}=${value()}`);
  };
  const writes = method === "PUT" || method === "POST";
  add(writes ? 0.8 : 0.05, "value", () => encoded(random, random.pick(values)));
  add(writes ? 0.15 : 0.02, "ttl", () =>
    random.pick(["100", "200", "5000", "100000000", "", "-1", "1.5", "x", "007000", "99999999999999999999"]),
  );
  add(writes ? 0.15 : 0.02, "dir", () => random.pick(booleans));
  add(method === "PUT" ? 0.25 : 0.02, "prevExist", () => random.pick(booleans));
  add(method === "PUT" || method === "DELETE" ? 0.15 : 0.02, "prevIndex", () =>
    random.pick([
      "0",
      "1",
      String(index),
      String(index - 1),
      String(index - 2),
      "00",
      "18446744073709551615",
      "18446744073709551616",
      "-1",
      "",
      "+1",
    ]),
  );
  add(method === "PUT" || method === "DELETE" ? 0.15 : 0.02, "prevValue", () => encoded(random, random.pick(values)));
  add(writes ? 0.1 : 0.01, "refresh", () => random.pick(booleans));
  add(writes ? 0.1 : 0.05, "noValueOnSuccess", () => random.pick(booleans));
  add(writes ? 0.02 : 0.5, "recursive", () => random.pick(booleans));
  add(method === "GET" ? 0.5 : 0.02, "sorted", () => random.pick(booleans));
  add(method === "GET" ? 0.3 : 0.02, "quorum", () => random.pick(booleans));
  add(method === "DELETE" ? 0.4 : 0, "dir", () => random.pick(booleans));
  add(0.02, "stream", () => random.pick(booleans));
  add(0.02, "wait", () => random.pick(["false", "0", "x", ""]));
  add(0.02, "waitIndex", () => random.pick(["1", "x", "-1"]));
  add(0.02, "unknown", () => "1");
  if (random.chance(0.02))
    fields.push(
      random.pick(["a;b", "%zz=1", "value=%f", "=", "&&", "value", "dir", "x=%2", "value=%ff%C3%28", "%41=b;c&%zz"]),
    );
  return random.shuffled(fields);
}

/** Encodes text for a form, sometimes in an unusual but valid way. */
function encoded(random: Random, text: string): string {
  const plain = encodeURIComponent(text);
  return random.chance(0.1) ? plain.replaceAll("%20", "+").toLowerCase() : plain;
}

const json = { "content-type": "application/json" };

/** Requests about members, stats and the like, and unknown paths: the responses name no member, and nothing changes. */
export function* adminRequests(): Generator<DrivenRequest> {
  for (const target of [
    "/",
    "/nothing",
    "/version",
    "/version/",
    "/health",
    "/v2",
    "/v2/keysx",
    "/v2/machines/",
    "/v2/stats/leader/",
    "/v2/members/leader/",
    "/v2/members/abc",
    "/v2/members/xyz",
    "/v2/members/0000000000000000000abc",
    "/v2/members/11111111111111111",
    "/v2/auth/enable",
    "/v2/auth/enable/",
    "/v2/auth/users",
    "/v2/auth/users/",
    "/v2/auth/users/x",
    "/v2/auth/users/x/",
    "/v2/auth/users/a%2Fb",
    "/v2/auth/roles",
    "/v2/auth/roles/root",
    "/v2/auth/roles/x",
    "/v2/auth/nothing",
    "//v2/members",
    "/v2/./machines?x=%20",
    "/%zz",
  ])
    for (const method of ["GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "DELETE"])
      yield { method, target, headers: {}, body: "", fresh: false };
  for (const body of [
    ...["", " ", "{", "[]", "null", "{}", "x", '"s"', "12", "-", "1.", "1e", "tru", "nulx", "true", '{"a" 1}', "{a:1}"],
    ...['{"a":1,}', '{"a":1 "b"}', "[1 2]", '{"a":"\n"}', '{"a":"\\x"}', '{"a":"\\u12g4"}', '{"a":1}}', "[1,]", "'"],
    ...['{"peerURLs":[]}', '{"peerURLs":null}', '{"peerURLs":[null]}', '{"peerURLs":"http://a:1"}', '{"peerURLs":[1]}'],
    ...['{"peerURLs":{}}', '{"peerURLs":true}', '{"peerURLs":["x"]}', '{"peerURLs":["http://a"]}'],
    ...['{"peerURLs":["http://a:1/"]}', '{"peerURLs":["ftp://a:1"]}', '{"peerURLs":[" http://a:1 "]} x'],
    ...['{"peerURLs":["http://%zz:1"]}', '{"peerURLs":["http://a:b"]}', '{"peerurls":["unix://a:1"]}'],
  ])
    yield { method: "PUT", target: "/v2/members/abc", headers: json, body, fresh: false };
}

/** A random request about users, roles and rights, or about keys with credentials. */
export function randomAuthRequest(random: Random): DrivenRequest {
  const user = random.pick(["root", "ann", "bob", "_h"]);
  const role = random.pick(["root", "guest", "r1", "r2"]);
  const lists = (from: readonly string[]): string =>
    random.pick([
      "null",
      "[]",
      JSON.stringify([random.pick(from)]),
      JSON.stringify([random.pick(from), random.pick(from)]),
    ]);
  const roles = (): string => lists(["root", "r1", "r2", "r3"]);
  const patterns = ["/*", "/a", "/a/*", "/b*"];
  const permissions = (): string => `{"kv":{"read":${lists(patterns)},"write":${lists(patterns)}}}`;
  const some = (chance: number, field: () => string): string => (random.chance(chance) ? `,${field()}` : "");
  const [method, target, body] = random.pick<readonly [string, string, string]>([
    [
      "PUT",
      `/v2/auth/users/${user}`,
      `{"user":"${user}"${some(0.7, () => '"password":"p"')}${some(0.3, () => `"roles":${roles()}`)}${some(0.3, () => `"grant":${roles()}`)}${some(0.2, () => `"revoke":${roles()}`)}}`,
    ],
    ["PUT", `/v2/auth/users/${user}`, `{"user":"${user}","grant":["${role}"]}`],
    ["PUT", `/v2/auth/users/${user}`, `{"user":"${user}","revoke":["${role}"]}`],
    [
      "PUT",
      `/v2/auth/roles/${role}`,
      `{"role":"${role}"${some(0.5, () => `"permissions":${permissions()}`)}${some(0.4, () => `"grant":${permissions()}`)}${some(0.3, () => `"revoke":${permissions()}`)}}`,
    ],
    [
      "PUT",
      `/v2/auth/roles/${role}`,
      random.pick([
        '{"role":"x"}',
        "{",
        "[]",
        '{"role":1}',
        '{"role":"r1","grant":[]}',
        "null",
        `{"ROLE":"${role}"} x`,
      ]),
    ],
    [
      "GET",
      random.pick([
        "/v2/auth/users",
        "/v2/auth/roles",
        `/v2/auth/users/${user}`,
        `/v2/auth/roles/${role}`,
        "/v2/auth/enable",
      ]),
      "",
    ],
    ["DELETE", random.pick([`/v2/auth/users/${user}`, `/v2/auth/roles/${role}`]), ""],
    [random.pick(["PUT", "PUT", "DELETE"]), "/v2/auth/enable", ""],
    [
      "GET",
      `/v2/keys${random.pick(["", "/", "/a", "/a/", "/a/x", "/b", "/bc/x"])}${random.pick(["", "?recursive=true", "?wait=false"])}`,
      "",
    ],
    ["PUT", `/v2/keys${random.pick(["/a", "/a/x", "/b", "/bc/x"])}`, "value=v"],
    ["DELETE", `/v2/keys${random.pick(["/a", "/a/x", "/b"])}${random.pick(["", "?recursive=true"])}`, ""],
    ["PUT", "/v2/members/abc", "{}"],
  ]);
  return {
    method,
    target,
    headers: { ...withCredentials(random), ...(target.includes("/keys") ? withType(form) : json) },
    body,
    fresh: false,
  };
}

function withCredentials(random: Random): Record<string, string> {
  const basic = (text: string): string => `Basic ${Buffer.from(text).toString("base64")}`;
  const authorization = random.pick([
    ...["", "", basic("root:p"), basic("root:p"), basic("root:p"), basic("ann:p"), basic("bob:p"), basic("bob:wrong")],
    ...[basic("nobody:p"), "Bearer x", "Basic %%%", "basic cm9vdDpw", basic("root"), "Basic cm9vdDpw="],
  ]);
  return authorization === "" ? {} : { authorization };
}
