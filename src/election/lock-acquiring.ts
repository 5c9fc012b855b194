import { deferred } from "../util/deferred.js";
import { retry } from "../util/retry.js";
import { onAbort, throwIfAborted } from "../util/signals.js";
import { Participation, type AcquirePolicy } from "./candidate-loop.js";
import { isFinal, isTaken, resigned } from "./errors.js";
import { backoffFor } from "./lock-contact.js";
import type { LeaderContext, Leadership, LockProvider } from "./lock.js";
import type { HeldLock } from "./locks.js";

/** What to acquire, and for how long to try. */
export interface AcquireOptions {
  /** As the user specified it. */
  readonly key: string;
  readonly provider: LockProvider;
  readonly config: Leadership;
  /** Ends the waiting. */
  readonly signal: AbortSignal | undefined;
}

/** Waits for a lock. Waits out outages; rejects with a refusal. */
export function acquireLock(options: AcquireOptions): Promise<HeldLock> {
  const { isRefusal } = options.provider;
  return acquire(options, { once: false, isFinal: (error) => isFinal(error) || isRefusal(error) });
}

/** Takes a lock if it is free. Rejects with any failure. */
export async function tryAcquireLock(options: AcquireOptions): Promise<HeldLock | undefined> {
  try {
    return await acquire(options, { once: true, isFinal: () => true });
  } catch (error) {
    if (isTaken(error)) return undefined;
    throw error;
  }
}

/** A lock is an election with a single term, which lasts until the lock is released. */
async function acquire({ key, provider, config, signal }: AcquireOptions, acquiring: AcquirePolicy): Promise<HeldLock> {
  throwIfAborted(signal);
  const lock = await retry(() => provider.connect(config, signal), {
    signal,
    backoff: backoffFor(config.ttlMs),
    isTransient: (error) => !acquiring.isFinal(error),
  });
  const held = deferred<HeldByTerm>();
  const participation = new Participation({
    owner: provider.owner,
    what: `the wait for the lock "${config.key}"`,
    hint: "it goes on until it succeeds, or until its signal aborts",
    lock,
    config,
    signal: undefined,
    acquiring,
    asLeader: async (context) => {
      if (signal?.aborted === true) return;
      const term = new HeldByTerm(key, context, participation);
      held.resolve(term);
      await term.released;
    },
  });
  const off = onAbort(signal, () => void participation.close());
  try {
    return await Promise.race([held.promise, participation.closed.then(endedBy)]);
  } catch (error) {
    throwIfAborted(signal);
    throw error;
  } finally {
    off();
  }
}

function endedBy(error: unknown): never {
  throw error ?? resigned();
}

/** A lock that is held by the term of a participation. */
class HeldByTerm implements HeldLock {
  readonly key: string;
  readonly signal: AbortSignal;
  readonly fencingToken: string;
  readonly #participation: Participation;
  readonly #released = deferred<undefined>();
  #releasing: Promise<boolean> | undefined;

  constructor(key: string, { signal, fencingToken }: LeaderContext, participation: Participation) {
    this.key = key;
    this.signal = signal;
    this.fencingToken = fencingToken;
    this.#participation = participation;
    // there is no second term
    onAbort(signal, () => void participation.close());
  }

  /** Resolves when the user has released the lock. */
  get released(): Promise<undefined> {
    return this.#released.promise;
  }

  release(): Promise<boolean> {
    this.#releasing ??= this.#release();
    return this.#releasing;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.release();
  }

  async #release(): Promise<boolean> {
    const abdicating = this.#participation.abdicate();
    this.#released.resolve(undefined);
    const wasOurs = await abdicating;
    await this.#participation.close();
    return wasOurs;
  }
}
