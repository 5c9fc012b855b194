import type { RequestSpec, Sender } from "../http/exchange.js";
import { badArgument, requireOptions, requireText, show } from "../util/validate.js";
import { formatDuration, durationMs } from "./durations.js";
import { NotFoundError } from "./errors.js";
import { decode, Fields, list, unexpected } from "./fields.js";
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
      const sessions = decode(spec, await request(sender, spec, signal), (value) => list(value, readSession));
      return new Map(sessions.map(({ id, config }) => [id, config]));
    },
    async renewSession(id, options) {
      const { dc, signal } = checkOptions(options);
      const spec = renewSessionSpec(id, dc);
      return readRenewed(spec, await request(sender, spec, signal));
    },
  };
}

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

export function destroySessionSpec(id: string, dc: string | undefined): RequestSpec {
  return putSpec(`/v1/session/destroy/${segment("id", id)}`, { dc });
}

export function renewSessionSpec(id: string, dc: string | undefined): RequestSpec {
  return putSpec(`/v1/session/renew/${segment("id", id)}`, { dc });
}

export function readCreated(spec: RequestSpec, raw: Parameters<typeof decode>[1]): SessionId {
  return decode(spec, raw, (value) => sessionId(new Fields(value).text("ID")));
}

/** The TTL, in ms. @throws {NotFoundError} */
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
  return decode(spec, raw, (value) => {
    const sessions = list(value, readSession);
    return sessions.length <= 1 ? sessions : unexpected("it holds several sessions");
  });
}

function readSession(value: unknown): ReadSession {
  const session = new Fields(value);
  const behavior = session.text("Behavior") || SESSION_RELEASE;
  if (!isBehavior(behavior)) unexpected("its Behavior is not known");
  const ttlMs = readDuration(session, "TTL");
  return {
    id: sessionId(session.text("ID")),
    config: {
      node: session.text("Node"),
      name: session.text("Name"),
      lockDelayMs: readDuration(session, "LockDelay") ?? 0,
      ...(ttlMs !== undefined && ttlMs > 0 && { ttlMs }),
      behavior,
    },
  };
}

/** Text, or a number of nanoseconds. */
function readDuration(fields: Fields, name: string): number | undefined {
  const value = fields.value(name);
  if (typeof value === "number") return value / 1e6;
  const text = fields.text(name);
  if (text === "") return undefined;
  return durationMs(text) ?? unexpected(`${name} is no duration`);
}

function sessionId(id: string): SessionId {
  if (id === "") unexpected("it holds no session id");
  return id as SessionId;
}

function isBehavior(text: string): text is SessionConfig["behavior"] {
  return text === SESSION_RELEASE || text === SESSION_DELETE;
}

function checkSession(config: SessionConfig): SessionConfig {
  if ((config as SessionConfig | undefined) === undefined)
    badArgument("a session needs its config: { node, name, ... }");
  requireOptions("config", config, sessionConfigNames);
  const { node, name, lockDelayMs, ttlMs, behavior } = config;
  for (const [what, text] of [
    ["config.node", node],
    ["config.name", name],
  ] as const) {
    requireText(what, text);
    if (text === "") badArgument(`${what} must not be empty`);
  }
  requireRange("config.lockDelayMs", lockDelayMs, SESSION_MINIMUM_LOCK_DELAY_MS, SESSION_MAXIMUM_LOCK_DELAY_MS);
  if (ttlMs !== undefined) requireRange("config.ttlMs", ttlMs, SESSION_MINIMUM_TTL_MS, SESSION_MAXIMUM_TTL_MS);
  if (!isBehavior(behavior)) badArgument('config.behavior must be "release" or "delete"');
  return config;
}

function requireRange(what: string, value: unknown, min: number, max: number): void {
  if (typeof value !== "number" || !(value >= min && value <= max)) {
    badArgument(`${what} must be a number of milliseconds from ${String(min)} to ${String(max)}, got ${show(value)}`);
  }
}

const sessionConfigNames: ReadonlySet<string> = new Set<keyof SessionConfig>([
  "node",
  "name",
  "lockDelayMs",
  "ttlMs",
  "behavior",
]);
