import { randomUUID } from "node:crypto";
import { posix } from "node:path";
import { durationMs, formatDuration } from "../durations.js";
import type { ConsulHandler, ConsulReply, ConsulRequest } from "./consul-front.js";
import { FakeServices } from "./fake-consul-services.js";
import { answered, ChangeLog, failed, json, type FakeResponse } from "./fake-consul-responses.js";

export interface FakeConsulOptions {
  /** A session or check expires this many TTLs after it was renewed. @default 2 */
  readonly ttlFactor?: number;
  /** The node's name. @default "node1" */
  readonly node?: string;
}

/** Creates a Consul of one server in this process. It goes by the process's own timers, so it works in virtual time as well. */
export function createFakeConsul(options: FakeConsulOptions = {}): FakeConsul {
  const fake = new FakeConsulState(options);
  return {
    handler: (request, signal) => fake.answer(request, signal),
    close: () => {
      fake.close();
    },
  };
}

export interface FakeConsul {
  /** Responds to a request without HTTP. */
  readonly handler: ConsulHandler;
  /** Stops its timers. */
  close(): void;
}

interface Entry {
  readonly key: string;
  value: Buffer;
  session: string | undefined;
  lockIndex: number;
  readonly createIndex: number;
  modifyIndex: number;
}

interface FakeSession {
  readonly id: string;
  readonly name: string;
  readonly node: string;
  readonly lockDelayMs: number;
  readonly ttl: string;
  readonly behavior: string;
  readonly createIndex: number;
  /** Its expiry. */
  timer: NodeJS.Timeout | undefined;
}

const maxValueBytes = 512 * 1_024;
const defaultWaitMs = 300_000;
const maxWaitMs = 600_000;
const flags = ["cas", "acquire", "release"] as const;

/** Keys and sessions that behave as in Consul's source; all indexes come from one counter. */
class FakeConsulState {
  readonly #log = new ChangeLog();
  readonly #ttlFactor: number;
  readonly #node: string;
  readonly #services: FakeServices;
  readonly #entries = new Map<string, Entry>();
  /** The index of the last write or removal of each key. */
  readonly #touched = new Map<string, number>();
  readonly #sessions = new Map<string, FakeSession>();
  readonly #closedUntilMs = new Map<string, number>();

  constructor({ ttlFactor = 2, node = "node1" }: FakeConsulOptions) {
    this.#ttlFactor = ttlFactor;
    this.#node = node;
    this.#services = new FakeServices(this.#log, node, ttlFactor);
  }

  async answer(request: ConsulRequest, signal: AbortSignal): Promise<ConsulReply> {
    const { query, method } = request;
    if ([...query.keys()].some((name) => name !== "tag" && query.getAll(name).length > 1))
      return failed(400, "Duplicate query parameter");
    const dc = query.get("dc");
    if (dc !== null && dc !== "dc1") return failed(500, `No path to datacenter`);
    const index = Number(query.get("index") ?? 0);
    const waitMs = Math.min(durationMs(query.get("wait") ?? "") ?? defaultWaitMs, maxWaitMs);
    const untilMs = performance.now() + waitMs;
    for (;;) {
      const answer = this.#route(request);
      if (method !== "GET" || answer.index === undefined) return answered(answer);
      const leftMs = untilMs - performance.now();
      if (index === 0 || answer.index > index || leftMs <= 0) return answered(answer);
      await this.#log.changed(leftMs, signal);
    }
  }

