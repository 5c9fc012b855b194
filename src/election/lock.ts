import { badArgument, requireMs, requireOptions, requireSignal, requireText, show } from "../util/validate.js";

/** What a backend rejects with is part of the port. */
export { ElectionError, type ElectionErrorCode } from "./errors.js";

/** What is contested, and how. Durations are milliseconds. */
export interface LeadershipConfig {
  /** Everybody who contests the same leadership names the same key. A leading `/` makes no difference. */
  readonly key: string;
  /** What others learn of the leader, from `current()`; e.g. its address. May be "". */
  readonly contactInfo: string;
  /** A name for people; Consul shows it as the session's. @default "default-leader-session" */
  readonly description?: string | undefined;
  /**
   * How long the lock stays free after a leader was lost without resigning, in ms: time for it to notice. With etcd it
   * is the contenders who keep it, with Consul the server. @default 15000
   */
  readonly lockDelayMs?: number | undefined;
  /** How long a leader that is heard of no more keeps the lock, in ms. etcd counts whole seconds: rounded up. @default 15000 */
  readonly ttlMs?: number | undefined;
  /** How long before the server could give the lock away the leader counts itself out, in ms; below half of `ttlMs`. @default a tenth of `ttlMs`, at most 1000 */
  readonly marginMs?: number | undefined;
  /** Pause before contesting again after a term, in ms; doubles up to 30 s while the callback rejects within 1 s. @default 1000 */
  readonly cooldownMs?: number | undefined;
  /** How long the callback may go on after its signal has aborted, before the lock is given up all the same, in ms. @default 5000 */
  readonly stepDownTimeoutMs?: number | undefined;
  /** Consul's datacenter; etcd knows none. Absent: the agent's own. */
  readonly dc?: string | undefined;
}

/** What a leader is given. */
export interface LeaderContext {
  /**
   * Aborts when the term ends, for whatever reason, and at the latest before the lock could be somebody else's:
   * `signal.aborted` looks at the clock itself when it is asked. Its reason is an `ElectionError`, or the caller's own.
   */
  readonly signal: AbortSignal;
  /** A whole number in decimal digits that grows with every new leader: for stores that refuse writes of older ones. Compare it as a number. */
  readonly fencingToken: string;
}

/** Called at the start of each term; the term ends when it settles. */
export type AsLeader = (context: LeaderContext) => Promise<void> | void;

/** `error`: what the callback rejected with, or a failure that is tried again; `session`: a new session with the backend. */
export interface LeadershipChange {
  readonly type: "elected" | "lost" | "session" | "error";
  readonly error?: Error;
}

export interface SignalOptions {
  readonly signal?: AbortSignal | undefined;
}

/** One participation in an election. `close()` ends it. */
export interface LeaderSession extends AsyncDisposable {
  /**
   * Steps down: aborts the term's signal, gives up the lock once the callback has settled (or `stepDownTimeoutMs` is
   * over), and contests again after the cooldown. Resolves once that is done, to whether there was a lock to give up;
   * false also when the release failed, and the lock is left to expire. The callback itself must not await it.
   */
  abdicate(): Promise<boolean>;
  /** The contact info of whoever leads, asked of the backend; undefined when nobody does. */
  current(options?: SignalOptions): Promise<string | undefined>;
  /** The entry as it is stored; undefined when there is none. */
  currentEntry(options?: SignalOptions): Promise<LeaderEntry | undefined>;
  /** Absent while there is none. */
  readonly sessionId: string | undefined;
  /** Whether a term is running and its signal has not aborted, by the clock, now. */
  readonly isLeader: boolean;
  /** What happens from now on; ends with the handle, or by throwing the signal's reason. */
  changes(options?: SignalOptions): AsyncGenerator<LeadershipChange, void, undefined>;
  /** Steps down, ends the session and contests no more. Waits for the callback, up to `stepDownTimeoutMs`. Idempotent. */
  close(): Promise<void>;
  /** Resolves when all has ended: to what ended it, or to undefined after `close()` or an abort. */
  readonly closed: Promise<Error | undefined>;
}

