import { isIndexCleared, ResponseError, UsageError } from "../util/errors.js";
import type { RawResponse, RequestSpec, ResponseHead, Sender } from "../http/exchange.js";
import type { KeysResponse } from "./types.js";
import { Backoff } from "../util/backoff.js";
import { messageOf } from "../util/error-like.js";
import { log } from "../util/log.js";
import { sleep, throwIfAborted } from "../util/signals.js";
import { isTransient } from "../util/transient.js";
import { requireSignal } from "../util/validate.js";
import { checked } from "./checked-request.js";
import { GapCheck } from "./gap-check.js";
import type { WatcherFields } from "./watcher.js";
import { clusterIdOf } from "./cluster/cluster-identity.js";
import { isForeign, startedOver } from "./watch-checks.js";
import { getSpec, watchSpec, type KeyAddress } from "./wire/keys.js";
import { inNamespace } from "./wire/namespace.js";
import { decodeEvents } from "./wire/keys-response.js";
import { indexOf } from "./wire/head.js";

/** A poll that ends without an event within this time, in ms, was not ended by a proxy's timeout: slow down. */
const tooSoonMs = 1_000;
const minBackoffMs = 100;
const maxBackoffMs = 5_000;
/** How long a poll may wait at a member that is behind the watcher's index, in ms. */
const behindMs = 1_000;

/** The loop of a watcher's polls. It holds no resource between calls. */
export class WatchLoop {
  readonly #sender: Sender;
  readonly #at: KeyAddress;
  readonly #recursive: boolean;
  /** The lowest index that the next event may have; 0 until a server has reported where "from now on" begins. */
  #waitIndex: number;
  /** The cluster that is watched; "" until it is known. */
  #clusterId: string;
  /** Events of the index that was delivered last, which are not delivered yet. */
  #unread = none;
  /** Made with the first response that has events. */
  #gaps: GapCheck | undefined;
  #pending = false;
  /** Since when every poll has reached a member behind the watcher's index, on the monotonic clock. It outlives aborted calls. */
  #behindSinceMs: number | undefined;

  /** For arguments that `KeysAPI.watcher` has checked. Does no I/O. */
  constructor(sender: Sender, at: KeyAddress, { afterIndex, recursive, clusterId }: WatcherFields) {
    this.#sender = sender;
    this.#at = at;
    this.#recursive = recursive;
    this.#clusterId = clusterId;
    this.#waitIndex = afterIndex === 0 ? 0 : afterIndex + 1;
  }

  /** See `Watcher.next`. */
  async next(signal?: AbortSignal): Promise<KeysResponse> {
    requireSignal("signal", signal);
    throwIfAborted(signal);
    if (this.#pending) throw new UsageError("ERR_BUSY", "an earlier next() of this watcher is still waiting");
    const unread = this.#takeUnread();
    if (unread !== undefined) return unread;
    this.#pending = true;
    let backoff: Backoff | undefined;
    let wasBehind = false;
    // all in one function: a pending call of another one costs half a kilobyte for each watcher
    try {
      for (;;) {
        // otherwise a caller that aborts each call before its poll leaves such a member would never learn that the
        // store started over
        const behindSinceMs = this.#behindSinceMs;
        if (behindSinceMs !== undefined && performance.now() - behindSinceMs >= 2 * behindMs)
          await this.#requireSameStore(signal);
        const sentMs = performance.now();
        const waitIndex = this.#gaps?.lookBackFrom ?? this.#waitIndex;
        const spec = this.#spec(waitIndex);
        let received: Received;
        try {
          const raw = await this.#sender.send(checked(spec), signal);
          received = this.#receive(raw, spec, waitIndex, sentMs);
        } catch (error) {
          if (error !== leftToLookBack) throw error;
          received = "progress";
        }
        if (typeof received === "object") return received;
        if (received === "behind" && wasBehind) await this.#requireSameStore(signal);
        wasBehind = received === "behind";
        if (received === "progress") {
          backoff = undefined;
        } else {
          backoff ??= new Backoff(minBackoffMs, maxBackoffMs);
          await sleep(backoff.next(), signal);
        }
      }
    } finally {
      this.#pending = false;
    }
  }

  /** See `Watcher.rest`. */
  rest(): readonly KeysResponse[] {
    const rest = this.#unread;
    this.#unread = none;
    return rest;
  }

  #takeUnread(): KeysResponse | undefined {
    const [unread, ...rest] = this.#unread;
    if (unread !== undefined) this.#unread = rest;
    return unread;
  }

  #spec(waitIndex: number): RequestSpec {
    const isNew = this.#clusterId === "";
    return watchSpec(this.#at, this.#recursive, waitIndex, (head) => this.#begin(head, isNew, waitIndex === 0));
  }

