import type { RawResponse, RequestSpec } from "../../http/exchange.js";
import type { Role, User } from "../types.js";
import { isObject, malformed, requireObject, requireStatus, textField, type JsonObject } from "./response.js";

const path = "/v2/auth";

export const enableSpec: RequestSpec = { method: "PUT", path: `${path}/enable`, oneShot: true };
export const disableSpec: RequestSpec = { method: "DELETE", path: `${path}/enable`, oneShot: true };
export const statusSpec: RequestSpec = { method: "GET", path: `${path}/enable` };
export const listUsersSpec: RequestSpec = { method: "GET", path: `${path}/users` };
export const listRolesSpec: RequestSpec = { method: "GET", path: `${path}/roles` };

export interface UserChange {
  readonly password?: string;
  readonly grant?: readonly string[];
  readonly revoke?: readonly string[];
}

export function getUserSpec(user: string): RequestSpec {
  return { method: "GET", path: namedPath("users", user) };
}

/** One request for adding, granting, revoking and a new password: the server tells them apart by what is there. */
export function putUserSpec(user: string, { password, grant, revoke }: UserChange): RequestSpec {
  const body = (shown: string | undefined): string =>
    JSON.stringify({
      user,
      ...(shown !== undefined && shown !== "" && { password: shown }),
      roles: null,
      grant,
      revoke,
    });
  const spec = putSpec(namedPath("users", user), body(password));
  return password === undefined ? spec : { ...spec, maskedBody: body("***") };
}

export function removeUserSpec(user: string): RequestSpec {
  return { method: "DELETE", path: namedPath("users", user), oneShot: true };
}

export interface KvLists {
  readonly read: readonly string[] | null;
  readonly write: readonly string[] | null;
}

export interface RoleChange {
  readonly grant?: { readonly kv: KvLists };
  readonly revoke?: { readonly kv: KvLists };
}

export function getRoleSpec(role: string): RequestSpec {
  return { method: "GET", path: namedPath("roles", role) };
}

export function putRoleSpec(role: string, change: RoleChange = {}): RequestSpec {
  return putSpec(
    namedPath("roles", role),
    JSON.stringify({ role, permissions: { kv: { read: null, write: null } }, ...change }),
  );
}

export function removeRoleSpec(role: string): RequestSpec {
  return { method: "DELETE", path: namedPath("roles", role), oneShot: true };
}

/** 200 for what was there, 201 for what is new: etcd makes no other difference. */
export function decodeDone(raw: RawResponse, spec: RequestSpec): void {
  requireStatus(raw, spec, [200, 201]);
}

export function decodeStatus(raw: RawResponse): boolean {
  requireStatus(raw, statusSpec, [200]);
  const { enabled } = requireObject(raw, statusSpec);
  if (typeof enabled !== "boolean") throw malformed(raw, statusSpec, "enabled is no boolean");
  return enabled;
}

export function decodeUser(raw: RawResponse, spec: RequestSpec): User {
  requireStatus(raw, spec, [200, 201]);
  const body = requireObject(raw, spec);
  return { user: textField(raw, spec, body, "user"), roles: names(raw, spec, body, "roles", "role") };
}

export function decodeRole(raw: RawResponse, spec: RequestSpec): Role {
  requireStatus(raw, spec, [200]);
  const body = requireObject(raw, spec);
  const { permissions } = body;
  const kv = isObject(permissions) && isObject(permissions["kv"]) ? permissions["kv"] : {};
  return {
    role: textField(raw, spec, body, "role"),
    permissions: { kv: { read: names(raw, spec, kv, "read"), write: names(raw, spec, kv, "write") } },
  };
}

export function decodeUserNames(raw: RawResponse): readonly string[] {
  requireStatus(raw, listUsersSpec, [200]);
  return names(raw, listUsersSpec, requireObject(raw, listUsersSpec), "users", "user");
}

export function decodeRoleNames(raw: RawResponse): readonly string[] {
  requireStatus(raw, listRolesSpec, [200]);
  return names(raw, listRolesSpec, requireObject(raw, listRolesSpec), "roles", "role");
}

/** Lists of names: of texts from some calls and servers, of objects that hold the name from others; null or absent when empty. */
function names(
  raw: RawResponse,
  spec: RequestSpec,
  body: JsonObject,
  field: string,
  nameField?: string,
): readonly string[] {
  const list = body[field] ?? [];
  if (!Array.isArray(list)) throw malformed(raw, spec, `${field} is no list`);
  return list.map((entry: unknown) => {
    const name = nameField !== undefined && isObject(entry) ? entry[nameField] : entry;
    if (typeof name !== "string") throw malformed(raw, spec, `${field} holds something without a name`);
    return name;
  });
}

function putSpec(at: string, body: string): RequestSpec {
  return { method: "PUT", path: at, headers: { "content-type": "application/json" }, body, oneShot: true };
}

function namedPath(collection: "users" | "roles", name: string): string {
  return `${path}/${collection}/${encodeURIComponent(name)}`;
}
