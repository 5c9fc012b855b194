import type { RawResponse, RequestSpec, Sender } from "../http/exchange.js";
import type { Role, User } from "./types.js";
import { badArgument, requireName, requireSender, requireSignal, requireText } from "../util/validate.js";
import {
  decodeDone,
  decodeRole,
  decodeRoleNames,
  decodeStatus,
  decodeUser,
  decodeUserNames,
  disableSpec,
  enableSpec,
  getRoleSpec,
  getUserSpec,
  listRolesSpec,
  listUsersSpec,
  putRoleSpec,
  putUserSpec,
  removeRoleSpec,
  removeUserSpec,
  statusSpec,
  type KvLists,
} from "./wire/auth.js";

/** What a role may do with keys. */
export const PermissionType = {
  /** Reads and watches them. */
  read: "read",
  /** Writes and deletes them. */
  write: "write",
  /** Both. */
  readWrite: "readWrite",
} as const;
export type PermissionType = (typeof PermissionType)[keyof typeof PermissionType];

/**
 * Switches authentication on and off. Beware: enabling makes a guest role that may read and write all keys; revoke it.
 *
 * Like all auth calls it rejects with `EtcdError` when etcd refuses them (`status` and `serverMessage`;
 * `isUnauthorized` where root is required), `ClusterError` when no endpoint responded, `ResponseError` when the
 * response is not etcd's, `UsageError` for bad arguments and a closed client, and `signal.reason` when aborted. Changes
 * are sent once: they go on to another endpoint only when they were certainly not applied.
 */
export class AuthAPI {
  readonly #call: Call;

  /** @throws {UsageError} for a sender without `send` */
  constructor(sender: Sender) {
    this.#call = callThrough(sender);
  }

  /** Needs a user "root". 409 when there is none, no leader, or auth is on already. */
  enable(signal?: AbortSignal): Promise<void> {
    return this.#call(enableSpec, decodeDone, signal);
  }

  /** 409 when auth is off already. */
  disable(signal?: AbortSignal): Promise<void> {
    return this.#call(disableSpec, decodeDone, signal);
  }

  /** Whether auth is enabled. Needs no rights. */
  status(signal?: AbortSignal): Promise<boolean> {
    return this.#call(statusSpec, decodeStatus, signal);
  }
}

/** Users. Rejects like {@link AuthAPI}; `isUserNotFound` recognizes an unknown user. */
export class AuthUserAPI {
  readonly #call: Call;

  /** @throws {UsageError} for a sender without `send` */
  constructor(sender: Sender) {
    this.#call = callThrough(sender);
  }

  /** Adds a user. etcd takes the same request for a new password: of a user who exists, the password is replaced. */
  async add(username: string, password: string, signal?: AbortSignal): Promise<void> {
    requireUser(username);
    if (username.includes(":")) badArgument('username must not hold a ":": such a user could never log in');
    requirePassword(password);
    return this.#call(putUserSpec(username, { password }), decodeDone, signal);
  }

  /** Removes a user. 404 for one that does not exist. */
  async remove(username: string, signal?: AbortSignal): Promise<void> {
    requireUser(username);
    return this.#call(removeUserSpec(username), decodeDone, signal);
  }

  /** 404 `auth: Role ... does not exist.` when a role that the user has is gone. */
  async get(username: string, signal?: AbortSignal): Promise<User> {
    requireUser(username);
    return this.#call(getUserSpec(username), decodeUser, signal);
  }

  /** 409 for a role that the user has already. */
  async grant(username: string, roles: readonly string[], signal?: AbortSignal): Promise<User> {
    requireUser(username);
    return this.#call(putUserSpec(username, { grant: namesOf("roles", roles) }), decodeUser, signal);
  }

  /** 409 for a role that the user does not have. */
  async revoke(username: string, roles: readonly string[], signal?: AbortSignal): Promise<User> {
    requireUser(username);
    return this.#call(putUserSpec(username, { revoke: namesOf("roles", roles) }), decodeUser, signal);
  }

