import {
  EtcdError,
  EtcdErrorCode,
  isCompareFailed,
  isKeyNotFound,
  isNodeExist,
  type KeyNode,
  type KeysAPI,
} from "../core/index.js";
import { Backoff } from "../util/backoff.js";
import { diagnostics, trace } from "../util/diagnostics.js";
import { sleep } from "../util/signals.js";
import { isRace, isRenewed, mayBeApplied, outcomeOf, without, type Foreign } from "./owned-key-rules.js";

/** `refresh` renews the TTL and wakes no watcher; `set` writes the value each time. */
export type KeepAliveMode = "refresh" | "set";

/**
 * - `restored`: another client overwrote the key once; it holds our value again
 * - `takenOver`: another process has written the key with a condition, or keeps writing it; ours stands by
 */
export type KeyConflict = "restored" | "takenOver";

/** How to own a key. */
export interface OwnedKeyOptions {
  /** In whole seconds. */
  readonly ttl: number;
  /** How to renew it. */
  readonly mode: KeepAliveMode;
  /**
   * How the key is removed. `compare`: by one conditional delete, which watchers see as `compareAndDelete`. `read`: by a
   * plain delete after a read that finds the key ours; watchers that only know `delete`, such as the Go library, see it.
   */
  readonly removal: "compare" | "read";
  /** Called when another process has written the key. Must not throw. */
  readonly onConflict: (conflict: KeyConflict) => void;
}

/** A foreign overwrite within this many TTLs after the last one is another process at work, not an edit. */
const editWindowTtls = 4;
/** How often one heartbeat reads again because of a write by another process. */
const maxRaces = 5;
/** The TTL of the directory that blocks a create whose response is missing, in seconds. */
const guardTtl = 600;

/**
 * One key with a TTL that this process writes. Every write has a condition: the first one is a `create`, later ones
 * compare the index of the write before. So a request that is stuck in a frozen member, and is applied after it was
 * aborted, changes nothing that was written since, and cannot bring the key back once it is removed.
 *
 * The process that claimed the key last owns it. One that finds the key taken over stands by: it leaves the key alone,
 * and claims it again when it is gone, or when it was not renewed for a whole TTL.
 */
export class OwnedKey {
  readonly #keys: KeysAPI;
  readonly #key: string;
  readonly #options: OwnedKeyOptions;
  #mode: KeepAliveMode;
  /** The node to write over; absent while it has to be read first. */
  #held: KeyNode | undefined;
  /** The node as our last write left it. */
  #last: KeyNode | undefined;
  /** Values of writes without a response: a node that holds one of them may be ours. */
  readonly #unconfirmed = new Set<string>();
  /** Values of creates without a response. Each may be applied later, once, at a time when the key is absent. */
  #stuckCreates: readonly string[] = [];
  #creating = false;
  #foreign: Foreign | undefined;
  #restoredMs = -Infinity;
  #restoring = false;

  /** Does no I/O. */
  constructor(keys: KeysAPI, key: string, options: OwnedKeyOptions) {
    this.#keys = keys;
    this.#key = key;
    this.#options = options;
    this.#mode = options.mode;
  }

  /** Whether a create is under way. */
  get creating(): boolean {
    return this.#creating;
  }

