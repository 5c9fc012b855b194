import { randomUUID } from "node:crypto";
import { EtcdError, isKeyNotFound, Mirror, type KeyNode, type KeysAPI, type KeysClient } from "../core/index.js";
import { keyPath } from "../election/etcd-entry.js";
import { lockKeys } from "../election/etcd-keys.js";
import { EtcdSession } from "../election/etcd-session.js";
import {
  QueuedSession,
  queueValue,
  readQueueValue,
  type QueueEntry,
  type QueueReader,
} from "../election/lock-queue.js";
import type { LeaderEntry, Leadership, Lock, LockSession, OnFailure } from "../election/lock.js";
import type { QueueOptions } from "../election/locks.js";

/**
 * A directory of etcd, with an entry for each waiter and each holder of the lock. Its `createdIndex` is the fencing
 * token.
 */
export class EtcdQueueLock implements Lock {
  readonly beatsPerTtl = 3;
  readonly #keys: KeysAPI;
  readonly #leadership: Leadership;
  readonly #dir: string;
  readonly #options: QueueOptions;
  readonly #history: History;

  constructor(client: KeysClient, leadership: Leadership, options: QueueOptions) {
    this.#keys = lockKeys(client, leadership.ttlMs);
    this.#leadership = leadership;
    this.#dir = keyPath(leadership.key);
    this.#options = options;
    this.#history = new History(leadership.ttlMs);
  }

  /** Without I/O: a session exists at etcd only while its entry does. */
  open(): Promise<LockSession> {
    const { key, contactInfo, ttlMs, lockDelayMs } = this.#leadership;
    const id = randomUUID();
    const value = queueValue(id, contactInfo, this.#options.limit);
    const entry = new EtcdSession({ keys: this.#keys, key: `${this.#dir}/${id}`, id, value, ttlMs, lockDelayMs });
    const queue = new EtcdQueue({ keys: this.#keys, dir: this.#dir, ttlMs, history: this.#history });
    return Promise.resolve(new QueuedSession({ ...this.#options, entry, queue, key }));
  }

  /** A lock has no single entry. */
  entry(): Promise<LeaderEntry | undefined> {
    return Promise.resolve(undefined);
  }
}

/** Whether the store has started over during the wait for a lock: emptied, or restored from a backup. */
class History {
  readonly #ttlMs: number;
  #index = 0;
  #untilMs = 0;

  constructor(ttlMs: number) {
    this.#ttlMs = ttlMs;
  }

  /** How long a holder in the former store may still rely on its lock, in ms. */
  get holdOffMs(): number {
    return Math.max(0, this.#untilMs - performance.now());
  }

  /** Notes the index of a quorum read, which never goes back in one store. */
  note(index: number): void {
    if (index < this.#index) this.startedOver();
    this.#index = index;
  }

  /** Notes that the store has started over. */
  startedOver(): void {
    this.#untilMs = performance.now() + this.#ttlMs;
  }
}

interface EtcdQueueFields {
  readonly keys: KeysAPI;
  readonly dir: string;
  readonly ttlMs: number;
  /** Outlasts the sessions. */
  readonly history: History;
}

class EtcdQueue implements QueueReader {
  readonly #keys: KeysAPI;
  readonly #dir: string;
  readonly #ttlMs: number;
  readonly #history: History;

  constructor({ keys, dir, ttlMs, history }: EtcdQueueFields) {
    this.#keys = keys;
    this.#dir = dir;
    this.#ttlMs = ttlMs;
    this.#history = history;
  }

  async entries(signal: AbortSignal): Promise<readonly QueueEntry[]> {
    try {
      const { node, index } = await this.#keys.get(this.#dir, { quorum: true, signal });
      this.#history.note(index);
      return entriesOf(node.nodes);
    } catch (error) {
      if (!isKeyNotFound(error)) throw error;
      if (error instanceof EtcdError) this.#history.note(error.index);
      return [];
    }
  }

  holdOffMs(): number {
    return this.#history.holdOffMs;
  }

  follow(onError: OnFailure): (signal: AbortSignal) => Promise<readonly QueueEntry[]> {
    // it retries on its own, with short pauses: others wait for the lock
    const mirror = new Mirror(this.#keys, this.#dir, { onError, maxRetryMs: Math.min(1_000, this.#ttlMs / 2) });
    return async (signal) => {
      const { startedOver } = await mirror.next(signal);
      if (startedOver === true) this.#history.startedOver();
      return entriesOf(mirror.values());
    };
  }

  /** Removes the directory, which would otherwise stay when it is empty. If there is an entry again, etcd refuses. */
  async tidy(signal: AbortSignal): Promise<void> {
    const { node } = await this.#keys.get(this.#dir, { quorum: false, signal });
    if (node.dir && node.nodes.length === 0) await this.#keys.delete(this.#dir, { dir: true, signal });
  }
}

function entriesOf(nodes: Iterable<KeyNode>): readonly QueueEntry[] {
  return [...nodes].flatMap(({ dir, value, createdIndex: index }) => {
    const entry = dir ? undefined : readQueueValue(value);
    return entry === undefined ? [] : [{ ...entry, index }];
  });
}
