import { createHash } from "node:crypto";
import type { Credentials } from "../core/keys-store.js";
import { abortable, limitTime } from "../util/signals.js";
import { textOf, textsOf, type Json } from "./decode.js";
import { GatewayError, grpcCode, type Gateway } from "./gateway.js";
import { Rights } from "./rights.js";

/** The user that a call is sent for. */
export interface Identity {
  /** Absent: without a user, since authentication is off or no user was named. */
  readonly token?: string | undefined;
  readonly rights: Rights;
}

/** The user name or the password is wrong. */
export class WrongPasswordError extends Error {}

/** Without a user. */
export const anonymous: Identity = { rights: Rights.all };

/** At most this many users are remembered for an endpoint. */
const maxUsers = 100;
/** bcrypt takes 60 ms and more; a server that is overloaded much longer. */
const authenticateTimeoutMs = 30_000;

/**
 * The tokens of one endpoint. The gateway takes tokens, not passwords: one authentication serves all calls of a user until
 * the server no longer takes the token.
 */
export class Tokens {
  readonly #gateway: Gateway;
  readonly #identities = new Map<string, Promise<Identity>>();
  readonly #closed: AbortSignal;

  constructor(gateway: Gateway, closed: AbortSignal) {
    this.#gateway = gateway;
    this.#closed = closed;
  }

  /**
   * The identity of a user; authenticates if none is known. All that wait share one authentication.
   *
   * @throws {WrongPasswordError}
   * @throws {GatewayError | EndpointError | ResponseError}
   * @throws `signal.reason` when aborted; the authentication goes on for the others
   */
  identityOf(credentials: Credentials | undefined, signal: AbortSignal | undefined): Promise<Identity> {
    if (credentials === undefined) return Promise.resolve(anonymous);
    const user = nameOf(credentials);
    let identity = this.#identities.get(user);
    if (identity === undefined) {
      identity = this.#authenticate(credentials);
      this.#identities.set(user, identity);
      // what failed is tried again by the next call
      identity.catch(() => {
        if (this.#identities.get(user) === identity) this.#identities.delete(user);
      });
      const [oldest] = this.#identities.keys();
      if (this.#identities.size > maxUsers && oldest !== undefined) this.#identities.delete(oldest);
    }
    return abortable(identity, signal);
  }

  /** Drops an identity that the server refused, unless another call has renewed it since. */
  async drop(credentials: Credentials, refused: Identity): Promise<void> {
    const user = nameOf(credentials);
    const known = this.#identities.get(user);
    if (
      known !== undefined &&
      (await known.catch(() => undefined)) === refused &&
      this.#identities.get(user) === known
    ) {
      this.#identities.delete(user);
    }
  }

  /** Whether the server asks for a user. Rejects if it does not tell, as `Gateway.post` does. */
  async isAuthOn(signal: AbortSignal | undefined): Promise<boolean> {
    try {
      await this.#gateway.post("/v3/auth/authenticate", { name: "", password: "" }, { signal, readOnly: true });
      return true;
    } catch (error) {
      if (error instanceof GatewayError && error.code === grpcCode.failedPrecondition) return false;
      if (error instanceof GatewayError && error.code === grpcCode.invalidArgument) return true;
      throw error;
    }
  }

  async #authenticate(credentials: Credentials): Promise<Identity> {
    const link = limitTime(authenticateTimeoutMs, this.#closed);
    try {
      return await this.#identityFrom(credentials, link.signal);
    } finally {
      link.unlink();
    }
  }

  async #identityFrom({ username, password }: Credentials, signal: AbortSignal): Promise<Identity> {
    const options = { signal, readOnly: true } as const;
    let token: string;
    try {
      const body = { name: username, password };
      const maskedBody = JSON.stringify({ name: username, password: "***" });
      token = textOf(await this.#gateway.post("/v3/auth/authenticate", body, { ...options, maskedBody }), "token");
    } catch (error) {
      if (!(error instanceof GatewayError)) throw error;
      // authentication is off; 3.4 refuses any token then
      if (error.code === grpcCode.failedPrecondition) return anonymous;
      throw error.code === grpcCode.invalidArgument ? new WrongPasswordError() : error;
    }
    const post = (path: string, body: Json): Promise<Json> => this.#gateway.post(path, body, { ...options, token });
    if (username === "root") return { token, rights: Rights.all };
    // users may read themselves and their roles
    const roles = textsOf(await post("/v3/auth/user/get", { name: username }), "roles");
    if (roles.includes("root")) return { token, rights: Rights.all };
    return {
      token,
      rights: Rights.ofRoles(await Promise.all(roles.map((role) => post("/v3/auth/role/get", { role })))),
    };
  }
}

/** Not the password itself: it need not stay in memory as the name of something. */
function nameOf({ username, password }: Credentials): string {
  return createHash("sha256")
    .update(JSON.stringify([username, password]))
    .digest("base64");
}