  /**
   * Takes the headers of a poll. A poll "from now on" begins at their index, and holds it even if it dies. The index of
   * any other poll tells nothing new: the poll may find an older event that is then lost with the connection. One poll may
   * have several headers: the client goes on to the next endpoint when one turns out to belong to another cluster.
   *
   * @returns for a poll at a member that is behind, when to leave it
   * @throws if the poll is to be left now
   */
  #begin(head: ResponseHead, isNew: boolean, fromNow: boolean): Promise<void> | undefined {
    if (head.status >= 300) return undefined;
    if (isNew) this.#clusterId = clusterIdOf(head);
    else this.#requireSameCluster(head);
    const index = indexOf(head) ?? 0;
    if (fromNow && index > 0) this.#waitIndex = index + 1;
    if (this.#gaps?.suspects(head) === true) throw leftToLookBack;
    if (!this.#isBehind(head)) {
      this.#behindSinceMs = undefined;
      return undefined;
    }
    this.#behindSinceMs ??= performance.now();
    return afterMs(behindMs);
  }

  #receive(raw: RawResponse, spec: RequestSpec, waitIndex: number, sentMs: number): Received {
    if (raw.status < 300) this.#requireSameCluster(raw);
    if (endedEmpty(raw)) {
      log.watch("%s: the poll ended without an event, sending it again from %d", this.#at.key, this.#waitIndex);
      if (this.#isBehind(raw)) return "behind";
      return performance.now() - sentMs >= tooSoonMs ? "progress" : "nothing";
    }
    const gaps = (this.#gaps ??= new GapCheck(this.#at));
    if (gaps.lookBackFrom !== undefined) return gaps.lookBack(decodeEvents(raw, spec)) ? "progress" : "nothing";
    const events = this.#eventsOf(raw, spec).filter(({ node }) => node.modifiedIndex >= waitIndex);
    const last = events.at(-1);
    // whatever cache or proxy sends an older event would send it again at once
    if (last === undefined) return "nothing";
    const ours = events.filter((event) => !isForeign(event, this.#at));
    if (gaps.holds(ours, raw, waitIndex)) return "progress";
    gaps.delivered(ours, raw, waitIndex);
    this.#waitIndex = Math.max(this.#waitIndex, last.node.modifiedIndex + 1);
    const [first, ...rest] = ours.map((event) => inNamespace(event, this.#at.namespace ?? ""));
    this.#unread = rest;
    return first ?? "progress";
  }

  #eventsOf(raw: RawResponse, spec: RequestSpec): readonly KeysResponse[] {
    try {
      return decodeEvents(raw, spec);
    } catch (error) {
      const held = isIndexCleared(error) ? this.#gaps?.release(raw) : undefined;
      if (held === undefined) throw error;
      return held;
    }
  }

  #isBehind(head: ResponseHead): boolean {
    const index = indexOf(head) ?? 0;
    return index > 0 && index < this.#waitIndex - 1;
  }

  #requireSameCluster(head: ResponseHead): void {
    const id = clusterIdOf(head);
    if (id === "") return;
    if (this.#clusterId === "") this.#clusterId = id;
    else if (this.#clusterId !== id)
      throw startedOver(`cluster ${id} answers, not ${this.#clusterId}`, indexOf(head) ?? 0);
  }

  /** A member that lags has a lower index, and so has a store that started over: a quorum read shows which it is. */
  async #requireSameStore(signal: AbortSignal | undefined): Promise<void> {
    let raw: RawResponse;
    try {
      raw = await this.#sender.send(getSpec(this.#at, { quorum: true }), signal);
    } catch (error) {
      throwIfAborted(signal);
      if (!isTransient(error)) throw error;
      log.watch("%s: no quorum read: %s", this.#at.key, messageOf(error));
      this.#behindSinceMs = undefined;
      return;
    }
    this.#requireSameCluster(raw);
    this.#behindSinceMs = undefined;
    const index = indexOf(raw) ?? 0;
    if (index > 0 && index < this.#waitIndex - 1)
      throw startedOver(`the index went back from ${String(this.#waitIndex - 1)} to ${String(index)}`, index);
  }
}

const none: readonly KeysResponse[] = [];

/** What a poll brought: an event, or how to go on. `nothing` and `behind` need a pause. */
type Received = KeysResponse | "progress" | "nothing" | "behind";

/** Thrown at the headers of a poll, to end it. Never leaves this file. */
const leftToLookBack = new ResponseError("ERR_STATUS", "the poll was ended at its headers", {
  status: 200,
  outcome: "notApplied",
});

function endedEmpty(raw: RawResponse): boolean {
  return raw.truncated === true || ((raw.status === 200 || raw.status === 201) && raw.body === "");
}

/** Does not keep the process alive: the poll does. */
function afterMs(ms: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, ms).unref();
  });
}
