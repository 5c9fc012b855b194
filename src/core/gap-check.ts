import { EtcdError, EtcdErrorCode } from "../util/errors.js";
import type { ResponseHead } from "../http/exchange.js";
import type { KeysResponse } from "./types.js";
import { isComparable, isForeign, isHiddenBelow, watchedKey } from "./watch-checks.js";
import type { KeyAddress } from "./wire/keys.js";
import { indexOf } from "./wire/head.js";

/**
 * How many raft entries a leader keeps for members that lag (a constant of etcd 2.0 to 3.5). A member that lags more
 * gets a snapshot, and then its waiting polls do not receive the events in the snapshot.
 */
const keptRaftEntries = 5_000;

/**
 * How far an event may be above the index at which its poll began before it is held back. Most indexes are one raft entry
 * each: below this a snapshot is unlikely, and the raft index of the next poll shows it.
 */
const farIndexes = 4_000;

/** Events that are held back until it is certain that none was skipped before them. */
interface Held {
  readonly events: readonly KeysResponse[];
  readonly head: ResponseHead;
}

/** A delivered event before which others may have been skipped. */
interface Unproved {
  /** The response that brought it: its headers are those of the poll's start. */
  readonly head: ResponseHead;
  readonly index: number;
  /** The lowest index that a skipped event may have. */
  fromIndex: number;
  /** Whether the member may have got a snapshot: then the events before this one are looked up in etcd's history. */
  suspect: boolean;
}

/**
 * Finds events that a member skipped because it caught up by a snapshot, without a request if none can be missing. An
 * event far above the start of its poll is held back, and the poll is sent again: etcd's history then has the first
 * event of all, or is cleared. If events took few indexes but many raft entries lie between, the next poll shows it.
 */
export class GapCheck {
  readonly #at: KeyAddress;
  #held: Held | undefined;
  #unproved: Unproved | undefined;

  constructor(at: KeyAddress) {
    this.#at = at;
  }

  /** Where to look for skipped events; undefined if none is suspected. */
  get lookBackFrom(): number | undefined {
    return this.#unproved?.suspect === true ? this.#unproved.fromIndex : undefined;
  }

  /** Takes the headers of the next poll. Whether the events before the last one have to be looked up first. */
  suspects(head: ResponseHead): boolean {
    const unproved = this.#unproved;
    if (unproved === undefined || unproved.suspect) return false;
    unproved.suspect = mayHaveSnapshot(unproved.head, head);
    if (!unproved.suspect) this.#unproved = undefined;
    return unproved.suspect;
  }

  /**
   * Takes events from etcd's history, looked up from {@link lookBackFrom}.
   *
   * @returns whether the lookup made progress
   * @throws {EtcdError} `isIndexCleared`: events were skipped
   */
  lookBack(events: readonly KeysResponse[]): boolean {
    const unproved = this.#unproved;
    if (unproved === undefined) return false;
    for (const event of events) {
      const { modifiedIndex, key } = event.node;
      if (modifiedIndex < unproved.fromIndex) return false;
      if (modifiedIndex >= unproved.index) break;
      // history contains events that a live watch does not receive
      if (!isForeign(event, this.#at) && !isHiddenBelow(key, watchedKey(this.#at))) throw skipped(unproved);
      unproved.fromIndex = modifiedIndex + 1;
      if (event === events.at(-1)) return true;
    }
    this.#unproved = undefined;
    return true;
  }

  /** Whether these events have to wait until the same poll was sent once more. */
  holds(events: readonly KeysResponse[], head: ResponseHead, waitIndex: number): boolean {
    const [event, began] = [events[0], indexOf(head) ?? 0];
    if (event === undefined || began === 0) return false;
    const index = event.node.modifiedIndex;
    if (index <= waitIndex || index - began <= farIndexes) return false;
    if (this.#isConfirmed(index) || provesNoGap(event, this.#at, waitIndex)) return false;
    this.#held = { events, head };
    return true;
  }

  /** For a history that does not reach back to the held events: returns them if no snapshot is possible, else undefined. */
  release(head: ResponseHead): readonly KeysResponse[] | undefined {
    const held = this.#held;
    const isKnown = held !== undefined && raftIndexOf(held.head) !== undefined && raftIndexOf(head) !== undefined;
    return isKnown && !mayHaveSnapshot(held.head, head) ? held.events : undefined;
  }

  /** Records the events that are delivered. */
  delivered([event]: readonly KeysResponse[], head: ResponseHead, waitIndex: number): void {
    const index = event?.node.modifiedIndex ?? 0;
    const isProved =
      event === undefined ||
      this.#isConfirmed(index) ||
      // the index follows the one that was known, or the event was there when the poll began
      index <= Math.max(waitIndex, (indexOf(head) ?? 0) + 1) ||
      provesNoGap(event, this.#at, waitIndex);
    this.#held = undefined;
    this.#unproved = isProved ? undefined : { head, index, fromIndex: waitIndex, suspect: false };
  }

  /** Whether the poll that was sent once more brought the held event again, or an earlier one. */
  #isConfirmed(index: number): boolean {
    const [event] = this.#held?.events ?? [];
    return event !== undefined && index <= event.node.modifiedIndex;
  }
}

/**
 * Whether the event itself proves that nothing was missed: the file that it changes is all that is watched, and its
 * previous version is older than the requested index.
 */
function provesNoGap({ node, prevNode }: KeysResponse, at: KeyAddress, waitIndex: number): boolean {
  if (!isComparable(at) || node.dir || prevNode === undefined || prevNode.dir) return false;
  return node.key === watchedKey(at) && prevNode.modifiedIndex > 0 && prevNode.modifiedIndex < waitIndex;
}

/** Whether so many raft entries lie between two responses that a member may have got a snapshot in between. */
function mayHaveSnapshot(earlier: ResponseHead, later: ResponseHead): boolean {
  const [from, to] = [raftIndexOf(earlier), raftIndexOf(later)];
  return from !== undefined && to !== undefined && to - from >= keptRaftEntries;
}

function raftIndexOf({ headers }: ResponseHead): number | undefined {
  const index = Number(headers["x-raft-index"] ?? NaN);
  return Number.isSafeInteger(index) && index > 0 ? index : undefined;
}

function skipped({ fromIndex, index }: Unproved): EtcdError {
  return new EtcdError({
    status: 400,
    errorCode: EtcdErrorCode.eventIndexCleared,
    serverMessage: "The event in requested index is outdated and cleared",
    serverCause: `the member caught up by a snapshot and skipped events between ${String(fromIndex)} and ${String(index)}`,
    index,
  });
}
