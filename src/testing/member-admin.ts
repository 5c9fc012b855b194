import type { AdminCall } from "../core/call.js";
import type { Administered, CallContext } from "../core/keys-store.js";
import type { RoleRecord, UserRecord } from "./auth-records.js";
import type { AuthStore } from "./auth-store.js";
import type { MemberStore } from "./member-store.js";
import { membersIn } from "./membership.js";
import { AdminError } from "./refusal.js";
import type { Identity } from "./replica.js";
import { healthOf, leaderStats, selfStats, storeStats, versionOf } from "./status.js";

/** Executes a call about anything but keys. */
export async function administer(store: MemberStore, call: AdminCall, context: CallContext): Promise<Administered> {
  if (!openCalls.has(call.kind)) store.auth.requireRoot(context);
  const { auth, membership } = store;
  switch (call.kind) {
    case "version":
      return ok(versionOf(store.options.version));
    case "health":
      return healthOf(store);
    case "selfStats":
      return ok(selfStats(store));
    case "leaderStats":
      return ok(leaderStats(store));
    case "storeStats":
      return ok(storeStats(store.replica.store));
    case "listMembers":
      return ok({ members: membersIn(store.replica.store).map(memberJson) });
    case "leader":
      return ok(memberJson(leaderOf(store)));
    case "addMember":
      return { status: 201, json: memberJson(await membership.add(call.peerURLs)) };
    case "removeMember":
      await membership.remove(call.name);
      return { status: 204 };
    case "updateMember":
      await membership.update(call.name, call.peerURLs);
      return { status: 204 };
    case "authStatus":
      return ok({ enabled: auth.enabled });
    case "authEnable":
      await auth.enable();
      return { status: 200 };
    case "authDisable":
      await auth.disable();
      return { status: 200 };
    case "listUsers":
      return ok({ users: orNull(auth.userNames().map((name) => userWithRoles(auth, auth.user(name), "known"))) });
    case "getUser":
      return ok(userWithRoles(auth, auth.user(call.name), "all"));
    case "putUser": {
      const { user, created } = await auth.putUser(call);
      return { status: created ? 201 : 200, json: { user: user.user, roles: user.roles } };
    }
    case "removeUser":
      await auth.removeUser(call.name);
      return { status: 200 };
    case "listRoles":
      return ok({ roles: auth.roleNames().map((name) => roleJson(auth.role(name))) });
    case "getRole":
      return ok(roleJson(auth.role(call.name)));
    case "putRole": {
      const { role, created } = await auth.putRole(call);
      return { status: created ? 201 : 200, json: roleJson(role) };
    }
    case "removeRole":
      await auth.removeRole(call.name);
      return { status: 200 };
  }
}

/** The calls that everybody may make, also while auth is on. */
const openCalls: ReadonlySet<AdminCall["kind"]> = new Set([
  "version",
  "health",
  "selfStats",
  "leaderStats",
  "storeStats",
  "listMembers",
  "leader",
  "authStatus",
]);

function ok(json: unknown): Administered {
  return { status: 200, json };
}

function leaderOf({ cluster, replica }: MemberStore): Identity {
  const leader = cluster.leaderOf(replica);
  const member = leader && membersIn(replica.store).find(({ id }) => id === leader.identity.id);
  if (member === undefined) throw new AdminError(503, "During election");
  return member;
}

function memberJson({ id, name, peerURLs, clientURLs }: Identity): object {
  return { id, name, peerURLs, clientURLs };
}

function roleJson({ role, permissions, grant, revoke }: RoleRecord): object {
  return { role, permissions, grant, revoke };
}

/** Roles that do not exist are an error for a single user, and are left out of a list. */
function userWithRoles(auth: AuthStore, { user, roles }: UserRecord, which: "all" | "known"): object {
  const names = (roles ?? []).filter((name) => which === "all" || auth.hasRole(name));
  return { user, roles: names.length === 0 ? undefined : names.map((name) => roleJson(auth.role(name))) };
}

/** Go writes null for a list that it never created. */
function orNull<T>(list: readonly T[]): readonly T[] | null {
  return list.length === 0 ? null : list;
}
