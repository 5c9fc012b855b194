import { randomUUID } from "node:crypto";
import { createCandidate } from "../candidate.js";
import { untilResponse } from "../lock-contact.js";
import { lost } from "../errors.js";
import { resolveLeadership } from "../lock-config.js";
import type { Candidate, Hold, LeaderEntry, Leadership, Lock, LockSession } from "../lock.js";
import { EndpointError } from "../../util/errors.js";
import { abortable, sleep, untilAborted } from "../../util/signals.js";
import type { Cut } from "../../test-kit/tcp-proxy.js";

interface MemorySession {
  readonly id: string;
  readonly leadership: Leadership;
  timer: NodeJS.Timeout | undefined;
}

interface MemoryKey {
  holder: MemorySession | undefined;
  token: number;
  closedUntilMs: number;
}

/** A lock server in this process, with sessions that expire and a lock-delay, like Consul's. */
export class MemoryLockServer {
  readonly #sessions = new Map<string, MemorySession>();
  readonly #keys = new Map<string, MemoryKey>();
  readonly #watchers = new Set<() => void>();
  #lastToken = 0;

  connect(): MemoryConnection {
    return new MemoryConnection(this);
  }

  openSession(leadership: Leadership): string {
    const session: MemorySession = { id: randomUUID(), leadership, timer: undefined };
    this.#sessions.set(session.id, session);
    this.renew(session.id);
    return session.id;
  }

  /** Renews a session. Returns whether it exists. */
  renew(id: string): boolean {
    const session = this.#sessions.get(id);
    if (session === undefined) return false;
    clearTimeout(session.timer);
    session.timer = setTimeout(() => {
      this.endSession(id);
    }, session.leadership.ttlMs);
    return true;
  }

  /** Ends a session; the key it held stays closed for the lock-delay. */
  endSession(id: string): void {
    const session = this.#sessions.get(id);
    if (session === undefined) return;
    clearTimeout(session.timer);
    this.#sessions.delete(id);
    const key = this.key(session.leadership.key);
    if (key.holder !== session) return;
    key.holder = undefined;
    key.closedUntilMs = performance.now() + session.leadership.lockDelayMs;
    this.#changed();
  }

  acquire(id: string): number | "held" | "unknown session" {
    const session = this.#sessions.get(id);
    if (session === undefined) return "unknown session";
    const key = this.key(session.leadership.key);
    if (key.holder === session) return key.token;
    if (key.holder !== undefined || performance.now() < key.closedUntilMs) return "held";
    key.holder = session;
    key.token = ++this.#lastToken;
    this.#changed();
    return key.token;
  }

  release(id: string, name: string): boolean {
    const key = this.key(name);
    if (key.holder?.id !== id) return false;
    key.holder = undefined;
    this.#changed();
    return true;
  }

  key(name: string): MemoryKey {
    const key = this.#keys.get(name) ?? { holder: undefined, token: 0, closedUntilMs: 0 };
    this.#keys.set(name, key);
    return key;
  }

  async change(signal: AbortSignal): Promise<void> {
    let wake = (): void => undefined;
    const woken = new Promise<void>((resolve) => (wake = resolve));
    this.#watchers.add(wake);
    await Promise.race([woken, untilAborted(signal)]);
    this.#watchers.delete(wake);
    signal.throwIfAborted();
  }

  #changed(): void {
    for (const wake of this.#watchers) wake();
  }
}

/** One contender's connection to the server, which can be cut. */
export class MemoryConnection {
  readonly candidate: Candidate;
  readonly server: MemoryLockServer;
  readonly releases = { sent: 0, answered: 0 };
  /** How long a release takes, in ms. */
  releaseMs = 0;
  lastGoodBeatMs = 0;
  pending = 0;
  #cut: Cut | undefined;
  #slowMs = 0;
  readonly #calls = new Set<AbortController>();

  constructor(server: MemoryLockServer) {
    this.server = server;
    this.candidate = createCandidate({
      owner: this,
      isRefusal: () => false,
      resolve: (config, what) =>
        resolveLeadership(config, { minTtlMs: 50, maxTtlMs: 60_000, maxLockDelayMs: 60_000 }, what),
      connect: async (leadership, signal) => {
        const lock = new MemoryLock(this, leadership);
        await untilResponse({ ...leadership, owner: server, signal }, (each) => lock.entry(each));
        return lock;
      },
    });
  }

  cut(how: Cut): void {
    this.#cut = how;
    if (how === "refuse") this.#endCalls();
  }

  /** Delays responses from now on, in ms. */
  slow(ms: number): void {
    this.#slowMs = ms;
  }

  heal(): void {
    this.#cut = undefined;
    this.#endCalls();
  }

