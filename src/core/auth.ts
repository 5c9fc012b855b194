import type { RawResponse, RequestSpec, Sender } from "../http/exchange.js";
import type { Role, User } from "./types.js";
import { copyOf } from "../util/copy-of.js";
import { badArgument, requireName, requireSender, requireSignal, requireText } from "../util/validate.js";
import type * as FirstCall from "./first-call.js";
import { loadFor, loaded } from "./load.js";
import type * as Wire from "./wire/auth.js";

/** What a role may do with keys. */
export const PermissionType = {
  /** Reads and watches keys. */
  read: "read",
  /** Writes and deletes keys. */
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

  /**
   * Switches authentication on.
   *
   * @throws {EtcdError} status 409: there is no user "root", no leader, or it is on already
   */
  enable(signal?: AbortSignal): Promise<void> {
    return this.#call((wire) => [wire.enableSpec, wire.decodeDone], signal);
  }

  /** Switches authentication off. @throws {EtcdError} status 409: it is off already */
  disable(signal?: AbortSignal): Promise<void> {
    return this.#call((wire) => [wire.disableSpec, wire.decodeDone], signal);
  }

  /** Whether auth is enabled. Needs no rights. */
  status(signal?: AbortSignal): Promise<boolean> {
    return this.#call((wire) => [wire.statusSpec, wire.decodeStatus], signal);
  }
}

/** Users. Rejects like {@link AuthAPI}; `isUserNotFound` recognizes an unknown user. */
export class AuthUserAPI {
  readonly #call: Call;

  /** @throws {UsageError} for a sender without `send` */
  constructor(sender: Sender) {
    this.#call = callThrough(sender);
  }

  /** Adds a user. If the user exists, etcd replaces the password. */
  async add(username: string, password: string, signal?: AbortSignal): Promise<void> {
    requireUser(username);
    if (username.includes(":")) badArgument('username must not contain ":": such a user could never log in');
    requirePassword(password);
    return this.#call((wire) => [wire.putUserSpec(username, { password }), wire.decodeDone], signal);
  }

  /** Removes a user. @throws {EtcdError} `isUserNotFound` */
  async remove(username: string, signal?: AbortSignal): Promise<void> {
    requireUser(username);
    return this.#call((wire) => [wire.removeUserSpec(username), wire.decodeDone], signal);
  }

  /**
   * Reads the roles of a user.
   *
   * @throws {EtcdError} `isUserNotFound`; `isRoleNotFound`: a role that the user has was removed
   */
  async get(username: string, signal?: AbortSignal): Promise<User> {
    requireUser(username);
    return this.#call((wire) => [wire.getUserSpec(username), wire.decodeUser], signal);
  }

  /** Gives a user roles. @throws {EtcdError} status 409: the user has one of them already */
  async grant(username: string, roles: readonly string[], signal?: AbortSignal): Promise<User> {
    requireUser(username);
    const own = copyOf(roles);
    return this.#call(
      (wire, { namesOf }) => [wire.putUserSpec(username, { grant: namesOf("roles", own) }), wire.decodeUser],
      signal,
    );
  }

  /** Takes roles from a user. @throws {EtcdError} status 409: the user lacks one of them */
  async revoke(username: string, roles: readonly string[], signal?: AbortSignal): Promise<User> {
    requireUser(username);
    const own = copyOf(roles);
    return this.#call(
      (wire, { namesOf }) => [wire.putUserSpec(username, { revoke: namesOf("roles", own) }), wire.decodeUser],
      signal,
    );
  }

  /** Sets a new password. If the user does not exist, etcd adds it, without roles. */
  async changePassword(username: string, password: string, signal?: AbortSignal): Promise<User> {
    requireUser(username);
    requirePassword(password);
    return this.#call((wire) => [wire.putUserSpec(username, { password }), wire.decodeUser], signal);
  }

  /** The names of all users. */
  list(signal?: AbortSignal): Promise<readonly string[]> {
    return this.#call((wire) => [wire.listUsersSpec, wire.decodeUserNames], signal);
  }
}

/** Roles. Rejects like {@link AuthAPI}; `isRoleNotFound` recognizes an unknown role. */
export class AuthRoleAPI {
  readonly #call: Call;

  /** @throws {UsageError} for a sender without `send` */
  constructor(sender: Sender) {
    this.#call = callThrough(sender);
  }

  /** Adds a role, which allows nothing yet. @throws {EtcdError} status 409: it exists */
  async add(role: string, signal?: AbortSignal): Promise<void> {
    requireName("role", role);
    return this.#call((wire) => [wire.putRoleSpec(role), wire.decodeDone], signal);
  }

  /** Removes a role. @throws {EtcdError} `isRoleNotFound` */
  async remove(role: string, signal?: AbortSignal): Promise<void> {
    requireName("role", role);
    return this.#call((wire) => [wire.removeRoleSpec(role), wire.decodeDone], signal);
  }

  /** Reads what a role allows. @throws {EtcdError} `isRoleNotFound` */
  async get(role: string, signal?: AbortSignal): Promise<Role> {
    requireName("role", role);
    return this.#call((wire) => [wire.getRoleSpec(role), wire.decodeRole], signal);
  }

  /**
   * Allows keys.
   *
   * @param prefixes keys, or with a final `*` all keys with that prefix; recursive requests need one with `*`
   * @throws {EtcdError} status 409: it is allowed already
   */
  async grantKV(
    role: string,
    prefixes: readonly string[],
    permission: PermissionType,
    signal?: AbortSignal,
  ): Promise<Role> {
    requireName("role", role);
    const own = copyOf(prefixes);
    return this.#call(
      (wire, { kvLists }) => [wire.putRoleSpec(role, { grant: { kv: kvLists(own, permission) } }), wire.decodeRole],
      signal,
    );
  }

  /** Revokes what `grantKV` granted with the same prefixes. @throws {EtcdError} status 400: nothing changes */
  async revokeKV(
    role: string,
    prefixes: readonly string[],
    permission: PermissionType,
    signal?: AbortSignal,
  ): Promise<Role> {
    requireName("role", role);
    const own = copyOf(prefixes);
    return this.#call(
      (wire, { kvLists }) => [wire.putRoleSpec(role, { revoke: { kv: kvLists(own, permission) } }), wire.decodeRole],
      signal,
    );
  }

  /** The names of all roles; "root" is always there. */
  list(signal?: AbortSignal): Promise<readonly string[]> {
    return this.#call((wire) => [wire.listRolesSpec, wire.decodeRoleNames], signal);
  }
}

type Call = <T>(
  callIn: (
    wire: typeof Wire,
    parts: typeof FirstCall,
  ) => readonly [RequestSpec, (raw: RawResponse, spec: RequestSpec) => T],
  signal: AbortSignal | undefined,
) => Promise<T>;

function callThrough(sender: Sender): Call {
  requireSender("sender", sender);
  return async (callIn, signal) => {
    requireSignal("signal", signal);
    const parts = loaded() ?? (await loadFor(sender, { signal }));
    const [spec, decode] = callIn(parts.auth, parts);
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
