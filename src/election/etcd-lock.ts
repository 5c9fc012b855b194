import { randomUUID } from "node:crypto";
import type { KeysAPI, KeysClient } from "../core/index.js";
import { requireFields, type Checks } from "../util/fields.js";
import { createCandidate } from "./candidate.js";
import { entryOf, keyPath, readNode } from "./etcd-entry.js";
import { requireKeysClient } from "../util/validate.js";
import { isEtcdRefusal, lockKeys, resolveForEtcd } from "./etcd-keys.js";
import { EtcdSession } from "./etcd-session.js";
import { untilResponse } from "./lock-contact.js";
import type { Candidate, LeaderEntry, Leadership, Lock, LockSession } from "./lock.js";
import { observe } from "./observe.js";

/** Options of {@link createEtcdCandidate}. */
export interface EtcdCandidateOptions {
  /**
   * The cluster. With a `Client`, each request of the election waits for a part of the TTL only, before it goes on to the
   * next endpoint, and reads are by quorum. A `KeysAPI` keeps the limits of its own client.
   */
  readonly client: KeysClient;
}

/** A candidate whose leaderships are keys of etcd. */
export interface EtcdCandidate extends Candidate {
  /** See {@link observe}. */
  observe(key: string, signal?: AbortSignal): AsyncGenerator<LeaderEntry | undefined, void, undefined>;
}

/**
 * Makes a candidate for elections on etcd. Does no I/O.
 *
 * @throws {UsageError} for bad options
 * @example
 * const candidate = createEtcdCandidate({ client });
 * const session = await candidate.participate({ key: "jobs/leader", contactInfo: "10.0.0.1:80" }, async ({ signal }) => {
 *   while (!signal.aborted) await work(signal);
 * });
 */
export function createEtcdCandidate(options: EtcdCandidateOptions): EtcdCandidate {
  requireFields("options", options, checks);
  const { client } = options;
  const candidate = createCandidate({
    owner: client,
    isRefusal: isEtcdRefusal,
    resolve: (config, what) => resolveForEtcd(client, config, what),
    connect: async (leadership, signal) => {
      const lock = new EtcdLock(client, leadership);
      await untilResponse({ ...leadership, owner: client, signal }, (each) => lock.entry(each));
      return lock;
    },
  });
  return { ...candidate, observe: (key, signal) => observe(client, key, signal) };
}

/** One key with a TTL. Whoever creates it leads, and keeps it by refreshing it. Its `createdIndex` is the fencing token. */
class EtcdLock implements Lock {
  readonly beatsPerTtl = 3;
  readonly #keys: KeysAPI;
  readonly #leadership: Leadership;

  constructor(client: KeysClient, leadership: Leadership) {
    this.#keys = lockKeys(client, leadership.ttlMs);
    this.#leadership = leadership;
  }

  /** Without I/O: a session exists at etcd only while its key does. */
  open(): Promise<LockSession> {
    const { key, contactInfo, ttlMs, lockDelayMs } = this.#leadership;
    const id = randomUUID();
    const value = JSON.stringify({ session: id, contact: contactInfo });
    return Promise.resolve(new EtcdSession({ keys: this.#keys, key: keyPath(key), id, value, ttlMs, lockDelayMs }));
  }

  async entry(signal: AbortSignal | undefined): Promise<LeaderEntry | undefined> {
    const node = await readNode(this.#keys, keyPath(this.#leadership.key), signal);
    return node === undefined || node.dir ? undefined : entryOf(node);
  }
}

const checks: Checks<EtcdCandidateOptions> = { client: requireKeysClient };
