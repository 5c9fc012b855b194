import type { Reader } from "../util/queue.js";

/** The errors of a backend are part of the port. */
export { ElectionError, type ElectionErrorCode } from "./errors.js";

/** The leadership that candidates contest, and how. */
export interface LeadershipConfig {
  /** Names the leadership: all its candidates use the same key. A leading `/` makes no difference. */
  readonly key: string;
  /** What others learn about the leader by `current()`, such as its address. May be "". */
  readonly contactInfo: string;
  /** A name for people. Consul shows it as the name of the session, etcd does not. @default "default-leader-session" */
  readonly description?: string | undefined;
  /**
   * How long the lock stays free after a leader was lost without resigning, in ms: time for it to notice. With etcd the
   * candidates observe it, with Consul the server does. @default 15000
   */
  readonly lockDelayMs?: number | undefined;
  /**
   * How long a leader that is not heard of keeps the lock, in ms. etcd counts whole seconds: rounded up. Consul accepts
   * 10 s to 24 h, and may take twice as long. @default 15000
   */
  readonly ttlMs?: number | undefined;
  /**
   * How long before the server could give the lock away a leader stops leading, in ms; at most half of `ttlMs`.
   * @default a tenth of `ttlMs`, at most 1000
   */
  readonly marginMs?: number | undefined;
  /** Pause between a term and the next attempt, in ms. Doubles, up to 30 s, while the callback rejects within 1 s. @default 1000 */
  readonly cooldownMs?: number | undefined;
  /** How long the callback may run after its signal has aborted, before the lock is released nevertheless, in ms. @default 5000 */
  readonly stepDownTimeoutMs?: number | undefined;
  /** Consul's datacenter. Absent: the agent's own. Ignored by etcd. */
  readonly dc?: string | undefined;
}

/** What the callback of a leader is given. */
export interface LeaderContext {
  /**
   * Aborts when the term ends, for whatever reason, and always before another process could hold the lock: `signal.aborted`
   * itself looks at the clock (one that `AbortSignal.any` made of it does not, on Node 26). Its reason is an {@link ElectionError}, or the reason of the caller's own signal.
   */
  readonly signal: AbortSignal;
  /**
   * A whole number in decimal digits that grows with every new leader, so that a store can refuse writes of earlier ones.
   * Compare it as a number. It starts again if the servers lose their data or are restored from a backup.
   */
  readonly fencingToken: string;
}

/** Called at the start of each term. The term ends when it returns, or when its promise settles. */
export type AsLeader = (context: LeaderContext) => Promise<void> | void;

/** Something that happened in an election. */
export interface LeadershipChange {
  /**
   * - `elected`, `lost`: a term begins or ends
   * - `session`: there is a new session with the backend
   * - `error`: the callback failed, or the backend did; the election goes on
   */
  readonly type: "elected" | "lost" | "session" | "error";
  /** The failure, or why the term ended. Absent for `elected` and `session`. */
  readonly error?: Error;
}

/** Options of calls that can only be aborted. */
export interface SignalOptions {
  /** Aborts the call, which then rejects with the signal's reason. */
  readonly signal?: AbortSignal | undefined;
}

/** One participation in an election, until `close()`. */
export interface LeaderSession extends AsyncDisposable {
  /**
   * Steps down: aborts the signal of the term, releases the lock once the callback has settled, or after
   * `stepDownTimeoutMs`, and contests again after the cooldown. The callback itself must not await it.
   *
   * @returns whether a lock was released; false if this candidate does not lead, and if the release failed, so that the
   * lock is left to expire
   */
  abdicate(): Promise<boolean>;
  /**
   * Reads the contact info of the leader; undefined if there is none. Rejects with the backend's error, and with
   * `signal.reason` when aborted.
   */
  current(options?: SignalOptions): Promise<string | undefined>;
  /**
   * Reads the entry as it is stored; undefined if there is none. Rejects with the backend's error, and with
   * `signal.reason` when aborted.
   */
  currentEntry(options?: SignalOptions): Promise<LeaderEntry | undefined>;
  /** The id of the session with the backend; undefined while there is none. */
  readonly sessionId: string | undefined;
  /** Whether this candidate leads now: a term is running and its signal has not aborted. Looks at the clock. */
  readonly isLeader: boolean;
  /**
   * What happens from now on. Ends with the participation, or throws the reason of the signal. Before the first call,
   * failures that last are reported by `process.emitWarning`.
   */
  changes(options?: SignalOptions): Reader<LeadershipChange>;
  /**
   * Steps down, ends the session and stops contesting. Waits for the callback, up to `stepDownTimeoutMs`, and until the
   * lock is released: also a lock whose request was still on its way. Never rejects. Idempotent.
   */
  close(): Promise<void>;
  /** Resolves when everything is over: to the error that ended the participation, to undefined after `close()` or an abort. */
  readonly closed: Promise<unknown>;
}

/** Contests leaderships. */
export interface Candidate {
  /**
   * Contests a leadership until closed, term after term. Resolves when the backend has responded for the first time;
   * with etcd it waits for that as long as it takes.
   *
   * @param asLeader called at the start of each term
   * @param options `signal` also closes the participation later
   * @throws {UsageError} for a bad config, before any I/O
   * Rejects with `signal.reason` when aborted before it resolves.
   * @example
   * const session = await candidate.participate({ key: "jobs/leader", contactInfo: "10.0.0.1:80" }, async ({ signal }) => {
   *   while (!signal.aborted) await work(signal);
   * });
   */
  participate(config: LeadershipConfig, asLeader: AsLeader, options?: SignalOptions): Promise<LeaderSession>;
  /**
   * Waits until it leads, calls `work`, and releases the lock. Settles when `work` has settled and the lock is released:
   * as `work` did, unless the term had ended before.
   *
   * @param work called once, as the leader
   * @throws {UsageError} for a bad config, before any I/O
   * @throws {ElectionError} why the term ended, if that was before `work` returned: the result does not count
   * Rejects with `signal.reason` when aborted before `work` has settled.
   * @example
   * await candidate.run({ key: "jobs/nightly", contactInfo: "" }, (signal) => backUp(signal));
   */
  run<T>(
    config: LeadershipConfig,
    work: (signal: AbortSignal, context: LeaderContext) => Promise<T> | T,
    options?: SignalOptions,
  ): Promise<T>;
}

