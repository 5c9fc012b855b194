import type { PutRoleCall, PutUserCall } from "../core/call.js";
import type { CallContext, Credentials } from "../core/keys-store.js";
import { grants } from "../server/admin-request.js";
import { goJson } from "../server/go-json.js";
import { compareText } from "../server/go-text.js";
import { EtcdErrorCode } from "../util/errors.js";
import * as records from "./auth-records.js";
import { isError } from "./event.js";
import { AdminError, internalError } from "./refusal.js";
import type { Change, Replica } from "./replica.js";
import type { StoreResult } from "./store.js";

/** Proposes a change to the cluster. Resolves to undefined when it was not committed in time. */
export type Propose = (change: Change) => Promise<StoreResult | undefined>;

/** v2's users, roles and rights at one member. They are stored as JSON below "/2". */
export class AuthStore {
  readonly #replica: Replica;
  readonly #propose: Propose;

  constructor(replica: Replica, propose: Propose) {
    this.#replica = replica;
    this.#propose = propose;
  }

  /** Reads the store each time, as etcd does; the statistics count these reads. */
  get enabled(): boolean {
    return this.#read("/enabled") === "true";
  }

  /** Whether a caller may use a key. */
  mayUse(key: string, writes: boolean, recursive: boolean, credentials: Credentials | undefined): boolean {
    if (!this.enabled) return true;
    // a guest's recursive call is checked as a plain one
    if (credentials === undefined) {
      const guest = this.#role("guest");
      return guest !== undefined && records.covers(guest, key, writes, false);
    }
    const user = this.#authenticated(credentials);
    return (user?.roles ?? []).some((name) => {
      const role = this.#role(name);
      return role !== undefined && records.covers(role, key, writes, recursive);
    });
  }

  /** @throws {AdminError} 401 when auth is on and the caller is not root */
  requireRoot({ credentials }: CallContext): void {
    if (!this.enabled) return;
    const user = credentials && this.#authenticated(credentials);
    if (user?.roles?.includes("root") !== true) throw new AdminError(401, "Insufficient credentials");
  }

