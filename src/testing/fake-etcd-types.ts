import type { Exchange } from "../http/exchange.js";
import type { FakeMember } from "./fake-member.js";
import type { Fault, FaultHandle, FaultMatch } from "./faults.js";
import type { SeenRequest } from "./front.js";
import type { FakeKeys } from "./options.js";

/** An etcd v2 server in this process. A forgotten one does not keep the process alive. */
export interface FakeEtcd extends AsyncDisposable {
  /** One for each member; without those that were removed from the cluster. */
  readonly endpoints: readonly string[];
  /** For `new Client({ endpoints, transport })`: requests that take no socket. A fake with HTTP has it, too. */
  readonly transport: Exchange;
  /** All there ever were, those that clients added or removed, too. */
  readonly members: readonly FakeMember[];
  /** etcd's index now, as `X-Etcd-Index` has it. */
  readonly index: number;
  /** The newest 10,000 requests, in the order of their coming, refused and faulted ones too. */
  readonly requests: readonly SeenRequest[];
  /** All files and their values, hidden ones too, by key. */
  dump(): Record<string, string>;
  /**
   * Writes keys as somebody else would: the index moves by one for each, watchers are told.
   *
   * @throws {UsageError} when etcd would refuse it
   */
  load(keys: FakeKeys): void;
  /**
   * Has a key expire now, whether or not it has a TTL.
   *
   * @throws {UsageError} when there is none
   */
  expire(key: string): void;
  /** Clears the history: whoever asks for events up to now is refused with 401. */
  clearHistory(): void;
  /**
   * Moves the clock, in ms, if the fake was made with one that can be moved. All that is due on the way has happened when it resolves, and
   * whoever waits for it in this process has been told.
   */
  tick(ms: number): Promise<void>;
  /**
   * Resolves when somebody waits for events of a key: of exactly that key, recursively or not. Rejects with the signal's reason.
   *
   * @param options `count`: how many polls must wait, as the server has them: a client may ask once for several of its watchers. @default 1
   */
  untilWatched(key: string, options?: WatchedOptions): Promise<void>;
  /**
   * Begins anew, for the next test: no keys, no history, no requests, no faults, all members well, auth as at the start; open polls are cut.
   * Endpoints stay, and the index does not go back.
   */
  reset(): void;
  /**
   * Has something go wrong with the next request that matches, or with several. Of two faults that match, the one set up last is
   * taken.
   *
   * @throws {UsageError} for bad options
   */
  fail(match: FaultMatch, fault: Fault, options?: FailOptions): FaultHandle;
  /** Ends polls, connections and timers; idempotent. */
  close(): Promise<void>;
}

/** Options of {@link FakeEtcd.untilWatched}. */
export interface WatchedOptions {
  /** @default 1 */
  readonly count?: number | undefined;
  /** Ends the waiting. */
  readonly signal?: AbortSignal | undefined;
}

/** Options of {@link FakeEtcd.fail}. */
export interface FailOptions {
  /** How many requests the fault meets; `Infinity`: all until it is healed. @default 1 */
  readonly times?: number | undefined;
}
