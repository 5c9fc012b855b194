import {
  ClusterError,
  EndpointError,
  isCompareFailed,
  isKeyNotFound,
  isNodeExist,
  Mirror,
  SdkError,
  type KeyNode,
  type KeysAPI,
} from "../core/index.js";
import { bounded } from "../util/bounded.js";
import { abortable } from "../util/signals.js";
import { ElectionError, lost } from "./errors.js";
import { readNode } from "./etcd-entry.js";
import { untilReleased } from "./lock-release.js";
import type { Hold, LockSession, OnFailure } from "./lock.js";

/** Our key, as we know it. */
interface Held {
  readonly createdIndex: number;
  modifiedIndex: number;
}

/** A longer value, encoded, is not sent in a DELETE: without TLS, etcd resets connections whose request line exceeds 4096 bytes. */
const maxComparedLength = 2_000;
/** How often a release reads the key again because a heartbeat has changed it meanwhile. */
const maxReleaseReads = 5;

/** What {@link EtcdSession} needs. */
export interface EtcdSessionOptions {
  readonly keys: KeysAPI;
  /** As `keyPath` makes it. */
  readonly key: string;
  /** The session's. */
  readonly id: string;
  /** Contains the id. */
  readonly value: string;
  /** Whole seconds, in ms. */
  readonly ttlMs: number;
  /** In ms. */
  readonly lockDelayMs: number;
}

/** One contender's claim on a key of etcd. The value contains the session's id, which tells our key from others. */
export class EtcdSession implements LockSession {
  readonly id: string;
  readonly #keys: KeysAPI;
  readonly #key: string;
  readonly #value: string;
  readonly #ttlMs: number;
  readonly #lockDelayMs: number;
  #held: Held | undefined;
  /** Settles when the last `tryAcquire` has, which goes on when its caller no longer waits. */
  #acquiring: Promise<unknown> = Promise.resolve();
  /** Whether the key may be ours without our knowledge: a create or a delete got no response. */
  #isUnsure = false;
  /** Creates without a response that may still be applied, and until when that would matter (`performance.now()`). */
  #late = { count: 0, untilMs: 0 };
  /** Whether the key was ours and was taken from us: a new session is needed. */
  #robbed = false;
  /** Follows the key while we wait for it. */
  #waiting: Mirror | undefined;
  /** Until when the key must not be taken (`performance.now()`): the store has started over, and its former leader may not know. */
  #heldOffUntilMs = 0;

  constructor({ keys, key, id, value, ttlMs, lockDelayMs }: EtcdSessionOptions) {
    this.id = id;
    this.#keys = keys;
    this.#key = key;
    this.#value = value;
    this.#ttlMs = ttlMs;
    this.#lockDelayMs = lockDelayMs;
  }

