import { resolveLeadership } from "../election/lock-config.js";
import type { LeaderEntry, Leadership, Lock, LockProvider, LockSession } from "../election/lock.js";
import type { Sender } from "../http/exchange.js";
import { abortable } from "../util/signals.js";
import { agentCalls } from "./agent.js";
import { RequestError } from "./errors.js";
import { keyPath, type KVEntry } from "./kv.js";
import { KeyRequests } from "./lock-requests.js";
import { ConsulLockSession, tokenOf } from "./lock-session.js";
import { remoteNode } from "./remote-node.js";
import { request } from "./request.js";
import { createSessionSpec, readCreated } from "./session.js";
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

/** How the sessions of a lock claim it. */
export interface SessionLockOptions {
  /** The claim of a session on the lock. */
  readonly sessionFor: (leadership: Leadership, id: SessionId) => LockSession;
}

/** Locks on Consul: keys that are held by sessions. A session ends when its holder does not renew it. */
export function sessionLocks(
  sender: Sender,
  { sessionFor }: SessionLockOptions = {
    sessionFor: (leadership, id) => new ConsulLockSession({ requests: new KeyRequests(sender, leadership), id }),
  },
): LockProvider {
  return {
    owner: sender,
    isRefusal: isConsulRefusal,
    resolve: (config, what) => {
      const leadership = resolveLeadership(config, limits, what);
      keyPath(leadership.key);
      return leadership;
    },
    connect: async (leadership, signal) => {
      const { name, tags } = await agentCalls(sender).self({ dc: leadership.dc, signal });
      const { dc } = leadership;
      const lockFor = (nodeFor: () => string | Promise<string>): Lock =>
        new SessionLock({ sender, leadership, nodeFor, sessionFor });
      if (dc === undefined || dc === "" || dc === tags["dc"]) return lockFor(() => name);
      const findNode = (): Promise<string> => remoteNode(dc, (spec) => request(sender, spec, undefined));
      // a datacenter that cannot be reached rejects here, and is not waited for
      await abortable(findNode(), signal);
      return lockFor(findNode);
    },
  };
}

interface SessionLockFields extends SessionLockOptions {
  readonly sender: Sender;
  readonly leadership: Leadership;
  /** Finds the node that a session is to belong to. */
  readonly nodeFor: () => string | Promise<string>;
}

class SessionLock implements Lock {
  readonly beatsPerTtl = 2;
  readonly #requests: KeyRequests;
  readonly #nodeFor: () => string | Promise<string>;
  readonly #sessionFor: (id: SessionId) => LockSession;

  constructor({ sender, leadership, nodeFor, sessionFor }: SessionLockFields) {
    this.#requests = new KeyRequests(sender, leadership);
    this.#nodeFor = nodeFor;
    this.#sessionFor = (id) => sessionFor(leadership, id);
  }

  async open(signal: AbortSignal): Promise<LockSession> {
    signal.throwIfAborted();
    // not cancelled by an abort: an unknown session would last for its whole TTL
    const creating = this.#create();
    try {
      return this.#sessionFor(await abortable(creating, signal));
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

/** The text of a JSON string. Anything else is returned as it is. */
function contactInfoOf(value: string): string {
  try {
    const info: unknown = JSON.parse(value);
    return typeof info === "string" ? info : value;
  } catch {
    return value;
  }
}

/** Statuses below 500 that a later request may not meet. */
const transientStatuses: ReadonlySet<number> = new Set([408, 421, 425, 429]);

/** Whether Consul refused, so that another attempt would not help. */
function isConsulRefusal(error: unknown): boolean {
  return error instanceof RequestError && error.statusCode < 500 && !transientStatuses.has(error.statusCode);
}