/** Makes the locks of one backend, for `createCandidate`. */
export interface LockProvider {
  /**
   * Whether the backend responded and refused: another attempt would not help. Such an error ends `acquire` of a lock.
   */
  readonly isRefusal: (error: unknown) => boolean;
  /** The client. If an election makes no progress and has no handler, there is one process warning for each client. */
  readonly owner: object;
  /** Checks a config and adds the defaults. @param what its name in messages, default: "config" @throws {UsageError} */
  resolve(config: LeadershipConfig, what?: string): Leadership;
  /** The lock of a leadership. `participate` rejects with what this rejects with. */
  connect(leadership: Leadership, signal: AbortSignal | undefined): Lock | Promise<Lock>;
}

/** A {@link LeadershipConfig}, checked and with its defaults. */
export interface Leadership {
  /** Without a leading `/`. */
  readonly key: string;
  /** See {@link LeadershipConfig.contactInfo}. */
  readonly contactInfo: string;
  /** See {@link LeadershipConfig.description}. */
  readonly description: string;
  /** In ms. */
  readonly lockDelayMs: number;
  /** In ms. */
  readonly ttlMs: number;
  /** In ms. */
  readonly marginMs: number;
  /** In ms. */
  readonly cooldownMs: number;
  /** In ms. */
  readonly stepDownTimeoutMs: number;
  /** See {@link LeadershipConfig.dc}. */
  readonly dc: string | undefined;
}

/** Who holds a lock, as the backend stores it. */
export interface LeaderEntry {
  /** As the backend writes it. */
  readonly key: string;
  /** The leader's contact info, as plain text. */
  readonly contactInfo: string;
  /** What is stored, as it is. */
  readonly value: string;
  /** Whether anybody holds the lock: Consul keeps the entry of the last leader. */
  readonly held: boolean;
  /** The holder's session. Absent if the lock is free, and if another program wrote the entry. */
  readonly sessionId?: string | undefined;
  /** See {@link LeaderContext.fencingToken}. */
  readonly fencingToken: string;
  /** The backend's index of the write that created the entry. */
  readonly createdIndex: number;
  /** The backend's index of the last write. */
  readonly modifiedIndex: number;
}

/** What a backend provides: one lock that many contend for. */
export interface Lock {
  /** How many heartbeats are sent in each TTL. */
  readonly beatsPerTtl: number;
  /**
   * Begins a session. If it fails it is tried again. Like every call here, it ends in bounded time, with
   * `requestMs(ttlMs)` for each request, and rejects with `signal.reason` when aborted.
   */
  open(signal: AbortSignal): Promise<LockSession>;
  /** Who holds the lock; undefined if there is no entry. */
  entry(signal: AbortSignal | undefined): Promise<LeaderEntry | undefined>;
}

/** Reports a failure that the backend itself tries again. */
export type OnFailure = (error: unknown) => void;

/**
 * One contender's claim on a lock. Calls do not overlap, except for `keep`, `untilLost` and `release`.
 *
 * Rejects with an {@link ElectionError} `ERR_LOST` when the session has ended at the server; the election then opens a new
 * one. Other failures are tried again, but a `UsageError`, or an error of the program such as a TypeError, ends the election.
 */
export interface LockSession {
  /** Unique among all sessions. */
  readonly id: string;
  /** How long the session is valid from the moment of sending `open`, in ms. Absent if it needs no heartbeat while it does not hold the lock. */
  readonly ttlMs?: number | undefined;
  /**
   * Takes the lock if it is free or ours; undefined if it cannot be had now. When aborted it rejects at once, but what it
   * has sent is not cancelled: `close` waits for it.
   */
  tryAcquire(signal: AbortSignal): Promise<Hold | undefined>;
  /** Sends one heartbeat. Resolves to how long the session stays valid, in ms from the moment of sending; undefined if there is nothing to keep. */
  keep(signal: AbortSignal): Promise<number | undefined>;
  /** Waits, without a limit, until another `tryAcquire` makes sense. Resolves to the pause before it, in ms. */
  untilFree(signal: AbortSignal, onFailure: OnFailure): Promise<number>;
  /** Waits, without a limit, until the lock turns out to be lost. */
  untilLost(signal: AbortSignal, onFailure: OnFailure): Promise<void>;
  /**
   * Releases the lock if it is ours. Resolves to whether it was. After a rejection the session is closed, since the
   * release may be applied late.
   */
  release(signal: AbortSignal): Promise<boolean>;
  /** Ends the session. Once it has resolved, the session neither holds the lock nor can get it, whatever was sent before. */
  close(signal: AbortSignal): Promise<void>;
}

/** A lock that was taken. */
export interface Hold {
  /** See {@link LeaderContext.fencingToken}. */
  readonly fencingToken: string;
  /** How long it is valid, in ms from the moment of sending. Absent if it is valid as long as the session. */
  readonly ttlMs?: number | undefined;
}
