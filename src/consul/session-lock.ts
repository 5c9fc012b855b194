import { lost, type ElectionError } from "../election/errors.js";
import { requestMs, resolveLeadership } from "../election/lock-config.js";
import type { Hold, LeaderEntry, Leadership, Lock, LockProvider, LockSession } from "../election/lock.js";
import { untilReleased } from "../election/lock-release.js";
import type { RawResponse, RequestSpec, Sender } from "../http/exchange.js";
import { abortable } from "../util/signals.js";
import { agentCalls } from "./agent.js";
import { BlockingQuery } from "./blocking-query.js";
import { NotFoundError, RequestError } from "./errors.js";
import { decode, unexpected } from "./fields.js";
import { keyPath, readEntries, type KVEntry } from "./kv.js";
import { remoteNode } from "./remote-node.js";
import { request, specOf, type Query } from "./request.js";
import { createSessionSpec, destroySessionSpec, readCreated, readRenewed, renewSessionSpec } from "./session.js";
import { textOf } from "./text.js";
import {
  SESSION_DELETE,
  SESSION_MAXIMUM_LOCK_DELAY_MS,
  SESSION_MAXIMUM_TTL_MS,
  SESSION_MINIMUM_TTL_MS,
  type SessionId,
} from "./types.js";

const limits = {
  minTtlMs: SESSION_MINIMUM_TTL_MS,
  maxTtlMs: SESSION_MAXIMUM_TTL_MS,
  maxLockDelayMs: SESSION_MAXIMUM_LOCK_DELAY_MS,
};
/** Between two tries while Consul's lock-delay runs, in ms. */
const minDelayMs = 100;
const maxDelayMs = 1_000;
/** How long a blocking query waits at most, in ms: a connection that died unnoticed costs that much. */
const maxWaitMs = 60_000;

/** Locks on Consul: a key that is held by a session, which goes when its holder does not renew it. */
export function sessionLocks(sender: Sender): LockProvider {
  return {
    owner: sender,
    resolve: (config) => {
      const leadership = resolveLeadership(config, limits);
      keyPath(leadership.key);
      return leadership;
    },
    connect: async (leadership, signal) => {
      const { name, tags } = await agentCalls(sender).self({ dc: leadership.dc, signal });
      const { dc } = leadership;
      if (dc === undefined || dc === "" || dc === tags["dc"]) return new SessionLock(sender, leadership, () => name);
      const findNode = (): Promise<string> => remoteNode(dc, (spec) => request(sender, spec, undefined));
      // a datacenter that cannot be reached rejects here, and is not waited for
      await abortable(findNode(), signal);
      return new SessionLock(sender, leadership, findNode);
    },
  };
}

class SessionLock implements Lock {
  readonly beatsPerTtl = 2;
  readonly #requests: KeyRequests;
  /** Finds the node that a session is to belong to. */
  readonly #nodeFor: () => string | Promise<string>;

  constructor(sender: Sender, leadership: Leadership, nodeFor: () => string | Promise<string>) {
    this.#requests = new KeyRequests(sender, leadership);
    this.#nodeFor = nodeFor;
  }

  async open(signal: AbortSignal): Promise<LockSession> {
    signal.throwIfAborted();
    // goes on when aborted: a session that nobody knows of would keep its node's name, and a timer of the server's
    const creating = this.#create();
    try {
      return new ConsulLockSession(this.#requests, await abortable(creating, signal));
    } catch (error) {
      if (signal.aborted) creating.then((id) => this.#requests.destroy(id, undefined)).catch(() => undefined);
      throw error;
    }
  }

  async entry(signal: AbortSignal | undefined): Promise<LeaderEntry | undefined> {
    const entry = await this.#requests.read(signal);
    return entry && leaderEntry(entry);
  }

  async #create(): Promise<SessionId> {
    const { description: name, lockDelayMs, ttlMs, dc } = this.#requests.leadership;
    const node = await this.#nodeFor();
    const spec = createSessionSpec({ node, name, lockDelayMs, ttlMs, behavior: SESSION_DELETE }, dc);
    return readCreated(spec, await this.#requests.send(spec, undefined));
  }
}

class ConsulLockSession implements LockSession {
  readonly id: SessionId;
  readonly ttlMs: number;
  readonly #requests: KeyRequests;
  /** Whether the key may be ours: from when an acquire was sent until we know better. */
  #mayHold = false;
  /** Settles when the last `tryAcquire` has, which goes on when its caller no longer waits. */
  #acquiring: Promise<unknown> = Promise.resolve();
  /** How often in a row the key was free, and yet not to be had. */
  #refusals = 0;

  constructor(requests: KeyRequests, id: SessionId) {
    this.#requests = requests;
    this.id = id;
    this.ttlMs = requests.leadership.ttlMs;
  }

  async tryAcquire(signal: AbortSignal): Promise<Hold | undefined> {
    signal.throwIfAborted();
    // never cut short: a release that overtakes it would leave the lock with a session that ends, and a lock-delay behind
    const acquiring = this.#acquire();
    this.#acquiring = acquiring.catch(() => undefined);
    return abortable(acquiring, signal);
  }

  async #acquire(): Promise<Hold | undefined> {
    this.#mayHold = true;
    this.#mayHold = await this.#requests.write({ acquire: this.id }, undefined).catch((error: unknown) => {
      if (isInvalidSession(error)) throw this.#lost("Consul does not know the session any more");
      throw error;
    });
    if (!this.#mayHold) return undefined;
    const entry = await this.#requests.read(undefined);
    if (entry?.session !== this.id) return undefined;
    this.#refusals = 0;
    return { fencingToken: tokenOf(entry) };
  }

