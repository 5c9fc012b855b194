import type { RawResponse, RequestSpec } from "../../http/exchange.js";
import type { AdminCall } from "../call.js";
import type { Role, User } from "../types.js";
import { isObject, malformed, requireObject, requireStatus, textField, type JsonObject } from "./response.js";

const path = "/v2/auth";

export const enableSpec: RequestSpec = {
  method: "PUT",
  path: `${path}/enable`,
  oneShot: true,
  call: { kind: "authEnable" },
};
export const disableSpec: RequestSpec = {
  method: "DELETE",
  path: `${path}/enable`,
  oneShot: true,
  call: { kind: "authDisable" },
};
export const statusSpec: RequestSpec = { method: "GET", path: `${path}/enable`, call: { kind: "authStatus" } };
export const listUsersSpec: RequestSpec = { method: "GET", path: `${path}/users`, call: { kind: "listUsers" } };
export const listRolesSpec: RequestSpec = { method: "GET", path: `${path}/roles`, call: { kind: "listRoles" } };

export interface UserChange {
  readonly password?: string;
  readonly grant?: readonly string[];
  readonly revoke?: readonly string[];
}

export function getUserSpec(user: string): RequestSpec {
  return { method: "GET", path: namedPath("users", user), call: { kind: "getUser", name: user } };
}

/** One request for adding, granting, revoking and a new password: the fields present decide which. */
export function putUserSpec(user: string, { password, grant, revoke }: UserChange): RequestSpec {
  const body = (shown: string | undefined): string =>
    JSON.stringify({
      user,
      ...(shown !== undefined && shown !== "" && { password: shown }),
      roles: null,
      grant,
      revoke,
    });
  const call = {
    kind: "putUser",
    name: user,
    password: password === "" ? undefined : password,
    grant,
    revoke,
  } as const;
  const spec = putSpec(namedPath("users", user), body(password), call);
  return password === undefined ? spec : { ...spec, maskedBody: body("***") };
}

export function removeUserSpec(user: string): RequestSpec {
  return { method: "DELETE", path: namedPath("users", user), oneShot: true, call: { kind: "removeUser", name: user } };
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
  return { method: "GET", path: namedPath("roles", role), call: { kind: "getRole", name: role } };
}

export function putRoleSpec(role: string, change: RoleChange = {}): RequestSpec {
  return putSpec(namedPath("roles", role), JSON.stringify({ role, permissions: noPermissions, ...change }), {
    kind: "putRole",
    name: role,
    permissions: noPermissions,
    ...change,
  });
}

export function removeRoleSpec(role: string): RequestSpec {
  return { method: "DELETE", path: namedPath("roles", role), oneShot: true, call: { kind: "removeRole", name: role } };
}

/** 200 for what was there, 201 for what is new: etcd makes no other difference. */
export function decodeDone(raw: RawResponse, spec: RequestSpec): void {
  requireStatus(raw, spec, [200, 201]);
}

export function decodeStatus(raw: RawResponse): boolean {
  requireStatus(raw, statusSpec, [200]);
  const { enabled } = requireObject(raw, statusSpec);
  if (typeof enabled !== "boolean") throw malformed(raw, statusSpec, '"enabled" is not a boolean');
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
  if (!Array.isArray(list)) throw malformed(raw, spec, `"${field}" is not an array`);
  return list.map((entry: unknown) => {
    const name = nameField !== undefined && isObject(entry) ? entry[nameField] : entry;
    if (typeof name !== "string") throw malformed(raw, spec, `"${field}" contains an entry without a name`);
    return name;
  });
}

const noPermissions = { kv: { read: null, write: null } } as const;

function putSpec(at: string, body: string, call: AdminCall): RequestSpec {
  return { method: "PUT", path: at, headers: { "content-type": "application/json" }, body, oneShot: true, call };
}

function namedPath(collection: "users" | "roles", name: string): string {
  return `${path}/${collection}/${encodeURIComponent(name)}`;
}