export interface Candidate {
  /**
   * Contests a leadership until closed, term after term.
   *
   * @param options `signal` closes the handle too
   * @throws {UsageError} for a bad config, before any I/O
   * Rejects with `signal.reason` when aborted meanwhile. Failures of the backend are tried again, see `changes()`.
   */
  participate(config: LeadershipConfig, asLeader: AsLeader, options?: SignalOptions): Promise<LeaderSession>;
  /**
   * Waits for one term, works, and gives the leadership up; settles as `work` does.
   *
   * @throws {UsageError} for a bad config, before any I/O
   * Rejects with `signal.reason` when aborted before `work` has settled.
   */
  run<T>(
    config: LeadershipConfig,
    work: (signal: AbortSignal, context: LeaderContext) => Promise<T> | T,
    options?: SignalOptions,
  ): Promise<T>;
}

/** What makes the locks of one backend, for `createCandidate`. */
export interface LockProvider {
  /** Checks a config. @throws {UsageError} */
  resolve(config: LeadershipConfig): Leadership;
  /** The lock of a leadership. What it rejects with, `participate` rejects with. */
  connect(leadership: Leadership, signal: AbortSignal | undefined): Lock | Promise<Lock>;
}

/** A {@link LeadershipConfig}, checked and with its defaults. */
export interface Leadership {
  /** Without leading `/`. */
  readonly key: string;
  readonly contactInfo: string;
  readonly description: string;
  readonly lockDelayMs: number;
  readonly ttlMs: number;
  readonly marginMs: number;
  readonly cooldownMs: number;
  readonly stepDownTimeoutMs: number;
  readonly dc: string | undefined;
}

/** What a backend accepts, in ms; both ends included. */
export interface LockLimits {
  readonly minTtlMs: number;
  readonly maxTtlMs: number;
  readonly maxLockDelayMs: number;
}

/** Who holds a lock, as the backend has it. */
export interface LeaderEntry {
  readonly key: string;
  /** The leader's, as plain text. */
  readonly contactInfo: string;
  /** What is stored, as it is. */
  readonly value: string;
  /** Whether anybody holds the lock: Consul keeps the last leader's entry. */
  readonly held: boolean;
  /** The holder's session; absent when nobody holds the lock, and where the entry is not of our making. */
  readonly sessionId?: string | undefined;
  /** See `LeaderContext.fencingToken`. */
  readonly fencingToken: string;
  readonly createdIndex: number;
  readonly modifiedIndex: number;
}

/** What a backend gives to an election: one lock, that many contend for. */
export interface Lock {
  /** How often a session is kept per TTL. */
  readonly beatsPerTtl: number;
  /**
   * Begins a session. One that fails is tried again, with pauses. Like every call here it ends in bounded time, with
   * {@link requestMs} for each request, and rejects with `signal.reason` when aborted.
   */
  open(signal: AbortSignal): Promise<LockSession>;
  /** Who holds the lock; undefined when there is no entry. */
  entry(signal: AbortSignal | undefined): Promise<LeaderEntry | undefined>;
}

/**
 * One contender's claim. Calls come one at a time, but for `keep`, `untilLost` and `release`, which may overlap.
 * Whatever shows that the session is gone rejects with an `ElectionError` `ERR_LOST`; a new one is opened then.
 * Any other rejection is a failure that may pass, and is tried again, but for `UsageError`, which ends the election.
 */