  async keep(signal: AbortSignal): Promise<number> {
    const { dc, ttlMs } = this.#requests.leadership;
    const spec = renewSessionSpec(this.id, dc);
    try {
      const answered = readRenewed(spec, await this.#requests.send(spec, signal));
      return answered === Infinity ? ttlMs : answered;
    } catch (error) {
      throw error instanceof NotFoundError ? this.#lost("the session has ended") : error;
    }
  }

  async untilFree(signal: AbortSignal): Promise<number> {
    const query = this.#requests.query();
    for (let waited = false; ; waited = true) {
      const entry = readFirst(query.asked, await query.next(signal));
      if (entry !== undefined && entry.session !== "" && entry.session !== this.id) {
        this.#refusals = 0;
        continue;
      }
      if (waited) return 0;
      // free, but refused: it was given up meanwhile, or else a lock-delay runs, of which nothing tells the end
      this.#refusals++;
      return this.#refusals === 1
        ? 0
        : Math.max(minDelayMs, Math.min(maxDelayMs, this.#requests.leadership.lockDelayMs));
    }
  }

  async untilLost(signal: AbortSignal): Promise<void> {
    const query = this.#requests.query();
    while (readFirst(query.asked, await query.next(signal))?.session === this.id);
    this.#mayHold = false;
  }

  async release(signal: AbortSignal): Promise<boolean> {
    const released = await this.#requests.write({ release: this.id }, signal);
    this.#mayHold = false;
    return released;
  }

  async close(signal: AbortSignal): Promise<void> {
    await abortable(this.#acquiring, signal);
    await untilReleased(signal, async (each) => {
      // a session that ends while it holds the key leaves a lock-delay behind
      if (this.#mayHold) await this.release(each).catch(unlessRefused);
      await this.#requests.destroy(this.id, each);
    });
  }

  #lost(why: string): ElectionError {
    this.#mayHold = false;
    return lost(why);
  }
}

/** The requests about one key, each in time for several tries before the TTL is over. */
class KeyRequests {
  readonly leadership: Leadership;
  readonly #sender: Sender;
  readonly #path: string;
  readonly #body: string;
  readonly #limitMs: number;

  constructor(sender: Sender, leadership: Leadership) {
    this.leadership = leadership;
    this.#sender = sender;
    this.#path = keyPath(leadership.key);
    this.#body = goJson(leadership.contactInfo);
    this.#limitMs = requestMs(leadership.ttlMs);
  }

  send(spec: RequestSpec, signal: AbortSignal | undefined): Promise<RawResponse> {
    return request(this.#sender, { ...spec, limits: { headersMs: this.#limitMs, idleMs: this.#limitMs } }, signal);
  }

  /** An acquire or a release: whether it was done. Other readers expect the same body of both. */
  async write(query: Query, signal: AbortSignal | undefined): Promise<boolean> {
    const spec: RequestSpec = {
      ...specOf("PUT", this.#path, { dc: this.leadership.dc, ...query }),
      headers: { "content-type": "application/json" },
      body: this.#body,
    };
    const raw = await this.send(spec, signal);
    return decode(spec, raw, (done) => (typeof done === "boolean" ? done : unexpected("it is neither true nor false")));
  }

  async read(signal: AbortSignal | undefined): Promise<KVEntry | undefined> {
    const query = this.query();
    return readFirst(query.asked, await query.next(signal));
  }

  query(): BlockingQuery {
    const { ttlMs, dc } = this.leadership;
    return new BlockingQuery(this.#sender, {
      path: this.#path,
      query: { dc, consistent: "true" },
      waitMs: Math.min(ttlMs / 2, maxWaitMs),
      firstMs: this.#limitMs,
    });
  }

  async destroy(id: SessionId, signal: AbortSignal | undefined): Promise<void> {
    await this.send(destroySessionSpec(id, this.leadership.dc), signal);
  }
}

function readFirst(spec: RequestSpec, raw: RawResponse): KVEntry | undefined {
  return raw.status === 404 ? undefined : decode(spec, raw, readEntries)[0];
}

function leaderEntry(entry: KVEntry): LeaderEntry {
  const value = textOf(entry.value) ?? "";
  return {
    key: entry.key,
    contactInfo: contactInfoOf(value),
    value,
    held: entry.session !== "",
    ...(entry.session !== "" && { sessionId: entry.session }),
    fencingToken: tokenOf(entry),
    createdIndex: entry.createIndex,
    modifiedIndex: entry.modifyIndex,
  };
}

/** Not the LockIndex: that begins at 1 again once the key is gone, as it is after each session that ends. */
function tokenOf({ modifyIndex }: KVEntry): string {
  return String(modifyIndex);
}

/** A JSON string, as Go writes it. */
function goJson(text: string): string {
  return JSON.stringify(text).replace(
    /[<>&\u2028\u2029]/g,
    (each) => `\\u${each.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}

/** What a JSON string holds; any other text is what it is. */
function contactInfoOf(value: string): string {
  try {
    const info: unknown = JSON.parse(value);
    return typeof info === "string" ? info : value;
  } catch {
    return value;
  }
}

/** Consul says it with a 500, and has no number for it. */
function isInvalidSession(error: unknown): boolean {
  return error instanceof RequestError && error.statusCode === 500 && /invalid session/i.test(error.body);
}

/** A refusal will not become better; anything else may. */
function unlessRefused(error: unknown): void {
  if (!(error instanceof RequestError)) throw error;
}
