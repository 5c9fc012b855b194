import { isObject } from "../util/is-object.js";
import { badArgument } from "../util/validate.js";
import { lost } from "./errors.js";
import type { Hold, LockSession, OnFailure } from "./lock.js";

/** One contender in the queue of a lock or semaphore, as the backend stores it. */
export interface QueueEntry {
  /** The contender's session. */
  readonly id: string;
  /** The backend's index of the write that created the entry. Later entries have higher ones. */
  readonly index: number;
  /** How many may hold the semaphore, according to this contender; 1 for a lock. */
  readonly limit: number;
}

/** Reads the queue of one lock. */
export interface QueueReader {
  /** All entries. Never stale. */
  entries(signal: AbortSignal): Promise<readonly QueueEntry[]>;
  /**
   * Follows the entries. The first call resolves at once, each further one when something has changed. May be stale. Called
   * for one wait: each makes a new one.
   */
  follow(onFailure: OnFailure): (signal: AbortSignal) => Promise<readonly QueueEntry[]>;
  /** How long the lock must not be taken yet, in ms: if the store has started over, its former holder may not know. */
  holdOffMs(): number;
  /** Removes the remains of a queue without entries. */
  tidy(signal: AbortSignal): Promise<void>;
}

/** What {@link QueuedSession} needs. */
export interface QueuedSessionOptions {
  /** The claim on an entry of our own, which no other process contests. Its fencing token is the entry's index. */
  readonly entry: LockSession;
  readonly queue: QueueReader;
  /** The key of the lock, for messages. */
  readonly key: string;
  /** How many may hold it. */
  readonly limit: number;
  /** Whether to queue up only if the lock is free: a caller that does not want to wait need not wake those that do. */
  readonly onlyIfFree: boolean;
}

/**
 * A claim on a lock with a queue: every contender creates an entry, and the first `limit` entries hold the lock.
 *
 * No entry is ever created in front of another one. So a holder keeps the lock as long as its own entry exists,
 * whatever else happens, and an old list of entries that contains ours proves as much as a new one.
 */
export class QueuedSession implements LockSession {
  readonly #options: QueuedSessionOptions;
  /** Our place in the queue. */
  #place: Hold | undefined;

  constructor(options: QueuedSessionOptions) {
    this.#options = options;
  }

  get id(): string {
    return this.#options.entry.id;
  }

  get ttlMs(): number | undefined {
    return this.#options.entry.ttlMs;
  }

  async tryAcquire(signal: AbortSignal): Promise<Hold | undefined> {
    const { entry, queue, limit, onlyIfFree } = this.#options;
    if (this.#place === undefined) {
      const entries = await queue.entries(signal);
      // with a wrong limit there is not even an entry
      this.#requireLimit(entries);
      if (onlyIfFree && entries.length >= limit) return undefined;
    }
    const place = this.#place ?? (await entry.tryAcquire(signal));
    if (place === undefined) return undefined;
    const isNew = this.#place === undefined;
    this.#place = place;
    const isFirst = this.#isFirst(await queue.entries(signal));
    if (isFirst === undefined) throw lost("the entry in the queue was removed");
    // the time of the entry counts from its creation only if that was now
    if (isFirst && queue.holdOffMs() === 0) return isNew ? place : { fencingToken: place.fencingToken };
    return undefined;
  }

  keep(signal: AbortSignal): Promise<number | undefined> {
    return this.#options.entry.keep(signal);
  }

  async untilFree(signal: AbortSignal, onFailure: OnFailure): Promise<number> {
    // without an entry there is nothing to wait for
    if (this.#place === undefined) return 0;
    const next = this.#options.queue.follow(onFailure);
    // a list without our entry is older than the entry, or the entry is gone, which the next heartbeat will tell
    while (this.#isFirst(await next(signal)) !== true);
    return this.#options.queue.holdOffMs();
  }

  untilLost(signal: AbortSignal, onFailure: OnFailure): Promise<void> {
    return this.#options.entry.untilLost(signal, onFailure);
  }

  release(signal: AbortSignal): Promise<boolean> {
    this.#place = undefined;
    return this.#options.entry.release(signal);
  }

  async close(signal: AbortSignal): Promise<void> {
    const { entry, queue } = this.#options;
    this.#place = undefined;
    await entry.close(signal);
    // an entry that stays behind only takes a little of the server's memory
    await queue.tidy(signal).catch(() => undefined);
  }

  /** Whether our entry is one of the first; undefined if it is not among them. @throws {UsageError} if the limits differ */
  #isFirst(entries: readonly QueueEntry[]): boolean | undefined {
    const own = entries.find(({ id }) => id === this.id);
    if (own === undefined) return undefined;
    const ahead = entries.filter(({ index }) => index < own.index);
    this.#requireLimit(entries);
    return ahead.length < this.#options.limit;
  }

  /** The oldest entry is right; others with another limit are about to leave. */
  #requireLimit(entries: readonly QueueEntry[]): void {
    const { key, limit } = this.#options;
    const [oldest] = [...entries].sort((a, b) => a.index - b.index);
    if (oldest !== undefined && oldest.limit !== limit) {
      badArgument(`"${key}" is in use with the limit ${String(oldest.limit)}, not ${String(limit)}`);
    }
  }
}

/** The value of an entry. */
export function queueValue(id: string, contact: string, limit: number): string {
  return JSON.stringify({ session: id, contact, limit });
}

/** Reads the value of an entry; undefined if it was not written here. */
export function readQueueValue(value: string): Pick<QueueEntry, "id" | "limit"> | undefined {
  try {
    const json: unknown = JSON.parse(value);
    if (!isObject(json)) return undefined;
    const { session: id, limit } = json;
    return typeof id === "string" && typeof limit === "number" ? { id, limit } : undefined;
  } catch {
    return undefined;
  }
}
