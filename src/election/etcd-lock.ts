import { randomUUID } from "node:crypto";
import {
  isCompareFailed,
  isKeyNotFound,
  isNodeExist,
  KeysAPI,
  keysOf,
  Mirror,
  SdkError,
  type KeyNode,
  type KeysClient,
  type MirrorUpdate,
  type Sender,
} from "../core/index.js";
import { maxTimerMs } from "../util/signals.js";
import { requireOptions } from "../util/validate.js";
import { createCandidate } from "./candidate.js";
import { ElectionError } from "./errors.js";
import { entryOf, keyPath } from "./etcd-entry.js";
import {
  requestMs,
  resolveLeadership,
  type Candidate,
  type Hold,
  type LeaderEntry,
  type Leadership,
  type Lock,
  type LockSession,
} from "./lock.js";
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
  requireOptions("options", options, optionNames);
  const { client } = options;
  keysOf(client);
  const candidate = createCandidate({
    resolve: (config) => {
      const leadership = resolveLeadership(config, limits);
      keysOf(client).watcher(keyPath(leadership.key));
      // whole seconds, as etcd counts
      return { ...leadership, ttlMs: Math.ceil(leadership.ttlMs / 1_000) * 1_000 };
    },
    connect: (leadership) => new EtcdLock(client, leadership),
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
    const node = await read(this.#keys, keyPath(this.#leadership.key), signal);
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

async function read(keys: KeysAPI, key: string, signal: AbortSignal | undefined): Promise<KeyNode | undefined> {
  try {
    return (await keys.get(key, { quorum: true, signal })).node;
  } catch (error) {
    if (isKeyNotFound(error)) return undefined;
    throw error;
  }
}

/** Our key, as we know it. */
interface Held {
  readonly createdIndex: number;
  modifiedIndex: number;
}

class EtcdSession implements LockSession {
  readonly id: string = randomUUID();
  readonly #keys: KeysAPI;
  readonly #key: string;
  readonly #value: string;
  readonly #ttlMs: number;
  readonly #lockDelayMs: number;
  #held: Held | undefined;
  /** Whether a create got no answer: the key may be ours, or become so. */
  #unsure = false;
  /** Whether the key was ours and taken from us: what comes now is a new session. */
  #robbed = false;
  /** Follows the key while we wait for it. */
  #waiting: Mirror | undefined;

  constructor(keys: KeysAPI, { key, contactInfo, ttlMs, lockDelayMs }: Leadership) {
    this.#keys = keys;
    this.#key = keyPath(key);
    this.#value = JSON.stringify({ session: this.id, contact: contactInfo });
    this.#ttlMs = ttlMs;
    this.#lockDelayMs = lockDelayMs;
  }

  async tryAcquire(signal: AbortSignal): Promise<Hold | undefined> {
    if (this.#robbed) throw lost();
    try {
      const { node } = await this.#keys.create(this.#key, this.#value, { ttl: this.#ttlMs / 1_000, signal });
      return this.#hold(node);
    } catch (error) {
      if (!isNodeExist(error)) {
        this.#unsure ||= !(error instanceof SdkError && "outcome" in error && error.outcome === "notApplied");
        throw error;
      }
    }
    if (!this.#unsure) return undefined;
    // held: by us, perhaps, from a create that got no answer; its time is not known, so it is given a new one
    const node = await read(this.#keys, this.#key, signal);
    if (node?.value !== this.#value) return undefined;
    return this.#hold(await this.#refresh(node.modifiedIndex, signal));
  }

  async keep(signal: AbortSignal): Promise<number | undefined> {
    const held = this.#held;
    if (held === undefined) return undefined;
    try {
      held.modifiedIndex = (await this.#refresh(held.modifiedIndex, signal)).modifiedIndex;
    } catch (error) {
      // gone, but by our own hand
      if (this.#held !== held) return undefined;
      if (isKeyNotFound(error)) throw lost();
      if (!isCompareFailed(error)) throw error;
      // somebody else's, or an earlier beat came through that got no answer
      const node = await read(this.#keys, this.#key, signal);
      if (node?.value !== this.#value || node.createdIndex !== held.createdIndex) throw lost();
      held.modifiedIndex = (await this.#refresh(node.modifiedIndex, signal)).modifiedIndex;
    }
    return this.#ttlMs;
  }

  async untilFree(signal: AbortSignal): Promise<number> {
    this.#waiting ??= this.#mirror();
    for (;;) {
      const { changes } = await this.#waiting.next(signal);
      if (this.#waiting.nodes.has(this.#key)) continue;
      const removal = changes.find(({ type, node }) => type === "remove" && node.key === this.#key);
      // gone between our try and the first look
      if (removal === undefined) return 0;
      // "list": we did not see how it went, so it may have expired
      return removal.action === "expire" || removal.action === "list" ? this.#lockDelayMs : 0;
    }
  }

  async untilLost(signal: AbortSignal): Promise<void> {
    const held = this.#held;
    const mirror = this.#mirror();
    for (;;) {
      const update: MirrorUpdate = await mirror.next(signal);
      // a member that lags does not know our key yet
      if (held === undefined || update.index < held.createdIndex) continue;
      const node = mirror.nodes.get(this.#key);
      if (node?.createdIndex === held.createdIndex && node.value === this.#value) continue;
      this.#robbed = this.#held === held;
      return;
    }
  }

  async release(signal: AbortSignal): Promise<boolean> {
    this.#held = undefined;
    try {
      await this.#keys.delete(this.#key, { prevValue: this.#value, signal });
      return true;
    } catch (error) {
      if (isKeyNotFound(error) || isCompareFailed(error)) return false;
      this.#unsure = true;
      throw error;
    }
  }

  async close(signal: AbortSignal): Promise<void> {
    if (this.#held !== undefined || this.#unsure) await this.release(signal);
  }

  /**
   * Only from the state we know: a beat that was held up on its way, in a member that was frozen, say, carries the
   * expiry it was given when it was read; applied late, it would shorten what a later beat has been promised.
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
    this.#unsure = false;
    this.#waiting = undefined;
    return { fencingToken: String(createdIndex), ttlMs: this.#ttlMs };
  }

  /** Failures that may pass are the mirror's own affair, and its pauses are short: somebody waits for a leader. */
  #mirror(): Mirror {
    return new Mirror(this.#keys, this.#key, { maxRetryMs: Math.min(1_000, this.#ttlMs / 2) });
  }
}

function lost(): ElectionError {
  return new ElectionError("ERR_LOST", "the key is somebody else's, or gone");
}

const optionNames: ReadonlySet<string> = new Set<keyof EtcdCandidateOptions>(["client"]);
