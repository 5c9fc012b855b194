import { KeysAPI, keysOf, type KeysClient, type Sender } from "../core/index.js";
import { maxTimerMs } from "../util/signals.js";
import { requireFields, type Checks } from "../util/fields.js";
import { createCandidate } from "./candidate.js";
import { entryOf, keyPath, readNode } from "./etcd-entry.js";
import { EtcdSession } from "./etcd-session.js";
import { requestMs, resolveLeadership } from "./lock-config.js";
import { type Candidate, type LeaderEntry, type Leadership, type Lock, type LockSession } from "./lock.js";
import { untilAnswered } from "./lock-contact.js";
import { observe } from "./observe.js";

export interface EtcdCandidateOptions {
  /**
   * The cluster. Of a `Client` the election's requests wait no longer than a part of the TTL, then go on to the next
   * endpoint, and its reads are by quorum; a `KeysAPI` does as its own client says.
   */
  readonly client: KeysClient;
}

/** A candidate whose leaderships are keys of etcd. */
export interface EtcdCandidate extends Candidate {
  /** See {@link observe}. */
  observe(key: string, signal?: AbortSignal): AsyncGenerator<LeaderEntry | undefined, void, undefined>;
}

const limits = { minTtlMs: 1, maxTtlMs: maxTimerMs, maxLockDelayMs: maxTimerMs } as const;

/** @throws {UsageError} for bad options */
export function createEtcdCandidate(options: EtcdCandidateOptions): EtcdCandidate {
  requireFields("options", options, checks);
  const { client } = options;
  const candidate = createCandidate({
    owner: client,
    resolve: (config) => {
      const leadership = resolveLeadership(config, limits);
      keysOf(client).watcher(keyPath(leadership.key));
      // whole seconds, as etcd counts
      return { ...leadership, ttlMs: Math.ceil(leadership.ttlMs / 1_000) * 1_000 };
    },
    connect: async (leadership, signal) => {
      const lock = new EtcdLock(client, leadership);
      await untilAnswered({ ...leadership, owner: client, signal }, (each) => lock.entry(each));
      return lock;
    },
  });
  return { ...candidate, observe: (key, signal) => observe(client, key, signal) };
}

/** One key with a TTL: whoever creates it leads, and keeps it by refreshing it; its `createdIndex` is the fencing token. */
class EtcdLock implements Lock {
  readonly beatsPerTtl = 3;
  readonly #keys: KeysAPI;
  readonly #leadership: Leadership;

  constructor(client: KeysClient, leadership: Leadership) {
    this.#keys = client instanceof KeysAPI ? client : new KeysAPI(impatient(client, leadership.ttlMs));
    this.#leadership = leadership;
  }

  /** No I/O: the name alone makes the session. */
  open(): Promise<LockSession> {
    return Promise.resolve(new EtcdSession(this.#keys, this.#leadership));
  }

  async entry(signal: AbortSignal | undefined): Promise<LeaderEntry | undefined> {
    const node = await readNode(this.#keys, keyPath(this.#leadership.key), signal);
    return node === undefined || node.dir ? undefined : entryOf(node);
  }
}

/** A frozen member answers nothing: not for long, and a silent watch is asked again elsewhere. */
function impatient(client: Sender, ttlMs: number): Sender {
  const ms = requestMs(ttlMs);
  return {
    quorumReads: true,
    send: (spec, signal) =>
      client.send({ ...spec, limits: { headersMs: ms, idleMs: spec.longPoll === true ? ttlMs : ms } }, signal),
  };
}

const checks: Checks<EtcdCandidateOptions> = {
  client: (_what, client) => {
    keysOf(client as KeysClient);
  },
};
