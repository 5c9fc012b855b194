import type { Exchange } from "../http/exchange.js";
import type { FakeMember } from "./fake-member.js";
import type { Fault, FaultHandle, FaultMatch } from "./faults.js";
import type { SeenRequest } from "./front.js";
import type { FakeKeys } from "./options.js";

/** An etcd v2 server in this process. It does not keep the process alive, even if it is never closed. */
export interface FakeEtcd extends AsyncDisposable {
  /** The URL of each member that belongs to the cluster. */
  readonly endpoints: readonly string[];
  /** For `new Client({ endpoints, transport })`: requests do not use sockets. A fake that serves HTTP has it, too. */
  readonly transport: Exchange;
  /** All members, including those that clients have added or removed. */
  readonly members: readonly FakeMember[];
  /** The current index, as in the header `X-Etcd-Index`. */
  readonly index: number;
  /** At least the newest 10,000 requests, in order of arrival, including those that were refused or met a fault. */
  readonly requests: readonly SeenRequest[];
  /** The value of each key that is not a directory, sorted by key. Includes hidden keys. */
  dump(): Record<string, string>;
  /**
   * Writes keys as another client would: each write increments the index and is an event.
   *
   * @throws {UsageError} when etcd would refuse the write
   */
  load(keys: FakeKeys): void;
  /**
   * Makes a key expire now, whether or not it has a TTL.
   *
   * @throws {UsageError} when the key does not exist
   */
  expire(key: string): void;
  /** Clears the history: a watch from an index up to now is refused with error 401. */
  clearHistory(): void;
  /**
   * Moves the clock, in ms, if the fake was made with one that can be moved. When it resolves, everything that was due
   * on the way has happened, and code in this process that waited for it has been notified.
   * @throws {UsageError} the fake was made with another clock
   */
  tick(ms: number): Promise<void>;
  /**
   * Resolves when a client watches exactly this key, recursively or not; at once if one does already. Rejects with the signal's reason.
   *
   * @param options `count`: how many polls must be open at the server. A client may share one poll between several watchers. @default 1
   */
  untilWatched(key: string, options?: WatchedOptions): Promise<void>;
  /**
   * Resets the fake for the next test: no keys, history, requests or faults, all members healthy, auth as at the start. Open polls are cut.
   * The endpoints stay the same, and the index does not go back.
   */
  reset(): void;
  /**
   * Makes the next matching request, or several of them, fail in a given way. If two faults match, the one that was
   * added last applies.
   *
   * @throws {UsageError} for bad options
   */
  fail(match: FaultMatch, fault: Fault, options?: FailOptions): FaultHandle;
  /** Ends polls, connections and timers. Idempotent. */
  close(): Promise<void>;
}

/** Options of {@link FakeEtcd.untilWatched}. */
export interface WatchedOptions {
  /** @default 1 */
  readonly count?: number | undefined;
  /** Aborts the wait. */
  readonly signal?: AbortSignal | undefined;
}

/** Options of {@link FakeEtcd.fail}. */
export interface FailOptions {
  /** How many requests the fault applies to; `Infinity`: all, until it is healed. @default 1 */
  readonly times?: number | undefined;
}