  /**
   * Writes `value`, or renews it. Resolves to whether the key is ours now.
   *
   * @param claim whether to take the key over from its holder, as a new registration does
   * @throws {EtcdError | ClusterError | ResponseError | UsageError} as `KeysAPI`; only races are tried again
   * Rejects with `signal.reason` when aborted.
   */
  async keep(value: string, claim: boolean, signal: AbortSignal): Promise<boolean> {
    for (let races = 0; ; races++) {
      // the read also finds an endpoint that responds, so that a create, which is sent only once, does not get stuck
      if (this.#held === undefined && !(await this.#mayWrite(await this.#read(signal), claim, signal))) return false;
      try {
        if (this.#held === undefined) await this.#create(value, signal);
        else await this.#heartbeat(this.#held, value, signal);
        return true;
      } catch (error) {
        if (races === maxRaces || !isRace(error)) throw error;
        this.#held = undefined;
        if (isKeyNotFound(error)) this.#last = undefined;
      }
    }
  }

  /**
   * Removes the key if it is still ours, and makes sure that no create without a response brings it back later.
   *
   * @throws {EtcdError | ClusterError | ResponseError | UsageError} the removal was refused, or no endpoint responded
   * Rejects with `signal.reason` when aborted; may be called again.
   */
  async remove(signal: AbortSignal): Promise<void> {
    const backoff = new Backoff(50, 500);
    for (;;) {
      try {
        await this.#removeOwn(signal);
        await this.#blockStuckCreates(signal);
        return;
      } catch (error) {
        signal.throwIfAborted();
        if (!isRace(error) && outcomeOf(error) !== "unknown") throw error;
      }
      await sleep(backoff.next(), signal);
    }
  }

  async #create(value: string, signal: AbortSignal): Promise<void> {
    this.#creating = true;
    try {
      const { node } = await this.#keys.create(this.#key, value, { ttl: this.#options.ttl, signal });
      this.#own(node);
    } catch (error) {
      if (mayBeApplied(error)) {
        this.#unconfirmed.add(value);
        this.#stuckCreates = [...this.#stuckCreates, value];
      }
      throw error;
    } finally {
      this.#creating = false;
    }
  }

  #heartbeat(node: KeyNode, value: string, signal: AbortSignal): Promise<void> {
    return trace(diagnostics().heartbeat, { room: "discovery", key: this.#key }, () =>
      this.#extend(node, value, signal),
    );
  }

  async #extend({ value: present, modifiedIndex }: KeyNode, value: string, signal: AbortSignal): Promise<void> {
    const { ttl } = this.#options;
    let prevIndex = modifiedIndex;
    try {
      if (this.#mode === "refresh" && present === value) {
        const { node } = await this.#keys.refresh(this.#key, ttl, { prevIndex, signal });
        // over v3 a refresh moves no index, so the former holder would still believe that the key is its own
        if (this.#last?.modifiedIndex === prevIndex || node.modifiedIndex !== prevIndex) {
          this.#own(node);
          if (node.value === value) return;
          // servers before 2.3 take the empty value of a refresh for a new one
          this.#mode = "set";
        }
        prevIndex = node.modifiedIndex;
      }
      this.#own((await this.#keys.set(this.#key, value, { ttl, prevIndex, signal })).node);
    } catch (error) {
      if (mayBeApplied(error)) this.#unconfirmed.add(value);
      throw error;
    }
  }

  #own(node: KeyNode): void {
    if (this.#restoring) this.#options.onConflict("restored");
    this.#restoring = false;
    this.#held = node;
    this.#last = node;
    this.#foreign = undefined;
    // they compared an index that has passed
    this.#unconfirmed.clear();
  }

  /** Whether to write, given what is there now; what to write over is then in `#held`. */
  async #mayWrite(node: KeyNode | undefined, claim: boolean, signal: AbortSignal): Promise<boolean> {
    if (node === undefined) return true;
    if (node.dir) {
      // it blocks a stuck create; etcd refuses to delete a directory that has children
      await this.#keys.delete(this.#key, { dir: true, signal });
      return true;
    }
    const isOwn = this.#isOwn(node);
    if (!claim && !isOwn && !this.#isAbandoned(node) && !this.#isEdit(node)) {
      if (this.#foreign === undefined) this.#options.onConflict("takenOver");
      if (this.#foreign === undefined || isRenewed(this.#foreign.node, node))
        this.#foreign = { node, sinceMs: performance.now() };
      // they compared an index that has passed
      this.#unconfirmed.clear();
      return false;
    }
    this.#held = node;
    return true;
  }

  /** Whether a node comes from a request of ours that got no response, or from before etcd was restored to an earlier state. */
  #isOwn({ value, createdIndex, modifiedIndex }: KeyNode): boolean {
    const last = this.#last;
    if (last !== undefined && modifiedIndex < last.modifiedIndex) return true;
    if (last?.createdIndex === createdIndex) return this.#unconfirmed.has(value);
    const fromCreate = this.#stuckCreates.includes(value);
    this.#stuckCreates = without(this.#stuckCreates, value);
    return fromCreate || (last === undefined && this.#unconfirmed.has(value));
  }

  /** While standing by: whether the other process has stopped to renew the key. */
  #isAbandoned(node: KeyNode): boolean {
    const foreign = this.#foreign;
    if (foreign === undefined || isRenewed(foreign.node, node)) return false;
    return performance.now() - foreign.sinceMs >= this.#options.ttl * 1_000;
  }

