import type { AdminCall, RolePatterns } from "../core/call.js";
import { firstJson, jsonField } from "./go-json.js";
import { textOf } from "./go-text.js";
import type { HttpRequest } from "./messages.js";
import { PeerUrlError, peerUrls } from "./peer-urls.js";

/** Why a request about members or auth is refused before any store has seen it: `{"message": ...}`. */
export interface AdminRefusal {
  readonly status: number;
  readonly message: string;
  /** The response has no `X-Etcd-Cluster-Id`. */
  readonly nameless?: true | undefined;
  /** Callers without the rights of root get 401 instead. Absent: every caller gets this refusal. */
  readonly forRootOnly?: true | undefined;
}

/** The path does not have this HTTP method. `allow` is the header; absent where etcd sends none. */
export interface WrongMethod {
  readonly allow?: string | undefined;
  /** As in {@link AdminRefusal}. */
  readonly forRootOnly?: true | undefined;
}

/** What a request outside of `/v2/keys` means. */
export type AdminRequest = AdminCall | AdminRefusal | WrongMethod;

/** Reads a request that is neither about keys nor about machines. Undefined: etcd has no such path. */
export function parseAdminRequest(request: HttpRequest, path: string): AdminRequest | undefined {
  const plain = plainPaths[path];
  if (plain !== undefined) return request.method === "GET" ? { kind: plain } : { allow: "GET" };
  if (path === "/v2/members" || path.startsWith("/v2/members/"))
    return membersRequest(request, path.slice("/v2/members".length).replace(/^\//, ""));
  if (path === "/v2/auth/enable") return enableRequest(request.method);
  const collection = /^\/v2\/auth\/(users|roles)(?:\/(.*))?$/s.exec(path);
  if (collection === null) return undefined;
  const name = (collection[2] ?? "").replace(/\/$/, "");
  if (name.includes("/")) return { status: 400, message: "Invalid path", nameless: true };
  return collection[1] === "users" ? usersRequest(request, name) : rolesRequest(request, name);
}

const plainPaths: Readonly<Partial<Record<string, "version" | "health" | "storeStats" | "selfStats" | "leaderStats">>> =
  {
    "/version": "version",
    "/health": "health",
    "/v2/stats/store": "storeStats",
    "/v2/stats/self": "selfStats",
    "/v2/stats/leader": "leaderStats",
  };

function membersRequest(request: HttpRequest, name: string): AdminRequest {
  switch (request.method) {
    case "GET":
      if (name === "") return { kind: "listMembers" };
      return name === "leader" ? { kind: "leader" } : { status: 404, message: "Not found" };
    case "POST":
      return withPeerUrls(request, (peerURLs) => ({ kind: "addMember", peerURLs }));
    case "DELETE":
    case "PUT": {
      if (name === "") return { forRootOnly: true };
      if (!/^[\da-f]+$/i.test(name) || name.replace(/^0+/, "").length > 16)
        return refused(404, `No such member: ${name}`);
      const id = BigInt(`0x${name}`).toString(16);
      if (request.method === "DELETE") return { kind: "removeMember", name: id };
      return withPeerUrls(request, (peerURLs) => ({ kind: "updateMember", name: id, peerURLs }));
    }
    default:
      return { allow: "GET,POST,DELETE,PUT" };
  }
}

function withPeerUrls(request: HttpRequest, call: (peerURLs: readonly string[]) => AdminCall): AdminRequest {
  const sent = request.headers["content-type"] ?? "";
  const semicolon = sent.indexOf(";");
  const type = semicolon < 0 ? sent : sent.slice(0, semicolon).toLowerCase().trim();
  if (type !== "application/json") return refused(415, `Bad Content-Type ${type}, accept application/json`);
  try {
    return call(peerUrls(textOf(request.body)));
  } catch (error) {
    if (error instanceof PeerUrlError) return refused(400, error.message);
    throw error;
  }
}

function enableRequest(method: string): AdminRequest {
  if (method === "GET") return { kind: "authStatus" };
  if (method === "PUT") return { kind: "authEnable" };
  return method === "DELETE" ? { kind: "authDisable" } : { allow: "GET,PUT,DELETE" };
}

function usersRequest(request: HttpRequest, name: string): AdminRequest {
  if (name === "") return request.method === "GET" ? { kind: "listUsers" } : { allow: "GET" };
  if (request.method === "GET") return { kind: "getUser", name };
  if (request.method === "DELETE") return { kind: "removeUser", name };
  if (request.method !== "PUT") return { allow: "GET,PUT,DELETE" };
  return fromJson(request, (json) => {
    const user = optional(json, "user", text) ?? "";
    const password = optional(json, "password", text);
    const roles = optional(json, "roles", texts);
    const grant = optional(json, "grant", texts);
    const revoke = optional(json, "revoke", texts);
    if (user !== name) return refused(400, "User JSON name does not match the name in the URL");
    if (given(roles) && (given(grant) || given(revoke)))
      return refused(400, "User JSON contains both roles and grant/revoke");
    return { kind: "putUser", name, password, roles, grant, revoke };
  });
}

function rolesRequest(request: HttpRequest, name: string): AdminRequest {
  if (name === "") return request.method === "GET" ? { kind: "listRoles" } : { allow: "GET" };
  if (request.method === "GET") return { kind: "getRole", name };
  if (request.method === "DELETE") return { kind: "removeRole", name };
  if (request.method !== "PUT") return { allow: "GET,PUT,DELETE" };
  return fromJson(request, (json) => {
    const role = optional(json, "role", text) ?? "";
    const permissions = optional(json, "permissions", patterns);
    const grant = optional(json, "grant", patterns);
    const revoke = optional(json, "revoke", patterns);
    if (role !== name) return refused(400, "Role JSON name does not match the name in the URL");
    if (grants(permissions) && (grants(grant) || grants(revoke)))
      return refused(400, "Role JSON contains both permissions and grant/revoke");
    return { kind: "putRole", name, permissions, grant, revoke };
  });
}

/** Whether there is at least one pattern. */
export function grants(patterns: RolePatterns | undefined): boolean {
  return patterns !== undefined && (given(patterns.kv.read) || given(patterns.kv.write));
}

function given(list: readonly string[] | null | undefined): boolean {
  return list !== undefined && list !== null && list.length > 0;
}

function refused(status: number, message: string): AdminRefusal {
  return { status, message, forRootOnly: true };
}

class ShapeError extends Error {}

function fromJson(request: HttpRequest, read: (json: unknown) => AdminRequest): AdminRequest {
  try {
    const json = firstJson(request.body);
    if (json !== null && (typeof json !== "object" || Array.isArray(json))) throw new ShapeError();
    return read(json);
  } catch (error) {
    if (error instanceof SyntaxError || error instanceof ShapeError)
      return refused(400, "Invalid JSON in request body.");
    throw error;
  }
}

/** A field that may be missing; null leaves Go's zero value. */
function optional<T>(json: unknown, name: string, read: (value: unknown) => T): T | undefined {
  const value = jsonField(json, name);
  return value === undefined || value === null ? undefined : read(value);
}

function text(value: unknown): string {
  if (typeof value !== "string") throw new ShapeError();
  return value;
}

function texts(value: unknown): readonly string[] {
  if (!Array.isArray(value)) throw new ShapeError();
  return value.map((entry: unknown) => (entry === null ? "" : text(entry)));
}

function object(value: unknown): object {
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw new ShapeError();
  return value;
}

function patterns(value: unknown): RolePatterns {
  const kv = optional(object(value), "kv", object);
  return { kv: { read: optional(kv, "read", texts) ?? null, write: optional(kv, "write", texts) ?? null } };
}