  /** Ends a session as an expiry, or a destroy, does. */
  endSession(id: string): void {
    const session = this.#sessions.get(id);
    if (session === undefined) return;
    clearTimeout(session.timer);
    this.#sessions.delete(id);
    this.#touch(undefined);
    for (const entry of [...this.#entries.values()].filter((each) => each.session === id)) {
      if (session.lockDelayMs > 0) this.#closedUntilMs.set(entry.key, performance.now() + session.lockDelayMs);
      if (session.behavior === "delete") {
        this.#entries.delete(entry.key);
        this.#touch(entry.key);
      } else {
        entry.session = undefined;
        entry.modifyIndex = this.#touch(entry.key);
      }
    }
  }

  close(): void {
    for (const { timer } of this.#sessions.values()) clearTimeout(timer);
    this.#services.close();
  }

  #route(request: ConsulRequest): FakeResponse {
    const { method, path } = request;
    const decoded = decodeURIComponent(path);
    if (!/^[\p{L}\p{M}\p{N}\p{P}\p{S} ]*$/u.test(decoded)) return failed(400, "");
    const clean = posix.normalize(decoded);
    if (clean !== decoded)
      return { status: 301, body: "", headers: { location: clean.split("/").map(encodeURIComponent).join("/") } };
    if (path.startsWith("/v1/kv/")) {
      const key = decodeURIComponent(path.slice("/v1/kv/".length));
      if (method === "GET") return this.#read(key, request);
      if (key === "") return failed(400, "Missing key name");
      if (method === "PUT") return this.#write(key, request);
      if (method === "DELETE") return this.#delete(key);
    }
    const [, call = "", id = ""] = /^\/v1\/session\/(\w+)(?:\/([^/]+))?$/.exec(path) ?? [];
    if (call !== "") return this.#session(`${method} ${call}`, decodeURIComponent(id), request);
    return this.#services.answer(request) ?? failed(404, "");
  }

  #read(key: string, { query }: ConsulRequest): FakeResponse {
    const many = query.has("keys") || query.has("recurse");
    if (key === "" && !many) return failed(400, "Missing key name");
    const matches = (each: string): boolean => (many ? each.startsWith(key) : each === key);
    const index = Math.max(1, ...[...this.#touched].filter(([each]) => matches(each)).map(([, at]) => at));
    const found = [...this.#entries.values()]
      .filter((entry) => matches(entry.key))
      .sort((a, b) => Buffer.compare(Buffer.from(a.key), Buffer.from(b.key)));
    if (found.length === 0)
      return query.has("keys") && key === "" ? { ...json([]), index } : { ...failed(404, ""), index };
    return { ...json(query.has("keys") ? found.map((entry) => entry.key) : found.map(shown)), index };
  }

  #write(key: string, { query, body }: ConsulRequest): FakeResponse {
    const given = flags.filter((flag) => query.has(flag));
    if (given.length > 1) return failed(400, `Conflicting flags: ${query.toString()}`);
    if (body.length > maxValueBytes)
      return failed(
        413,
        `Request body(${String(body.length)} bytes) too large, max size: ${String(maxValueBytes)} bytes.`,
      );
    const entry = this.#entries.get(key);
    const [acquire, release, cas] = [query.get("acquire"), query.get("release"), query.get("cas")];
    if (acquire !== null) {
      // checked first: during a lock-delay even a session that no longer exists gets only this reply
      if (performance.now() < (this.#closedUntilMs.get(key) ?? 0)) return json(false);
      if (!this.#sessions.has(acquire)) return failed(500, `invalid session "${acquire}"`);
      if (entry?.session !== undefined && entry.session !== acquire) return json(false);
      return this.#put(key, body, acquire);
    }
    if (release !== null) return entry?.session === release ? this.#put(key, body, undefined) : json(false);
    if (cas !== null && (entry?.modifyIndex ?? 0) !== Number(cas)) return json(false);
    return this.#put(key, body, entry?.session);
  }

  #put(key: string, value: Buffer, session: string | undefined): FakeResponse {
    const at = this.#touch(key);
    const entry = this.#entries.get(key) ?? {
      key,
      value,
      session: undefined,
      lockIndex: 0,
      createIndex: at,
      modifyIndex: at,
    };
    if (session !== undefined && entry.session !== session) entry.lockIndex++;
    Object.assign(entry, { value, session, modifyIndex: at });
    this.#entries.set(key, entry);
    return json(true);
  }

  #delete(key: string): FakeResponse {
    if (this.#entries.delete(key)) this.#touch(key);
    return json(true);
  }

  #session(call: string, id: string, { body }: ConsulRequest): FakeResponse {
    const session = this.#sessions.get(id);
    const index = this.#log.index;
    switch (call) {
      case "PUT create":
        return this.#createSession(JSON.parse(body.toString()) as Readonly<Record<string, string | undefined>>);
      case "PUT destroy":
        this.endSession(id);
        return json(true);
      case "PUT renew":
        if (session === undefined) return failed(404, `Session id '${id}' not found`);
        this.#arm(session);
        return json([shownSession(session)]);
      case "GET info":
        return { ...json(session === undefined ? [] : [shownSession(session)]), index };
      case "GET node":
        return { ...json([...this.#sessions.values()].filter((each) => each.node === id).map(shownSession)), index };
      default:
        return failed(404, "");
    }
  }

  #createSession({
    Node: node = this.#node,
    Name: name = "",
    LockDelay: lockDelay = "15s",
    TTL: ttl = "",
    Behavior: behavior = "release",
  }: Readonly<Record<string, string | undefined>>): FakeResponse {
    if (node !== this.#node) return failed(500, "Missing node registration");
    const ttlMs = ttl === "" ? undefined : durationMs(ttl);
    if (ttlMs !== undefined && !(ttlMs >= 10_000 && ttlMs <= 86_400_000))
      return failed(500, `Invalid Session TTL '${String(ttlMs * 1e6)}', must be between [10s=24h0m0s]`);
    const session: FakeSession = {
      id: randomUUID(),
      name,
      node,
      lockDelayMs: durationMs(lockDelay) ?? 0,
      ttl,
      behavior,
      createIndex: this.#touch(undefined),
      timer: undefined,
    };
    this.#sessions.set(session.id, session);
    this.#arm(session);
    return json({ ID: session.id });
  }

  #arm(session: FakeSession): void {
    clearTimeout(session.timer);
    if (session.ttl === "") return;
    const ttlMs = (durationMs(session.ttl) ?? 0) * this.#ttlFactor;
    session.timer = setTimeout(() => {
      this.endSession(session.id);
    }, ttlMs);
  }

  #touch(key: string | undefined): number {
    const at = this.#log.advance();
    if (key !== undefined) this.#touched.set(key, at);
    return at;
  }
}

function shown({ key, value, session, lockIndex, createIndex, modifyIndex }: Entry): object {
  return {
    LockIndex: lockIndex,
    Key: key,
    Flags: 0,
    Value: value.length === 0 ? null : value.toString("base64"),
    ...(session !== undefined && { Session: session }),
    CreateIndex: createIndex,
    ModifyIndex: modifyIndex,
  };
}

function shownSession({ id, name, node, lockDelayMs, ttl, behavior, createIndex }: FakeSession): object {
  const shownTtl = ttl === "" ? "" : formatDuration(durationMs(ttl) ?? 0);
  return {
    ID: id,
    Name: name,
    Node: node,
    LockDelay: lockDelayMs * 1e6,
    Behavior: behavior,
    TTL: shownTtl,
    NodeChecks: ["serfHealth"],
    ServiceChecks: null,
    CreateIndex: createIndex,
    ModifyIndex: createIndex,
  };
}