  async tryAcquire(signal: AbortSignal): Promise<Hold | undefined> {
    signal.throwIfAborted();
    if (this.#robbed) throw keyLost();
    // never cut short: a delete that overtakes the create would leave the key behind
    const acquiring = bounded(
      this.#ttlMs / 2,
      undefined,
      () => new ElectionError("ERR_TIMEOUT", `etcd took longer than ${String(this.#ttlMs / 2)} ms`),
      (each) => this.#acquire(each),
    );
    this.#acquiring = acquiring.catch(() => undefined);
    return abortable(acquiring, signal);
  }

  async keep(signal: AbortSignal): Promise<number | undefined> {
    const held = this.#held;
    if (held === undefined) return undefined;
    try {
      held.modifiedIndex = (await this.#refresh(held.modifiedIndex, signal)).modifiedIndex;
    } catch (error) {
      // removed, but by ourselves
      if (this.#held !== held) return undefined;
      if (isKeyNotFound(error)) throw keyLost();
      if (!isCompareFailed(error)) throw error;
      // written by another process, or by an earlier heartbeat whose response was lost
      const node = await readNode(this.#keys, this.#key, signal);
      if (node?.value !== this.#value || node.createdIndex !== held.createdIndex) throw keyLost();
      held.modifiedIndex = (await this.#refresh(node.modifiedIndex, signal)).modifiedIndex;
    }
    return this.#ttlMs;
  }

  async untilFree(signal: AbortSignal, onFailure: OnFailure): Promise<number> {
    this.#waiting ??= this.#mirror(onFailure);
    for (;;) {
      const { changes, startedOver } = await this.#waiting.next(signal);
      if (startedOver === true) this.#heldOffUntilMs = performance.now() + this.#ttlMs;
      // a restored store has the leader's key, but may let it expire earlier than the leader believes
      if (this.#waiting.has(this.#key)) continue;
      const removal = changes.find(({ type, node }) => type === "remove" && node.key === this.#key);
      // "list": the end of the key was not seen, so it may have expired. undefined: gone between our attempt and the
      // first read
      const mayHaveExpired = removal?.action === "expire" || removal?.action === "list";
      return Math.max(mayHaveExpired ? this.#lockDelayMs : 0, this.#heldOffUntilMs - performance.now());
    }
  }

  async untilLost(signal: AbortSignal, onFailure: OnFailure): Promise<void> {
    const held = this.#held;
    const mirror = this.#mirror(onFailure);
    for (;;) {
      const { index, startedOver = false } = await mirror.next(signal);
      // a member that lags does not know our key yet
      if (held === undefined || (index < held.createdIndex && !startedOver)) continue;
      const node = mirror.get(this.#key);
      if (node?.createdIndex === held.createdIndex && node.value === this.#value) continue;
      this.#robbed = this.#held === held;
      return;
    }
  }

  async release(signal: AbortSignal): Promise<boolean> {
    this.#held = undefined;
    this.#isUnsure = true;
    const wasOurs = await this.#delete(signal);
    this.#isUnsure = false;
    // it was a create that we know of, or one that we do not
    if (wasOurs) this.#settleLate();
    return wasOurs;
  }

  async close(signal: AbortSignal): Promise<void> {
    await abortable(this.#acquiring, signal);
    await untilReleased(
      signal,
      async (each) => {
        if (this.#held !== undefined || this.#isUnsure || this.#isLate()) await this.release(each);
      },
      // the key is absent, but may still appear: a frozen member may hold the request
      () => (this.#isLate() ? this.#late.untilMs : 0),
    );
  }

  async #acquire(signal: AbortSignal): Promise<Hold | undefined> {
    const sentMs = performance.now();
    try {
      const { node } = await this.#keys.create(this.#key, this.#value, { ttl: this.#ttlMs / 1_000, signal });
      return this.#hold(node);
    } catch (error) {
      if (!isNodeExist(error)) {
        const outcome = outcomeOf(error);
        if (outcome === "late") this.#late = { count: this.#late.count + 1, untilMs: sentMs + this.#ttlMs };
        this.#isUnsure ||= outcome !== "notApplied";
        throw error;
      }
    }
    const node = await readNode(this.#keys, this.#key, signal);
    if (node?.dir === true) throw new ElectionError("ERR_DIRECTORY", `the key ${this.#key} is a directory`);
    // held: by us, perhaps, from a create whose response was lost; its time is not known, so it is given a new one
    if (node?.value !== this.#value) return undefined;
    const hold = this.#hold(await this.#refresh(node.modifiedIndex, signal));
    this.#settleLate();
    return hold;
  }

  /** Deletes the key. Resolves to whether it was ours. */
  async #delete(signal: AbortSignal): Promise<boolean> {
    if (encodeURIComponent(this.#value).length <= maxComparedLength) {
      return this.#deleteIf({ prevValue: this.#value, signal }).then((done) => done === true);
    }
    for (let reads = 0; ; reads++) {
      const node = await readNode(this.#keys, this.#key, signal);
      if (node?.value !== this.#value) return false;
      const done = await this.#deleteIf({ prevIndex: node.modifiedIndex, signal });
      if (done !== undefined || reads === maxReleaseReads) return done === true;
    }
  }

  /** Whether the key existed; undefined if it was not the one that was compared with. */
  async #deleteIf(options: Parameters<KeysAPI["delete"]>[1]): Promise<boolean | undefined> {
    try {
      await this.#keys.delete(this.#key, options);
      return true;
    } catch (error) {
      if (isKeyNotFound(error)) return false;
      if (isCompareFailed(error)) return undefined;
      throw error;
    }
  }

  /**
   * Refreshes only the state that we know. A heartbeat that was delayed, by a frozen member for example, carries an
   * expiry from the time when it was read; applied late, it would shorten the time that a later heartbeat has gained.
   */
  async #refresh(prevIndex: number, signal: AbortSignal): Promise<KeyNode> {
    const { node } = await this.#keys.refresh(this.#key, this.#ttlMs / 1_000, {
      prevValue: this.#value,
      prevIndex,
      signal,
    });
    return node;
  }

  #hold({ createdIndex, modifiedIndex }: KeyNode): Hold {
    this.#held = { createdIndex, modifiedIndex };
    this.#isUnsure = false;
    this.#waiting = undefined;
    return { fencingToken: String(createdIndex), ttlMs: this.#ttlMs };
  }

  #isLate(): boolean {
    return this.#late.count > 0 && performance.now() < this.#late.untilMs;
  }

  /** The key was found to be ours: one of the creates without a response has been applied. */
  #settleLate(): void {
    const count = Math.max(0, this.#late.count - 1);
    this.#late = { count, untilMs: count === 0 ? 0 : this.#late.untilMs };
  }

  /** It retries on its own, with short pauses: candidates wait for a leader. */
  #mirror(onError: OnFailure): Mirror {
    return new Mirror(this.#keys, this.#key, { onError, maxRetryMs: Math.min(1_000, this.#ttlMs / 2) });
  }
}

/**
 * What is known of a create that failed. `late`: it may be applied even later, as after silence, or a 500 or 504. It
 * cannot be after a reset, since its server has either read it by then or never will.
 */
function outcomeOf(error: unknown): "notApplied" | "unknown" | "late" {
  if (error instanceof SdkError && "outcome" in error && error.outcome === "notApplied") return "notApplied";
  const attempts = error instanceof ClusterError ? error.errors : [error];
  return attempts.every((each) => each instanceof EndpointError && isPrompt(each)) ? "unknown" : "late";
}

function isPrompt({ code, status }: EndpointError): boolean {
  return code === "ERR_SERVER" ? status !== 500 && status !== 504 : code !== "ERR_HEADER_TIMEOUT";
}

/** Why a session on etcd ends. */
function keyLost(): ElectionError {
  return lost("the key was removed, or another process has it");
}