  /**
   * Whether the key was changed by hand. A process that takes over knows what was there and compares, which keeps
   * `createdIndex`; a plain set does not. Plain sets that keep coming are a process at work, too.
   */
  #isEdit({ createdIndex }: KeyNode): boolean {
    if (this.#foreign !== undefined || this.#last === undefined || this.#last.createdIndex === createdIndex)
      return false;
    const nowMs = performance.now();
    if (nowMs - this.#restoredMs < editWindowTtls * this.#options.ttl * 1_000) return false;
    this.#restoredMs = nowMs;
    this.#restoring = true;
    return true;
  }

  async #removeOwn(signal: AbortSignal): Promise<void> {
    const { removal } = this.#options;
    const prevIndex = await this.#ownIndex(signal);
    if (prevIndex !== undefined) {
      try {
        await this.#keys.delete(this.#key, { ...(removal === "compare" && { prevIndex }), signal });
      } catch (error) {
        // gone, or another's, unless a write of ours without a response came between
        if (!isRace(error) || (isCompareFailed(error) && this.#unconfirmed.size > 0)) throw error;
      }
    }
    this.#held = this.#last = undefined;
    this.#unconfirmed.clear();
  }

  /** The index of the node if it is ours, as far as we know. */
  async #ownIndex(signal: AbortSignal): Promise<number | undefined> {
    const held = this.#last;
    if (this.#unconfirmed.size === 0 && this.#foreign !== undefined) return undefined;
    if (this.#unconfirmed.size === 0 && (this.#options.removal === "compare" || held === undefined))
      return held?.modifiedIndex;
    const node = await this.#read(signal);
    const isOurs = node !== undefined && (node.modifiedIndex === held?.modifiedIndex || this.#isOwn(node));
    return isOurs ? node.modifiedIndex : undefined;
  }

  /** A directory in the key's place makes a create that comes late fail. Readers do not take it for an entry. */
  async #blockStuckCreates(signal: AbortSignal): Promise<void> {
    while (this.#stuckCreates.length > 0 && this.#options.removal === "compare") {
      try {
        await this.#block(signal);
        return;
      } catch (error) {
        if (!isNodeExist(error)) throw error;
      }
      const node = await this.#read(signal);
      if (node === undefined) continue;
      // another process holds the key, and a create cannot come through either
      if (node.dir || !this.#stuckCreates.includes(node.value)) return;
      await this.#keys.delete(this.#key, { prevIndex: node.modifiedIndex, signal });
      this.#stuckCreates = without(this.#stuckCreates, node.value);
    }
  }

  async #block(signal: AbortSignal): Promise<void> {
    try {
      await this.#keys.create(this.#key, "", { dir: true, ttl: guardTtl, signal });
    } catch (error) {
      // over v3 directories have no TTL: it stays until the key is registered again
      if (!(error instanceof EtcdError) || error.errorCode !== EtcdErrorCode.invalidField) throw error;
      await this.#keys.create(this.#key, "", { dir: true, signal });
    }
  }

  async #read(signal: AbortSignal): Promise<KeyNode | undefined> {
    try {
      return (await this.#keys.get(this.#key, { quorum: true, signal })).node;
    } catch (error) {
      if (isKeyNotFound(error)) return undefined;
      throw error;
    }
  }
}