  /** Sets a new password. A user who does not exist is made by etcd, without roles. */
  async changePassword(username: string, password: string, signal?: AbortSignal): Promise<User> {
    requireUser(username);
    requirePassword(password);
    return this.#call(putUserSpec(username, { password }), decodeUser, signal);
  }

  /** The names of all users. */
  list(signal?: AbortSignal): Promise<readonly string[]> {
    return this.#call(listUsersSpec, decodeUserNames, signal);
  }
}

/** Roles. Rejects like {@link AuthAPI}; `isRoleNotFound` recognizes an unknown role. */
export class AuthRoleAPI {
  readonly #call: Call;

  /** @throws {UsageError} for a sender without `send` */
  constructor(sender: Sender) {
    this.#call = callThrough(sender);
  }

  /** 409 for a role that exists. */
  async add(role: string, signal?: AbortSignal): Promise<void> {
    requireName("role", role);
    return this.#call(putRoleSpec(role), decodeDone, signal);
  }

  /** Removes a role. 404 for one that does not exist. */
  async remove(role: string, signal?: AbortSignal): Promise<void> {
    requireName("role", role);
    return this.#call(removeRoleSpec(role), decodeDone, signal);
  }

  /** Reads what a role allows. 404 for one that does not exist. */
  async get(role: string, signal?: AbortSignal): Promise<Role> {
    requireName("role", role);
    return this.#call(getRoleSpec(role), decodeRole, signal);
  }

  /**
   * Allows keys. 409 for what is allowed already.
   *
   * @param prefixes keys, or with a final `*` all keys that begin so; recursive requests need one with `*`
   */
  async grantKV(
    role: string,
    prefixes: readonly string[],
    permission: PermissionType,
    signal?: AbortSignal,
  ): Promise<Role> {
    requireName("role", role);
    return this.#call(putRoleSpec(role, { grant: { kv: kvLists(prefixes, permission) } }), decodeRole, signal);
  }

  /** Takes back what `grantKV` gave, with the same prefixes. 400 when nothing changes. */
  async revokeKV(
    role: string,
    prefixes: readonly string[],
    permission: PermissionType,
    signal?: AbortSignal,
  ): Promise<Role> {
    requireName("role", role);
    return this.#call(putRoleSpec(role, { revoke: { kv: kvLists(prefixes, permission) } }), decodeRole, signal);
  }

  /** The names of all roles; "root" is always there. */
  list(signal?: AbortSignal): Promise<readonly string[]> {
    return this.#call(listRolesSpec, decodeRoleNames, signal);
  }
}

type Call = <T>(
  spec: RequestSpec,
  decode: (raw: RawResponse, spec: RequestSpec) => T,
  signal: AbortSignal | undefined,
) => Promise<T>;

function callThrough(sender: Sender): Call {
  requireSender("sender", sender);
  return async (spec, decode, signal) => {
    requireSignal("signal", signal);
    return decode(await sender.send(spec, signal), spec);
  };
}

function requireUser(username: string): void {
  requireName("username", username);
}

function requirePassword(password: string): void {
  requireText("password", password);
  if (password === "") badArgument("password must not be empty");
}

function namesOf(what: string, names: readonly string[]): readonly string[] {
  if (!Array.isArray(names) || names.length === 0) badArgument(`${what} must be an array with at least one entry`);
  return (names as readonly string[]).map((name, i) => {
    requireText(`${what}[${String(i)}]`, name);
    return name;
  });
}

function kvLists(prefixes: readonly string[], permission: PermissionType): KvLists {
  const list = namesOf("prefixes", prefixes);
  if (!Object.values(PermissionType).includes(permission))
    badArgument(`permission must be one of ${Object.values(PermissionType).join(", ")}`);
  return {
    read: permission === PermissionType.write ? null : list,
    write: permission === PermissionType.read ? null : list,
  };
}
