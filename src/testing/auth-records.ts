import type { PutRoleCall, PutUserCall, RolePatterns } from "../core/call.js";
import { compareText } from "../server/go-text.js";
import { AdminError } from "./refusal.js";

/** A user as the store keeps it. */
export interface UserRecord {
  readonly user: string;
  readonly password: string;
  /** Null for a user that was created with only a password, and not changed since. */
  readonly roles: readonly string[] | null;
}

/** A role as the store keeps it, and as JSON has it. */
export interface RoleRecord {
  readonly role: string;
  readonly permissions: RolePatterns;
  /** As sent with a new role: etcd stores them, and does nothing with them. */
  readonly grant?: RolePatterns | undefined;
  readonly revoke?: RolePatterns | undefined;
}

/** The role that may do everything. It is not stored, and cannot be changed. */
export const rootRole: RoleRecord = { role: "root", permissions: { kv: { read: ["/*"], write: ["/*"] } } };

/** The role for callers without credentials, which enabling auth creates if there is none. */
export const guestRole: RoleRecord = { ...rootRole, role: "guest" };

/** User root has role root without having been granted it. */
export function withRootRole(user: UserRecord): UserRecord {
  if (user.user !== "root" || user.roles?.includes("root") === true) return user;
  return { ...user, roles: [...(user.roles ?? []), "root"] };
}

/** A user with a new password, and with roles granted and revoked. */
export function mergeUser(old: UserRecord, { password, grant, revoke }: PutUserCall): UserRecord {
  const roles = new Set(old.roles);
  for (const role of grant ?? []) {
    if (roles.has(role)) throw conflict(`Granting duplicate role ${role} for user ${old.user}`);
    roles.add(role);
  }
  for (const role of revoke ?? [])
    if (!roles.delete(role)) throw conflict(`Revoking ungranted role ${role} for user ${old.user}`);
  return { user: old.user, password: hasText(password) ? password : old.password, roles: sorted(roles) };
}

/** A role with patterns granted and revoked. */
export function mergeRole(old: RoleRecord, { grant, revoke }: PutRoleCall): RoleRecord {
  let { kv } = old.permissions;
  if (grant !== undefined)
    kv = { read: granted(kv.read, grant.kv.read, "read"), write: granted(kv.write, grant.kv.write, "write") };
  if (revoke !== undefined) kv = { read: revoked(kv.read, revoke.kv.read), write: revoked(kv.write, revoke.kv.write) };
  return { role: old.role, permissions: { kv } };
}

/**
 * Whether a role covers a key.
 *
 * @param recursive a pattern must end in `*`
 */
export function covers(role: RoleRecord, key: string, writes: boolean, recursive: boolean): boolean {
  if (role.role === "root") return true;
  const { read, write } = role.permissions.kv;
  return ((writes ? write : read) ?? []).some((pattern) =>
    pattern.endsWith("*") ? key.startsWith(pattern.slice(0, -1)) : !recursive && key === pattern,
  );
}

export function hasText(text: string | undefined): text is string {
  return text !== undefined && text !== "";
}

type Patterns = readonly string[] | null;

function granted(old: Patterns, more: Patterns, what: string): readonly string[] {
  const patterns = new Set(old);
  for (const pattern of more ?? []) {
    if (patterns.has(pattern)) throw conflict(`Granting duplicate ${what} permission ${pattern}`);
    patterns.add(pattern);
  }
  return sorted(patterns);
}

/** Patterns that were not granted are ignored. */
function revoked(old: Patterns, fewer: Patterns): readonly string[] {
  const patterns = new Set(old);
  for (const pattern of fewer ?? []) patterns.delete(pattern);
  return sorted(patterns);
}

function sorted(texts: Iterable<string>): readonly string[] {
  return Array.from(texts).sort(compareText);
}

function conflict(message: string): AdminError {
  return new AdminError(409, `auth: ${message}`);
}
