import { lost, type ElectionError } from "../election/errors.js";
import { untilReleased } from "../election/lock-release.js";
import type { Hold, LockSession } from "../election/lock.js";
import { abortable } from "../util/signals.js";
import { NotFoundError, RequestError } from "./errors.js";
import type { KVEntry } from "./kv.js";
import { readFirst, type KeyRequests } from "./lock-requests.js";
import { readRenewed, renewSessionSpec } from "./session.js";
import type { SessionId } from "./types.js";

/** Between two attempts while Consul's lock-delay runs, in ms. */
const minDelayMs = 100;
const maxDelayMs = 1_000;

/** What {@link ConsulLockSession} needs. */
export interface ConsulLockSessionOptions {
  readonly requests: KeyRequests;
  readonly id: SessionId;
  /** Whether the key is an entry in a queue, which no other process contests and which is removed in the end. @default false */
  readonly isEntry?: boolean;
}

/** A session of Consul, and its claim on one key. */
export class ConsulLockSession implements LockSession {
  readonly id: SessionId;
  readonly ttlMs: number;
  readonly #requests: KeyRequests;
  readonly #isEntry: boolean;
  /** Whether the key may be ours: from the moment when an acquire is sent until it is known not to be. */
  #mayHold = false;
  /** Settles when the last `tryAcquire` has, which goes on when its caller no longer waits. */
  #acquiring: Promise<unknown> = Promise.resolve();
  /** How often in a row the key was free, but could not be taken. */
  #refusals = 0;

  constructor({ requests, id, isEntry = false }: ConsulLockSessionOptions) {
    this.#requests = requests;
    this.id = id;
    this.#isEntry = isEntry;
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
      if (isInvalidSession(error)) throw this.#lost("Consul no longer knows the session");
      throw error;
    });
    if (!this.#mayHold) return undefined;
    const entry = await this.#requests.read(undefined);
    if (entry?.session !== this.id) return undefined;
    this.#refusals = 0;
    return { fencingToken: this.#isEntry ? String(entry.createIndex) : tokenOf(entry) };
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
      // free, but refused: it was released a moment ago, or a lock-delay is running, and Consul does not tell when it ends
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
    if (this.#isEntry) return this.#remove(signal);
    const released = await this.#requests.write({ release: this.id }, signal);
    this.#mayHold = false;
    return released;
  }

  async close(signal: AbortSignal): Promise<void> {
    await abortable(this.#acquiring, signal);
    await untilReleased(signal, async (each) => {
      // a session that ends while it holds the key leaves a lock-delay behind, which does not matter for an entry
      if (this.#mayHold && !this.#isEntry) await this.release(each).catch(unlessRefused);
      await this.#requests.destroy(this.id, each);
    });
  }

  /** Removes the entry: one that is only released would stay without end. */
  async #remove(signal: AbortSignal): Promise<boolean> {
    const entry = await this.#requests.read(signal);
    const wasOurs = entry?.session === this.id;
    if (wasOurs) await this.#requests.remove(signal);
    this.#mayHold = false;
    return wasOurs;
  }

  #lost(why: string): ElectionError {
    this.#mayHold = false;
    return lost(why);
  }
}

/** Not the LockIndex: it starts at 1 again once the key is gone, as it is after each session that ends. */
export function tokenOf({ modifyIndex }: KVEntry): string {
  return String(modifyIndex);
}

/** Consul responds with a 500 and no number of its own. */
function isInvalidSession(error: unknown): boolean {
  return error instanceof RequestError && error.statusCode === 500 && /invalid session/i.test(error.body);
}

/** Rethrows all but a refusal: a refusal lasts, and a session that is gone holds nothing. */
function unlessRefused(error: unknown): void {
  if (error instanceof RequestError && (error.statusCode < 500 || isInvalidSession(error))) return;
  throw error;
}