export interface LockSession {
  readonly id: string;
  /** How long the session outlives the sending of `open`, in ms. Absent where a session lives only while the lock is held. */
  readonly ttlMs?: number | undefined;
  /** Takes the lock if it is free, or ours already; undefined if it is not to be had now. */
  tryAcquire(signal: AbortSignal): Promise<Hold | undefined>;
  /** One beat. Resolves to how long, counted from the sending, the session is safe now, in ms; to undefined when nothing is held that needs it. */
  keep(signal: AbortSignal): Promise<number | undefined>;
  /** Waits until it makes sense to try again; resolves to how long to pause before, in ms. Has no time limit. */
  untilFree(signal: AbortSignal): Promise<number>;
  /** Waits until the lock, which is ours, is seen not to be. Has no time limit. */
  untilLost(signal: AbortSignal): Promise<void>;
  /** Gives the lock up if it is still ours; whether it was. After a rejection the session is closed: the release may be applied late. */
  release(signal: AbortSignal): Promise<boolean>;
  /** Ends the session, and gives up what it may hold. */
  close(signal: AbortSignal): Promise<void>;
}

/** A lock that was taken. */
export interface Hold {
  /** Grows with every new holder of the lock. */
  readonly fencingToken: string;
  /** How long it is safe, counted from the sending, in ms. Absent where the session's time counts, which this did not renew. */
  readonly ttlMs?: number | undefined;
}

/** Longest that a backend waits for one request of an election: short enough for several tries before the TTL is over. */
export function requestMs(ttlMs: number): number {
  return Math.min(ttlMs / 4, Math.max(ttlMs / 6, 500));
}

const defaultTtlMs = 15_000;
const defaultLockDelayMs = 15_000;
const maxDefaultMarginMs = 1_000;
const defaultCooldownMs = 1_000;
const defaultStepDownTimeoutMs = 5_000;

/** Checks all there is to check, and says every default once. @throws {UsageError} */
export function resolveLeadership(config: LeadershipConfig, limits: LockLimits): Leadership {
  if ((config as LeadershipConfig | undefined) === undefined)
    badArgument("an election needs its config: { key, contactInfo, ... }");
  requireOptions("config", config, configNames);
  const {
    contactInfo,
    dc,
    description = "default-leader-session",
    lockDelayMs = defaultLockDelayMs,
    ttlMs = defaultTtlMs,
  } = config;
  requireText("config.key", config.key);
  const key = config.key.replace(/^\/+/, "");
  if (key === "") badArgument("config.key must not be empty");
  requireText("config.contactInfo", contactInfo);
  requireText("config.description", description);
  if (dc !== undefined) requireText("config.dc", dc);
  requireRange("config.lockDelayMs", lockDelayMs, 0, limits.maxLockDelayMs);
  requireRange("config.ttlMs", ttlMs, limits.minTtlMs, limits.maxTtlMs);
  const {
    marginMs = Math.min(ttlMs / 10, maxDefaultMarginMs),
    cooldownMs = defaultCooldownMs,
    stepDownTimeoutMs = defaultStepDownTimeoutMs,
  } = config;
  requireRange("config.marginMs", marginMs, 0, ttlMs / 2);
  requireMs("config.cooldownMs", cooldownMs);
  requireMs("config.stepDownTimeoutMs", stepDownTimeoutMs);
  return { key, contactInfo, description, lockDelayMs, ttlMs, marginMs, cooldownMs, stepDownTimeoutMs, dc };
}

/** Options that hold a signal and nothing else. @throws {UsageError} */
export function checkedSignal(options: SignalOptions): SignalOptions {
  requireOptions("options", options, signalOptionNames);
  requireSignal("options.signal", options.signal);
  return options;
}

function requireRange(what: string, value: unknown, min: number, max: number): void {
  if (typeof value !== "number" || !(value >= min && value <= max)) {
    badArgument(`${what} must be a number of milliseconds from ${String(min)} to ${String(max)}, got ${show(value)}`);
  }
}

const signalOptionNames: ReadonlySet<string> = new Set<keyof SignalOptions>(["signal"]);
const configNames: ReadonlySet<string> = new Set<keyof LeadershipConfig>([
  "key",
  "contactInfo",
  "description",
  "lockDelayMs",
  "ttlMs",
  "marginMs",
  "cooldownMs",
  "stepDownTimeoutMs",
  "dc",
]);
