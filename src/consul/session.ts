import type { RequestSpec, Sender } from "../http/exchange.js";
import { optional, requireFields, type Checks } from "../util/fields.js";
import { object, type JsonReader, type Read } from "../util/reader.js";
import { badArgument, requireMsBetween, requireText } from "../util/validate.js";
import { decode, decodeList, textOrEmpty } from "./decode.js";
import { formatDuration, durationMs } from "./durations.js";
import { ConsulError, NotFoundError } from "./errors.js";
import { checkOptions, jsonSpec, putSpec, request, segment, specOf } from "./request.js";
import {
  SESSION_DELETE,
  SESSION_MAXIMUM_LOCK_DELAY_MS,
  SESSION_MAXIMUM_TTL_MS,
  SESSION_MINIMUM_LOCK_DELAY_MS,
  SESSION_MINIMUM_TTL_MS,
  SESSION_RELEASE,
  type Session,
  type SessionConfig,
  type SessionId,
} from "./types.js";

/** The calls about sessions. */
export function sessionCalls(sender: Sender): Session {
  return {
    async createSession(config, options) {
      const { dc, signal } = checkOptions(options);
      const spec = createSessionSpec(checkSession(config), dc);
      return readCreated(spec, await request(sender, spec, signal));
    },
    async deleteSession(id, options) {
      const { dc, signal } = checkOptions(options);
      await request(sender, destroySessionSpec(id, dc), signal);
    },
    async readSession(id, options) {
      const { dc, signal } = checkOptions(options);
      const spec = specOf("GET", `/v1/session/info/${segment("id", id)}`, { dc });
      const [session] = readOne(spec, await request(sender, spec, signal));
      if (session === undefined) throw new NotFoundError(spec);
      return session.config;
    },
    async listSessions(node, options) {
      const { dc, signal } = checkOptions(options);
      const spec = specOf("GET", `/v1/session/node/${segment("node", node)}`, { dc });
      const sessions = decodeList(spec, await request(sender, spec, signal), readSession);
      return new Map(sessions.map(({ id, config }) => [id, config]));
    },
    async renewSession(id, options) {
      const { dc, signal } = checkOptions(options);
      const spec = renewSessionSpec(id, dc);
      return readRenewed(spec, await request(sender, spec, signal));
    },
  };
}

/** The request that creates a session. */
export function createSessionSpec(
  { node, name, lockDelayMs, ttlMs, behavior }: SessionConfig,
  dc: string | undefined,
): RequestSpec {
  return jsonSpec(
    "/v1/session/create",
    { dc },
    {
      Node: node,
      Name: name,
      LockDelay: formatDuration(lockDelayMs),
      ...(ttlMs !== undefined && { TTL: formatDuration(ttlMs) }),
      Behavior: behavior,
    },
  );
}

/** The request that ends a session. Succeeds even if there is no such session. */
export function destroySessionSpec(id: string, dc: string | undefined): RequestSpec {
  return putSpec(`/v1/session/destroy/${segment("id", id)}`, { dc });
}

/** The request that renews a session: a heartbeat. */
export function renewSessionSpec(id: string, dc: string | undefined): RequestSpec {
  return putSpec(`/v1/session/renew/${segment("id", id)}`, { dc });
}

/** The id of a session that was created. @throws {ConsulError} `ERR_DECODE` */
export function readCreated(spec: RequestSpec, raw: Parameters<typeof decode>[1]): SessionId {
  return decode(spec, raw, (value, place) => sessionIdOf(object(value, place))) ?? notASession(spec);
}

/** The TTL of a session that was renewed, in ms; `Infinity` if it has none. @throws {NotFoundError} there is no such session */
export function readRenewed(spec: RequestSpec, raw: Parameters<typeof decode>[1]): number {
  const [session] = readOne(spec, raw);
  if (session === undefined) throw new NotFoundError(spec);
  return session.config.ttlMs ?? Infinity;
}

interface ReadSession {
  readonly id: SessionId;
  readonly config: SessionConfig;
}

function readOne(spec: RequestSpec, raw: Parameters<typeof decode>[1]): ReadSession[] {
  const sessions = decodeList(spec, raw, readSession);
  return sessions.length <= 1 ? sessions : notASession(spec);
}

const readSession: Read<ReadSession> = (value, place) => {
  const session = object(value, place);
  const behavior = textOrEmpty(session, "Behavior") || SESSION_RELEASE;
  const ttlMs = session.get("TTL", readDuration);
  return {
    id: sessionIdOf(session),
    config: {
      node: textOrEmpty(session, "Node"),
      name: textOrEmpty(session, "Name"),
      lockDelayMs: session.get("LockDelay", readDuration) ?? 0,
      ...(ttlMs !== undefined && ttlMs > 0 && { ttlMs }),
      behavior: isBehavior(behavior) ? behavior : session.refuse("Behavior", "is not known"),
    },
  };
};

/** A duration in ms, from text or from a number of nanoseconds; "" is none. */
const readDuration: Read<number | undefined> = (value, place) => {
  if (typeof value === "number") return value / 1e6;
  if (value === "") return undefined;
  const ms = typeof value === "string" ? durationMs(value) : undefined;
  return ms ?? place.refuse("is not a duration");
};

function sessionIdOf(session: JsonReader): SessionId {
  const id = textOrEmpty(session, "ID");
  return id === "" ? session.refuse("ID", "is missing") : (id as SessionId);
}

function notASession(spec: RequestSpec): never {
  throw new ConsulError("ERR_DECODE", "unexpected response: it does not hold exactly one session", spec);
}

function isBehavior(text: string): text is SessionConfig["behavior"] {
  return text === SESSION_RELEASE || text === SESSION_DELETE;
}

function checkSession(config: SessionConfig): SessionConfig {
  requireFields("config", config, sessionChecks);
  return config;
}

function requireFilled(what: string, value: unknown): void {
  requireText(what, value);
  if (value === "") badArgument(`${what} must not be empty`);
}

const sessionChecks: Checks<SessionConfig> = {
  node: requireFilled,
  name: requireFilled,
  lockDelayMs: requireMsBetween(SESSION_MINIMUM_LOCK_DELAY_MS, SESSION_MAXIMUM_LOCK_DELAY_MS),
  ttlMs: optional(requireMsBetween(SESSION_MINIMUM_TTL_MS, SESSION_MAXIMUM_TTL_MS)),
  behavior: (what, value) => {
    if (typeof value !== "string" || !isBehavior(value)) badArgument(`${what} must be "release" or "delete"`);
  },
};
