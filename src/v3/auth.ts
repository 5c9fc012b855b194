import type {
  AddMemberCall,
  AdminCall,
  NamedCall,
  PutRoleCall,
  PutUserCall,
  RolePatterns,
  StatusCall,
  UpdateMemberCall,
} from "../core/call.js";
import type { Administered } from "../core/keys-store.js";
import { objectsOf, textOf, textsOf, type Json } from "./decode.js";
import { GatewayError, grpcCode } from "./gateway.js";
import { base64, fromBase64, type Layout } from "./layout.js";
import type { Session } from "./session.js";

/** A call about users, roles, or whether authentication is on. */
export type AuthCall =
  Exclude<AdminCall, NamedCall | StatusCall | AddMemberCall | UpdateMemberCall> | PlainAuthCall | NamedAuthCall;
interface PlainAuthCall {
  readonly kind: "authEnable" | "authDisable" | "listUsers" | "listRoles";
}
interface NamedAuthCall {
  readonly kind: "getUser" | "removeUser" | "getRole" | "removeRole";
  readonly name: string;
}

type Permission = "READ" | "WRITE" | "READWRITE";

const readOnly = { readOnly: true } as const;

/** A refusal that v2 has a status and words for. */
class AuthRefusal extends Error {
  readonly status: number;

  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

/** Users and roles as v2 answers them. Rejects as `Session.post` does, but for refusals that v2 has a status for. */
export async function authCall(session: Session, call: AuthCall): Promise<Administered> {
  try {
    return await perform(session, call);
  } catch (error) {
    if (error instanceof AuthRefusal) return { status: error.status, json: { message: `auth: ${error.message}` } };
    // anything else that exists already, or does not
    const isPrecondition = error instanceof GatewayError && error.code === grpcCode.failedPrecondition;
    if (isPrecondition) return { status: 409, json: { message: `auth: ${error.message}` } };
    throw error;
  }
}

async function perform(session: Session, call: AuthCall): Promise<Administered> {
  switch (call.kind) {
    case "authEnable":
      await prepareRoot(session);
      await session.post("/v3/auth/enable", {}, {});
      return { status: 200 };
    case "authDisable":
      await session.post("/v3/auth/disable", {}, {});
      return { status: 200 };
    case "listUsers": {
      const names = textsOf(await session.post("/v3/auth/user/list", {}, readOnly), "users");
      return {
        status: 200,
        json: {
          users: await Promise.all(names.map(async (user) => ({ user, roles: await fullRoles(session, user) }))),
        },
      };
    }
    case "getUser":
      return { status: 200, json: { user: call.name, roles: await fullRoles(session, call.name) } };
    case "removeUser":
      await required(session.post("/v3/auth/user/delete", { name: call.name }, {}), `User ${call.name} does not exist`);
      return { status: 200 };
    case "putUser":
      return putUser(session, call);
    case "listRoles": {
      const names = new Set(textsOf(await session.post("/v3/auth/role/list", {}, readOnly), "roles")).add("root");
      return {
        status: 200,
        json: { roles: await Promise.all([...names].sort().map((name) => roleJson(session, name))) },
      };
    }
    case "getRole":
      return { status: 200, json: await roleJson(session, call.name) };
    case "removeRole":
      await required(session.post("/v3/auth/role/delete", { role: call.name }, {}), `Role ${call.name} doesn't exist.`);
      return { status: 200 };
    case "putRole":
      return putRole(session, call);
  }
}

/** v3 requires that user root has the role root, which must exist; v2 makes both by itself. */
async function prepareRoot(session: Session): Promise<void> {
  const roles = await rolesOf(session, "root").catch((error: unknown) => {
    if (error instanceof AuthRefusal) throw new AuthRefusal(409, "No root user available, please create one");
    throw error;
  });
  if (roles.includes("root")) return;
  const names = textsOf(await session.post("/v3/auth/role/list", {}, readOnly), "roles");
  if (!names.includes("root")) await session.post("/v3/auth/role/add", { name: "root" }, {});
  await session.post("/v3/auth/user/grant", { user: "root", role: "root" }, {});
}

async function putUser(session: Session, call: PutUserCall): Promise<Administered> {
  const { name, password = "", roles, grant, revoke } = call;
  const before = await rolesOf(session, name).catch((error: unknown) => {
    if (error instanceof AuthRefusal) return undefined;
    throw error;
  });
  const isChange = (grant ?? []).length > 0 || (revoke ?? []).length > 0;
  if (before === undefined) {
    if (isChange) throw new AuthRefusal(404, `User ${name} does not exist.`);
    if (password === "") throw new AuthRefusal(400, `Cannot create user ${name} with an empty password`);
    await withPassword(session, "/v3/auth/user/add", name, password);
    for (const role of roles ?? []) await grantRole(session, name, role);
    return { status: 201, json: { user: name, roles: roles ?? null } };
  }
  if (password === "" && !isChange) {
    throw new AuthRefusal(400, "User not updated. Use grant/revoke/password to update the user.");
  }
  for (const role of grant ?? []) await grantRole(session, name, role);
  for (const role of revoke ?? []) await session.post("/v3/auth/user/revoke", { name, role }, {});
  const now = isChange ? await rolesOf(session, name) : before;
  // last: it drops the user's tokens, and this session may have one of them
  if (password !== "") await withPassword(session, "/v3/auth/user/changepw", name, password);
  return { status: 200, json: { user: name, roles: now } };
}

function withPassword(session: Session, path: string, name: string, password: string): Promise<Json> {
  return session.post(path, { name, password }, { maskedBody: JSON.stringify({ name, password: "***" }) });
}

async function grantRole(session: Session, user: string, role: string): Promise<void> {
  await required(session.post("/v3/auth/user/grant", { user, role }, {}), `Role ${role} does not exist.`);
}

async function putRole(session: Session, call: PutRoleCall): Promise<Administered> {
  const { name, permissions, grant, revoke } = call;
  if (name === "root") throw new AuthRefusal(403, "Cannot modify role root: is root role.");
  const changes = [...patternsOf(grant, "grant"), ...patternsOf(revoke, "revoke")];
  if (grant === undefined && revoke === undefined) {
    try {
      await session.post("/v3/auth/role/add", { name }, {});
    } catch (error) {
      if (!(error instanceof GatewayError) || error.code !== grpcCode.failedPrecondition) throw error;
      throw new AuthRefusal(409, `Role ${name} already exists.`);
    }
    for (const change of patternsOf(permissions, "grant")) await changePermission(session, name, change);
    return { status: 201, json: await roleJson(session, name) };
  }
  const before = await permissionsOf(session, name);
  if (changes.length === 0) throw new AuthRefusal(409, `Role ${name} already exists.`);
  const isNoop = changes.every(({ kind, pattern, what }) => kind === "revoke" && !hasRight(before.get(pattern), what));
  if (isNoop) throw new AuthRefusal(400, "Role not updated. Use grant/revoke to update the role.");
  for (const change of changes) await changePermission(session, name, change);
  return { status: 200, json: await roleJson(session, name) };
}

interface Change {
  readonly kind: "grant" | "revoke";
  readonly pattern: string;
  readonly what: "READ" | "WRITE";
}

function patternsOf(patterns: RolePatterns | undefined, kind: "grant" | "revoke"): readonly Change[] {
  const { read, write } = patterns?.kv ?? {};
  return [
    ...(read ?? []).map((pattern) => ({ kind, pattern, what: "READ" }) as const),
    ...(write ?? []).map((pattern) => ({ kind, pattern, what: "WRITE" }) as const),
  ];
}

/** v3 has one permission for each range, which says what it is for; v2 has two lists. */
async function changePermission(session: Session, role: string, { kind, pattern, what }: Change): Promise<void> {
  const before = (await permissionsOf(session, role)).get(pattern);
  const range = rangeOf(session.layout, pattern);
  const other = what === "READ" ? "WRITE" : "READ";
  if (kind === "grant") {
    if (hasRight(before, what))
      throw new AuthRefusal(409, `Granting duplicate ${what.toLowerCase()} permission ${pattern}`);
    const permType: Permission = before === undefined ? what : "READWRITE";
    await session.post("/v3/auth/role/grant", { name: role, perm: { permType, ...range } }, {});
    return;
  }
  if (!hasRight(before, what)) return;
  if (before === "READWRITE")
    await session.post("/v3/auth/role/grant", { name: role, perm: { permType: other, ...range } }, {});
  else await session.post("/v3/auth/role/revoke", { role, ...range }, {});
}

function hasRight(permission: Permission | undefined, what: "READ" | "WRITE"): boolean {
  return permission === what || permission === "READWRITE";
}

/** A pattern that ends in "*" is all keys that begin with the rest; any other one is one key. */
function rangeOf(layout: Layout, pattern: string): Json {
  if (!pattern.endsWith("*")) return { key: base64(layout.file(pattern)) };
  const prefix = Buffer.from(layout.file(pattern.slice(0, -1)));
  return { key: prefix.toString("base64"), range_end: endOf(prefix).toString("base64") };
}

/** The first key that does not begin with the prefix. */
function endOf(prefix: Buffer): Buffer {
  const end = Buffer.from(prefix);
  for (let i = end.length - 1; i >= 0; i--) {
    const byte = end[i] ?? 0;
    if (byte === 0xff) continue;
    end[i] = byte + 1;
    return end.subarray(0, i + 1);
  }
  return Buffer.of(0);
}

/** The permissions of a role by their patterns. Ranges that no pattern can be, which other programs made, are left out. */
async function permissionsOf(session: Session, role: string): Promise<ReadonlyMap<string, Permission>> {
  const json = await required(session.post("/v3/auth/role/get", { role }, readOnly), `Role ${role} does not exist.`);
  const found = new Map<string, Permission>();
  const start = session.layout.file("").length;
  for (const permission of objectsOf(json, "perm")) {
    const [key, end] = [textOf(permission, "key"), textOf(permission, "range_end")];
    const isPrefix = end !== "" && endOf(Buffer.from(key, "base64")).toString("base64") === end;
    if (!fromBase64(key).startsWith(session.layout.file("")) || (end !== "" && !isPrefix)) continue;
    const type = textOf(permission, "permType");
    found.set(
      fromBase64(key).slice(start) + (isPrefix ? "*" : ""),
      type === "WRITE" || type === "READWRITE" ? type : "READ",
    );
  }
  return found;
}

async function roleJson(session: Session, role: string): Promise<Json> {
  if (role === "root") return { role, permissions: { kv: { read: ["/*"], write: ["/*"] } } };
  const permissions = [...(await permissionsOf(session, role))];
  const list = (what: "READ" | "WRITE"): readonly string[] =>
    permissions
      .filter(([, permission]) => hasRight(permission, what))
      .map(([pattern]) => pattern)
      .sort();
  return { role, permissions: { kv: { read: list("READ"), write: list("WRITE") } } };
}

/** The names of a user's roles, sorted. */
async function rolesOf(session: Session, user: string): Promise<readonly string[]> {
  const json = await required(
    session.post("/v3/auth/user/get", { name: user }, readOnly),
    `User ${user} does not exist.`,
  );
  return textsOf(json, "roles").toSorted();
}

async function fullRoles(session: Session, user: string): Promise<readonly Json[]> {
  return Promise.all((await rolesOf(session, user)).map((role) => roleJson(session, role)));
}

/** Fails with v2's words if what was asked for does not exist. */
async function required(response: Promise<Json>, message: string): Promise<Json> {
  try {
    return await response;
  } catch (error) {
    const isUnknown = error instanceof GatewayError && error.code === grpcCode.failedPrecondition;
    throw isUnknown ? new AuthRefusal(404, message) : error;
  }
}
