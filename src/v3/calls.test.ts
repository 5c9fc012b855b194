import assert from "node:assert/strict";
import test from "node:test";
import fc from "fast-check";
import type { Call } from "../core/call.js";
import * as auth from "../core/wire/auth.js";
import * as keys from "../core/wire/keys.js";
import * as members from "../core/wire/members.js";
import type { RequestSpec } from "../http/exchange.js";
import { parseAdminRequest } from "../server/admin-request.js";
import { parseKeysRequest } from "../server/keys-request.js";
import type { HttpRequest } from "../server/messages.js";

const segment = fc
  .string({ unit: "binary", minLength: 1, maxLength: 8 })
  .filter((text) => text.isWellFormed() && !text.includes("/") && text !== "." && text !== "..");
const key = fc.array(segment, { maxLength: 4 }).map((segments) => `/${segments.join("/")}`);
const text = fc.string({ unit: "binary", maxLength: 12 }).filter((value) => value.isWellFormed());
const index = fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER });
const ttl = fc.double({ min: 0.1, max: 1e6, noNaN: true });
const maybe = <T>(arbitrary: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> => fc.option(arbitrary, { nil: undefined });
const condition = fc.oneof(
  fc.record({ prevValue: maybe(text.filter((value) => value !== "")), prevIndex: maybe(index) }),
  fc.record({ prevExist: maybe(fc.boolean()) }),
);
const prefix = fc.constantFrom("/v2/keys", "/v2/keys/app", "/v2/keys/a b/c");

const spec: fc.Arbitrary<RequestSpec> = prefix
  .chain((at) => fc.record({ prefix: fc.constant(at), key }))
  .chain((at) =>
    fc.oneof(
      fc
        .record({ recursive: maybe(fc.boolean()), sort: maybe(fc.boolean()), quorum: maybe(fc.boolean()) })
        .map((fields) => keys.getSpec(at, fields)),
      fc
        .tuple(fc.boolean(), fc.integer({ min: 0, max: 2 ** 50 }))
        .map(([recursive, from]) => keys.watchSpec(at, recursive, from, undefined)),
      fc
        .tuple(
          text,
          condition,
          fc.record({ ttl: maybe(ttl), dir: maybe(fc.boolean()), noValueOnSuccess: maybe(fc.boolean()) }),
        )
        .map(([value, conditions, fields]) => keys.setSpec(at, value, { ...conditions, ...fields })),
      fc
        .tuple(condition, ttl)
        .map(([conditions, seconds]) => keys.setSpec(at, "", { ...conditions, refresh: true, ttl: seconds })),
      fc
        .tuple(text, maybe(ttl), fc.boolean())
        .map(([value, seconds, dir]) => keys.createInOrderSpec(at, value, { ttl: seconds, dir })),
      fc
        .tuple(
          fc.record({ prevValue: maybe(text.filter((value) => value !== "")), prevIndex: maybe(index) }),
          fc.boolean(),
          fc.boolean(),
        )
        .map(([conditions, recursive, dir]) => keys.deleteSpec(at, { ...conditions, recursive, dir })),
    ),
  );

test("calls: what a keys request says over HTTP, parsed, is its call (V85)", () => {
  fc.assert(
    fc.property(spec, (each) => {
      const { call, request, keyAsSent, query } = sent(each);
      const parsed = parseKeysRequest(request, keyAsSent, query, "refused");
      assert.ok("call" in parsed, JSON.stringify(parsed));
      // prevExist=true with a comparison is a comparison, and prevExist=false with one is not sent by us
      assert.deepEqual(plain(parsed.call), plain(call));
    }),
    { numRuns: 10_000 },
  );
});

test("calls: what a request about members and auth says over HTTP, parsed, is its call (V85)", () => {
  const specs: readonly RequestSpec[] = [
    members.listMembersSpec,
    members.leaderSpec,
    members.addMemberSpec("http://10.0.0.1:2380"),
    members.updateMemberSpec("8e9e05c52164694d", ["http://b:2380", "http://a:2380"]),
    members.removeMemberSpec("8e9e05c52164694d"),
    auth.enableSpec,
    auth.disableSpec,
    auth.statusSpec,
    auth.listUsersSpec,
    auth.listRolesSpec,
    auth.getUserSpec("bob b"),
    auth.putUserSpec("bob", { password: "s3cret" }),
    auth.putUserSpec("bob", { grant: ["r1", "r2"] }),
    auth.putUserSpec("bob", { revoke: ["r1"] }),
    auth.removeUserSpec("bob"),
    auth.getRoleSpec("r1"),
    auth.putRoleSpec("r1"),
    auth.putRoleSpec("r1", { grant: { kv: { read: ["/a/*"], write: null } } }),
    auth.putRoleSpec("r1", { revoke: { kv: { read: ["/a/*"], write: ["/a/*"] } } }),
    auth.removeRoleSpec("r1"),
  ];
  for (const each of specs) {
    const { call, request } = sent(each);
    const parsed = parseAdminRequest(request, decodeURIComponent(each.path));
    assert.deepEqual(plain(parsed), plain(call), each.path);
  }
});

test("calls: keys under a path that is not below /v2/keys have no call", () => {
  assert.equal(keys.getSpec({ prefix: "/proxy/keys", key: "/a" }, {}).call, undefined);
});

function sent({ method, path, query = "", headers = {}, body = "", call }: RequestSpec): {
  readonly call: Call | undefined;
  readonly request: HttpRequest;
  readonly keyAsSent: string;
  readonly query: string;
} {
  const target = query === "" ? path : `${path}?${query}`;
  const request = { method, target, headers, body: Buffer.from(body) };
  const decoded = Buffer.from(unescape(path), "latin1").toString("utf8");
  return { call, request, keyAsSent: decoded.slice("/v2/keys".length), query };
}

/** Percent-decoded, one character for each byte. */
function unescape(path: string): string {
  return path.replace(/%([\da-f]{2})/gi, (_, code: string) => String.fromCharCode(parseInt(code, 16)));
}

/** Without fields that are undefined. */
function plain(value: unknown): unknown {
  return JSON.parse(JSON.stringify(value));
}
