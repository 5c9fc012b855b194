import { anything, optional, requireFields, type Checks } from "../util/fields.js";
import { badArgument, requireSignal, requireText, show } from "../util/validate.js";
import { acquireLock, tryAcquireLock, type AcquireOptions } from "./lock-acquiring.js";
import type { LockProvider } from "./lock.js";

/** How a lock is held. */
export interface LockOptions {
  /**
   * How long a holder that is not heard of keeps the lock, in ms. etcd counts whole seconds: rounded up. Consul accepts
   * 10 s to 24 h, and may take twice as long. @default 15000
   */
  readonly ttlMs?: number | undefined;
  /**
   * How long before the server could give the lock away it counts as lost, in ms; at most half of `ttlMs`.
   * @default a tenth of `ttlMs`, at most 1000
   */
  readonly marginMs?: number | undefined;
  /** Stored with the lock, for people who look at it. @default "" */
  readonly holder?: string | undefined;
  /** Consul's datacenter. Absent: the agent's own. Ignored by etcd. */
  readonly dc?: string | undefined;
  /** Ends the waiting for the lock. It has no effect on a lock that is held. */
  readonly signal?: AbortSignal | undefined;
}

/** Options of a semaphore. */
export interface SemaphoreOptions {
  /** How many may hold it at a time, from 1. All its users have to specify the same. */
  readonly limit: number;
}

/** A lock, or a slot of a semaphore, that we hold until `release()`. */
export interface HeldLock extends AsyncDisposable {
  /** As it was specified. */
  readonly key: string;
  /**
   * Aborts when the lock is no longer ours, and always before another process could have it: `signal.aborted` itself looks at
   * the clock. Its reason is an {@link ElectionError}: `ERR_LOST`, `ERR_EXPIRED`, or `ERR_RESIGNED` after `release()`.
   */
  readonly signal: AbortSignal;
  /**
   * A whole number in decimal digits that grows with every new holder, so that a store can refuse writes of earlier ones.
   * Compare it as a number. It starts again if the servers lose their data or are restored from a backup.
   */
  readonly fencingToken: string;
  /**
   * Releases the lock; also call it after the lock was lost, when your work has ended. Idempotent, never rejects.
   *
   * @returns whether the lock was ours until now. false also if no server could be reached: it expires then
   */
  release(): Promise<boolean>;
}

/** One semaphore. */
export interface Semaphore {
  /** Waits for a slot. See {@link Locks.acquire}. @throws {UsageError} if others use it with another limit */
  acquire(options?: LockOptions): Promise<HeldLock>;
  /** Takes a slot if one is free. See {@link Locks.tryAcquire}. @throws {UsageError} if others use it with another limit */
  tryAcquire(options?: LockOptions): Promise<HeldLock | undefined>;
}

/** Locks and semaphores of one backend. First come, first served: no waiter is passed by a later one. */
export interface Locks {
  /**
   * Waits for a lock. An outage is waited out.
   *
   * @throws {UsageError} for bad arguments, before any I/O; if `key` is used as a semaphore with another limit
   * @throws the backend's refusal, such as missing rights
   * Rejects with `signal.reason` when aborted, once it can no longer get the lock.
   * @example
   * await using lock = await locks.acquire("jobs/backup", { signal: AbortSignal.timeout(60_000) });
   * while (!lock.signal.aborted) await backUpNext(lock.fencingToken);
   */
  acquire(key: string, options?: LockOptions): Promise<HeldLock>;
  /**
   * Takes a lock if it is free and no other process waits for it; resolves to undefined otherwise.
   *
   * @throws {UsageError} for bad arguments, before any I/O; if `key` is used as a semaphore with another limit
   * @throws what a request failed with: it is not tried again
   * Rejects with `signal.reason` when aborted.
   */
  tryAcquire(key: string, options?: LockOptions): Promise<HeldLock | undefined>;
  /**
   * A semaphore: a lock that `limit` may hold at a time. Does no I/O.
   *
   * @throws {UsageError} for bad arguments
   * @example
   * const uploads = locks.semaphore("uploads", { limit: 3 });
   * await using slot = await uploads.acquire();
   */
  semaphore(key: string, options: SemaphoreOptions): Semaphore;
}

/** What makes the locks of a backend. */
export interface QueueOptions {
  /** How many may hold a lock at a time. */
  readonly limit: number;
  /** Whether to queue up only if the lock is free. */
  readonly onlyIfFree: boolean;
}

/** Makes locks on any backend. */
export function createLocksOn(providerFor: (options: QueueOptions) => LockProvider): Locks {
  const resolve = (key: string, queue: QueueOptions, options: LockOptions = {}): AcquireOptions => {
    requireKey(key);
    requireFields("options", options, checks);
    const { holder: contactInfo = "", signal, ...rest } = options;
    const provider = providerFor(queue);
    const config = provider.resolve({ ...rest, key, contactInfo, lockDelayMs: 0 }, "options");
    return { key, provider, config, signal };
  };
  // async, so that bad arguments reject
  const acquire = async (key: string, limit: number, options?: LockOptions): Promise<HeldLock> =>
    acquireLock(resolve(key, { limit, onlyIfFree: false }, options));
  const tryAcquire = async (key: string, limit: number, options?: LockOptions): Promise<HeldLock | undefined> =>
    tryAcquireLock(resolve(key, { limit, onlyIfFree: true }, options));
  return {
    acquire: (key, options) => acquire(key, 1, options),
    tryAcquire: (key, options) => tryAcquire(key, 1, options),
    semaphore: (key, options) => {
      requireKey(key);
      requireFields("options", options, semaphoreChecks);
      const { limit } = options;
      return {
        acquire: (each) => acquire(key, limit, each),
        tryAcquire: (each) => tryAcquire(key, limit, each),
      };
    },
  };
}

function requireKey(key: unknown): void {
  requireText("key", key);
  if (/^\/*$/.test(key)) badArgument("key must not be empty");
}

/** Their ranges depend on the backend. */
const checks: Checks<LockOptions> = {
  ttlMs: anything,
  marginMs: anything,
  holder: optional(requireText),
  dc: anything,
  signal: requireSignal,
};
const semaphoreChecks: Checks<SemaphoreOptions> = {
  limit: (what, value) => {
    // Infinity would be no limit, and JSON cannot say it
    if (!Number.isSafeInteger(value) || Number(value) < 1) {
      badArgument(`${what} must be a whole number from 1, got ${show(value)}`);
    }
  },
};