  /** Sends one request. It takes a moment, and its effect comes in the middle of it. */
  async call<T>(signal: AbortSignal | undefined, apply: () => T | Promise<T>): Promise<T> {
    signal?.throwIfAborted();
    const broken = new AbortController();
    this.#calls.add(broken);
    this.pending++;
    const off = signal === undefined ? broken.signal : AbortSignal.any([signal, broken.signal]);
    try {
      await this.#pass(off);
      const value = await apply();
      await sleep(this.#slowMs, off);
      await this.#pass(off);
      return value;
    } finally {
      this.pending--;
      this.#calls.delete(broken);
    }
  }

  async beat<T>(signal: AbortSignal, apply: () => T): Promise<T> {
    const sentMs = performance.now();
    const value = await this.call(signal, apply);
    this.lastGoodBeatMs = sentMs;
    return value;
  }

  async #pass(signal: AbortSignal): Promise<void> {
    if (this.#cut === "refuse") throw refused("connection refused");
    if (this.#cut === "hang" || this.#cut === "mute") await untilAborted(signal);
    await sleep(1, signal);
  }

  #endCalls(): void {
    for (const call of this.#calls) call.abort(refused("connection reset"));
  }
}

class MemoryLock implements Lock {
  readonly beatsPerTtl = 3;
  readonly #connection: MemoryConnection;
  readonly #leadership: Leadership;

  constructor(connection: MemoryConnection, leadership: Leadership) {
    this.#connection = connection;
    this.#leadership = leadership;
  }

  async open(signal: AbortSignal): Promise<LockSession> {
    const id = await this.#connection.beat(signal, () => this.#connection.server.openSession(this.#leadership));
    return new MemoryLockSession(this.#connection, this.#leadership, id);
  }

  entry(signal: AbortSignal | undefined): Promise<LeaderEntry | undefined> {
    return this.#connection.call(signal, () => {
      const { key } = this.#leadership;
      const { holder, token } = this.#connection.server.key(key);
      if (holder === undefined) return undefined;
      const { contactInfo } = holder.leadership;
      return {
        key,
        contactInfo,
        value: contactInfo,
        held: true,
        sessionId: holder.id,
        fencingToken: String(token),
        createdIndex: token,
        modifiedIndex: token,
      };
    });
  }
}

class MemoryLockSession implements LockSession {
  readonly id: string;
  readonly ttlMs: number;
  readonly #connection: MemoryConnection;
  readonly #leadership: Leadership;
  #acquiring: Promise<unknown> = Promise.resolve();

  constructor(connection: MemoryConnection, leadership: Leadership, id: string) {
    this.id = id;
    this.ttlMs = leadership.ttlMs;
    this.#connection = connection;
    this.#leadership = leadership;
  }

  async tryAcquire(signal: AbortSignal): Promise<Hold | undefined> {
    signal.throwIfAborted();
    const acquiring = this.#connection.call(undefined, () => this.#server.acquire(this.id));
    this.#acquiring = acquiring.catch(() => undefined);
    const answer = await abortable(acquiring, signal);
    if (answer === "unknown session") throw lost("the session is unknown");
    return answer === "held" ? undefined : { fencingToken: String(answer) };
  }

  async keep(signal: AbortSignal): Promise<number> {
    const known = await this.#connection.beat(signal, () => this.#server.renew(this.id));
    if (!known) throw lost("the session is unknown");
    return this.ttlMs;
  }

  untilFree(signal: AbortSignal): Promise<number> {
    return this.#connection.call(signal, async () => {
      const key = this.#server.key(this.#leadership.key);
      if (key.holder === undefined) return Math.min(1_000, this.#leadership.lockDelayMs / 4);
      do await this.#server.change(signal);
      while (key.holder as unknown);
      return 0;
    });
  }

  untilLost(signal: AbortSignal): Promise<void> {
    return this.#connection.call(signal, async () => {
      const key = this.#server.key(this.#leadership.key);
      while (key.holder?.id === this.id) await this.#server.change(signal);
    });
  }

  async release(signal: AbortSignal): Promise<boolean> {
    this.#connection.releases.sent++;
    await sleep(this.#connection.releaseMs, signal);
    const wasOurs = await this.#connection.call(signal, () => this.#server.release(this.id, this.#leadership.key));
    this.#connection.releases.answered++;
    return wasOurs;
  }

  async close(signal: AbortSignal): Promise<void> {
    await abortable(this.#acquiring, signal);
    await this.#connection.call(signal, () => {
      this.#server.release(this.id, this.#leadership.key);
      this.#server.endSession(this.id);
    });
  }

  get #server(): MemoryLockServer {
    return this.#connection.server;
  }
}

function refused(message: string): EndpointError {
  return new EndpointError("ERR_NETWORK", message, { endpoint: "memory", outcome: "unknown" });
}