  async enable(): Promise<void> {
    if (this.enabled) throw problem(409, "already enabled");
    if (typeof (await this.#readByQuorum("/users/root")) !== "string")
      throw problem(409, "No root user available, please create one");
    if (typeof (await this.#readByQuorum("/roles/guest")) !== "string")
      await this.#write("/roles/guest", records.guestRole, "create");
    await this.#write("/enabled", true, "update");
  }

  async disable(): Promise<void> {
    if (!this.enabled) throw problem(409, "already disabled");
    await this.#write("/enabled", false, "update");
  }

  userNames(): readonly string[] {
    return this.#names("/users");
  }

  roleNames(): readonly string[] {
    return [...this.#names("/roles"), "root"].sort(compareText);
  }

  /** @throws {AdminError} 404 when there is none */
  user(name: string): records.UserRecord {
    const user = this.#user(name);
    if (user === undefined) throw problem(404, `User ${name} does not exist.`);
    return user;
  }

  /** @throws {AdminError} 404 when there is none */
  role(name: string): records.RoleRecord {
    const role = this.#role(name);
    if (role === undefined) throw problem(404, `Role ${name} does not exist.`);
    return role;
  }

  hasRole(name: string): boolean {
    return this.#role(name) !== undefined;
  }

  /** Adds a user, or changes one. Resolves to it, and whether it was created with only a password. */
  async putUser(call: PutUserCall): Promise<{ readonly user: records.UserRecord; readonly created: boolean }> {
    const changes = (call.grant?.length ?? 0) + (call.revoke?.length ?? 0) > 0;
    if (!changes && (call.roles?.length ?? 0) > 0) return { user: await this.#createUser(call), created: false };
    const there = await this.#readByQuorum(`/users/${call.name}`);
    if (typeof there === "string") {
      const old = records.withRootRole(JSON.parse(there) as records.UserRecord);
      const user = records.mergeUser(old, call);
      // a password counts as new even if it is the same: etcd salts it
      if (goJson(user) === goJson(old) && !records.hasText(call.password))
        throw problem(400, "User not updated. Use grant/revoke/password to update the user.");
      await this.#write(`/users/${call.name}`, user, "update");
      return { user, created: false };
    }
    if (changes && there === EtcdErrorCode.keyNotFound) throw problem(404, `User ${call.name} does not exist.`);
    if (changes) throw internalError();
    return { user: await this.#createUser(call), created: true };
  }

  async removeUser(name: string): Promise<void> {
    if (name === "root" && this.enabled) throw problem(403, "Cannot delete root user while auth is enabled.");
    await this.#remove(`/users/${name}`, `User ${name} does not exist`);
  }

  /** Adds a role, or changes one. Resolves to it, and whether it is new. */
  async putRole(call: PutRoleCall): Promise<{ readonly role: records.RoleRecord; readonly created: boolean }> {
    requireNotRoot(call.name);
    const at = `/roles/${call.name}`;
    if (!grants(call.grant) && !grants(call.revoke)) {
      const { grant, revoke, permissions = { kv: { read: null, write: null } } } = call;
      const role = { role: call.name, permissions, grant, revoke };
      await this.#create(at, role, `Role ${call.name} already exists.`);
      return { role, created: true };
    }
    const there = await this.#readByQuorum(at);
    if (there === EtcdErrorCode.keyNotFound) throw problem(404, `Role ${call.name} does not exist.`);
    if (typeof there !== "string") throw internalError();
    const role = records.mergeRole(JSON.parse(there) as records.RoleRecord, call);
    if (goJson(role) === there) throw problem(400, "Role not updated. Use grant/revoke to update the role.");
    await this.#write(at, role, "update");
    return { role, created: false };
  }

  async removeRole(name: string): Promise<void> {
    requireNotRoot(name);
    await this.#remove(`/roles/${name}`, `Role ${name} doesn't exist.`);
  }

  async #createUser({ name, password = "", roles = null }: PutUserCall): Promise<records.UserRecord> {
    if (password === "") throw problem(400, `Cannot create user ${name} with an empty password`);
    const user = records.withRootRole({ user: name, password, roles });
    await this.#create(`/users/${name}`, user, `User ${name} already exists.`);
    return user;
  }

  #authenticated({ username, password }: Credentials): records.UserRecord | undefined {
    const user = this.#user(username);
    return user?.password === password ? user : undefined;
  }

  #user(name: string): records.UserRecord | undefined {
    const json = this.#read(`/users/${name}`);
    return json === undefined ? undefined : records.withRootRole(JSON.parse(json) as records.UserRecord);
  }

  #role(name: string): records.RoleRecord | undefined {
    if (name === "root") return records.rootRole;
    const json = this.#read(`/roles/${name}`);
    return json === undefined ? undefined : (JSON.parse(json) as records.RoleRecord);
  }

  #read(path: string): string | undefined {
    const read = this.#replica.store.get(root + path, flat);
    return isError(read) ? undefined : read.node.value;
  }

  /** The value, or why there is none; undefined when the cluster did not respond in time. */
  async #readByQuorum(path: string): Promise<string | EtcdErrorCode | undefined> {
    const read = await this.#propose((store) => store.get(root + path, flat));
    return read === undefined ? undefined : isError(read) ? read.errorCode : (read.node.value ?? "");
  }

  #names(path: string): readonly string[] {
    const list = this.#replica.store.get(root + path, flat);
    if (isError(list)) return [];
    return (list.node.nodes ?? []).map(({ key = "" }) => key.slice(key.lastIndexOf("/") + 1)).sort(compareText);
  }

  async #create(path: string, value: object, exists: string): Promise<void> {
    const result = await this.#write(path, value, "create");
    if (isError(result) && result.errorCode === EtcdErrorCode.nodeExist) throw problem(409, exists);
    if (isError(result)) throw internalError();
  }

  async #remove(path: string, missing: string): Promise<void> {
    await this.#makeDirectories();
    const result = await this.#propose((store) => store.delete(root + path, { dir: false, recursive: false }));
    if (result === undefined) throw internalError();
    if (isError(result)) throw problem(404, missing);
  }

  async #write(path: string, value: unknown, kind: "create" | "update"): Promise<StoreResult> {
    await this.#makeDirectories();
    const json = goJson(value);
    const result = await this.#propose((store) => store[kind](root + path, { value: json }));
    if (result === undefined) throw internalError();
    return result;
  }

  /** A member tries once, before its first write. Directories that exist are left as they are. */
  async #makeDirectories(): Promise<void> {
    if (this.#replica.madeAuthDirectories) return;
    for (const [path, write] of firstKeys)
      if ((await this.#propose((store) => store.create(root + path, write))) === undefined) throw internalError();
    this.#replica.madeAuthDirectories = true;
  }
}

const root = "/2";
const flat = { recursive: false, sorted: false };
const firstKeys = [
  ["", { dir: true, value: "" }],
  ["/users", { dir: true, value: "" }],
  ["/roles", { dir: true, value: "" }],
  ["/enabled", { value: "false" }],
] as const;

function requireNotRoot(role: string): void {
  if (role === "root") throw problem(403, "Cannot modify role root: is root role.");
}

function problem(status: number, message: string): AdminError {
  return new AdminError(status, `auth: ${message}`);
}
