import { UsageError } from "../util/errors.js";
import { Backoff } from "../util/backoff.js";
import { bounded, settledWithin, aborted } from "../util/bounded.js";
import { Feed } from "../util/feed.js";
import { log } from "../util/log.js";
import { persist } from "../util/persist.js";
import { abortable, linkSignal, onAbort, sleep, type Link } from "../util/signals.js";
import { newTerm, type Lease, type Term } from "./candidate-term.js";
import { asError, ElectionError, isLost, resigned } from "./errors.js";
import type {
  AsLeader,
  Hold,
  LeaderEntry,
  Leadership,
  LeadershipChange,
  LeaderSession,
  Lock,
  LockSession,
  SignalOptions,
} from "./lock.js";
import { checkedSignal } from "./lock.js";

/** Between tries after a failure, in ms. */
const minRetryMs = 50;
const maxRetryMs = 3_000;
/** A callback that rejects within this time makes the cooldown double, up to `maxCooldownMs`. */
const hastyMs = 1_000;
const maxCooldownMs = 30_000;
/** How much longer than the TTL closing a session may take, in ms. */
const closeExtraMs = 1_000;

/** The loop: one session after the other, in each of them one term after the other. */
export class Participation implements LeaderSession {
  /** Resolves after the first try to open a session. */
  readonly begun: Promise<void>;
  readonly closed: Promise<Error | undefined>;
  readonly #lock: Lock;
  readonly #config: Leadership;
  readonly #asLeader: AsLeader;
  readonly #link: Link;
  readonly #changes = new Feed<LeadershipChange>();
  #session: LockSession | undefined;
  #term: Term | undefined;
  #cooldownMs: number;
  #notBeforeMs = 0;
  #begin = (): void => undefined;

  constructor(lock: Lock, config: Leadership, asLeader: AsLeader, signal: AbortSignal | undefined) {
    this.#lock = lock;
    this.#config = config;
    this.#asLeader = asLeader;
    this.#link = linkSignal(signal);
    this.#cooldownMs = config.cooldownMs;
    this.begun = new Promise((resolve) => (this.#begin = resolve));
    this.closed = this.#contestForever()
      .catch((error: unknown) => (this.#link.signal.aborted ? undefined : asError(error)))
      .finally(() => {
        this.#begin();
        this.#link.unlink();
        this.#changes.end();
      });
  }

  get sessionId(): string | undefined {
    return this.#session?.id;
  }

  get isLeader(): boolean {
    return this.#term?.deadline.signal.aborted === false;
  }

  async abdicate(): Promise<boolean> {
    const term = this.#term;
    if (term === undefined || !this.isLeader) return false;
    term.deadline.abort(resigned());
    return term.released;
  }

  async current(options: SignalOptions = {}): Promise<string | undefined> {
    const entry = await this.currentEntry(options);
    return entry?.held === true ? entry.contactInfo : undefined;
  }

  async currentEntry(options: SignalOptions = {}): Promise<LeaderEntry | undefined> {
    return this.#lock.entry(checkedSignal(options).signal);
  }

  changes(options: SignalOptions = {}): AsyncGenerator<LeadershipChange, void, undefined> {
    return this.#changes.read(checkedSignal(options).signal);
  }

  async close(): Promise<void> {
    this.#link.abort(resigned());
    await this.closed;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #contestForever(): Promise<never> {
    const { signal } = this.#link;
    const backoff = this.#backoff();
    for (;;) {
      try {
        const sentMs = performance.now();
        const session = await this.#bounded(signal, (each) => this.#lock.open(each));
        await this.#withSession(session, { sentMs, ttlMs: session.ttlMs ?? this.#config.ttlMs }, backoff);
      } catch (error) {
        signal.throwIfAborted();
        if (error instanceof UsageError) throw error;
        this.#fail(error);
        this.#begin();
        await sleep(backoff.next(), signal);
      }
    }
  }

  /** Contests until the session is lost, or the handle closed; rejects with why. */
  async #withSession(session: LockSession, lease: Lease, backoff: Backoff): Promise<never> {
    const contest = linkSignal(this.#link.signal);
    // not the handle's: while the callback winds down the lock is kept
    const beats = linkSignal(undefined);
    const beating = this.#beat(session, lease, beats.signal).catch((error: unknown) => {
      contest.abort(error);
    });
    const { signal } = contest;
    this.#session = session;
    this.#changes.push({ type: "session" });
    log.election("%s: session %s", this.#config.key, session.id);
    this.#begin();
    try {
      for (;;) {
        await sleepUntil(this.#notBeforeMs, signal);
        const hold = await this.#persist(signal, () => this.#tryAcquire(session, lease, signal));
        backoff.reset();
        // taken while the handle was closed: it is released with the session
        signal.throwIfAborted();
        await this.#lead(session, hold, lease, signal);
      }
    } finally {
      beats.abort(undefined);
      await beating;
      contest.unlink();
      this.#session = undefined;
      await this.#close(session);
    }
  }

  /** By then the server has dropped whatever the session held. */
  async #close(session: LockSession): Promise<void> {
    const ms = this.#config.ttlMs + closeExtraMs;
    try {
      await bounded(
        ms,
        undefined,
        () => tooSlow(ms),
        (each) => session.close(each),
      );
    } catch (error) {
      this.#fail(error);
    }
  }

  /** Keeps the session; ends by rejecting. */
  #beat(session: LockSession, lease: Lease, signal: AbortSignal): Promise<never> {
    let beatMs = lease.sentMs;
    return this.#persist<never>(signal, async () => {
      await sleepUntil(beatMs + lease.ttlMs / this.#lock.beatsPerTtl, signal);
      const sentMs = performance.now();
      const ttlMs = await this.#bounded(signal, (each) => session.keep(each));
      beatMs = sentMs;
      if (ttlMs !== undefined) this.#renew(lease, sentMs, ttlMs);
      return undefined;
    });
  }

  #renew(lease: Lease, sentMs: number, ttlMs: number): void {
    lease.sentMs = sentMs;
    lease.ttlMs = ttlMs;
    this.#term?.deadline.moveTo(this.#endOf(lease));
  }

  #endOf({ sentMs, ttlMs }: Lease): number {
    return sentMs + ttlMs - this.#config.marginMs;
  }

  /** Takes the lock, or waits until it may be free. */
  async #tryAcquire(session: LockSession, lease: Lease, signal: AbortSignal): Promise<Hold | undefined> {
    const sentMs = performance.now();
    const hold = await this.#bounded(signal, (each) => session.tryAcquire(each));
    if (hold === undefined) await sleep(await session.untilFree(signal), signal);
    else if (hold.ttlMs !== undefined) this.#renew(lease, sentMs, hold.ttlMs);
    return hold;
  }

  /** One term. Rejects when the session is of no use any more. */
  async #lead(session: LockSession, hold: Hold, lease: Lease, signal: AbortSignal): Promise<void> {
    const term = newTerm(this.#endOf(lease));
    const over = term.deadline.signal;
    const watching = linkSignal(signal);
    this.#term = term;
    const off = onAbort(signal, (reason) => {
      term.deadline.abort(reason);
    });
    log.election("%s: elected, token %s", this.#config.key, hold.fencingToken);
    this.#changes.push({ type: "elected" });
    this.#persist(watching.signal, () =>
      session.untilLost(watching.signal).then(() => new ElectionError("ERR_LOST", "the lock was lost")),
    ).then(
      (lost) => {
        term.deadline.abort(lost);
      },
      (error: unknown) => {
        if (!watching.signal.aborted) term.deadline.abort(error);
      },
    );
    const work = this.#work(over, hold.fencingToken);
    try {
      await Promise.race([work, aborted(over)]);
      term.deadline.abort(new ElectionError("ERR_FINISHED", "the callback has ended"));
      await settledWithin(this.#config.stepDownTimeoutMs, work);
      watching.abort(over.reason);
      if (!isLost(over.reason)) term.release(await this.#bounded(undefined, (each) => session.release(each)));
    } finally {
      off();
      watching.unlink();
      term.release(false);
      this.#term = undefined;
      log.election("%s: the term of token %s is over", this.#config.key, hold.fencingToken);
      this.#changes.push({ type: "lost", ...(over.reason instanceof Error && { error: over.reason }) });
      // never two at once: not in a new session either
      const hasty = await abortable(work, this.#link.signal).catch(() => false);
      this.#notBeforeMs = performance.now() + this.#cooldownMs;
      this.#cooldownMs = hasty
        ? Math.min(this.#cooldownMs * 2, Math.max(maxCooldownMs, this.#config.cooldownMs))
        : this.#config.cooldownMs;
    }
  }

  /** Runs the callback; whether it failed hastily. */
  async #work(signal: AbortSignal, fencingToken: string): Promise<boolean> {
    if (signal.aborted) return false;
    const begunMs = performance.now();
    try {
      await this.#asLeader({ signal, fencingToken });
      return false;
    } catch (error) {
      if (error !== undefined && error === signal.reason) return false;
      this.#fail(error);
      return performance.now() - begunMs < hastyMs;
    }
  }

  #persist<T>(signal: AbortSignal, attempt: () => Promise<T | undefined>): Promise<T> {
    const isFinal = (error: unknown): boolean => isLost(error) || error instanceof UsageError;
    return persist(
      signal,
      {
        backoff: this.#backoff(),
        isFinal,
        onFailure: (error) => {
          this.#fail(error);
        },
      },
      attempt,
    );
  }

  #backoff(): Backoff {
    return new Backoff(minRetryMs, Math.max(minRetryMs, Math.min(maxRetryMs, this.#config.ttlMs / 5)));
  }

  /** A backstop: backends have limits of their own, which are shorter. */
  #bounded<T>(signal: AbortSignal | undefined, call: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const ms = this.#config.ttlMs / 2;
    return bounded(ms, signal, () => tooSlow(ms), call);
  }

  #fail(error: unknown): void {
    const known = asError(error);
    log.election("%s: %s", this.#config.key, known.message);
    this.#changes.push({ type: "error", error: known });
  }
}

function tooSlow(ms: number): ElectionError {
  return new ElectionError("ERR_TIMEOUT", `the backend took longer than ${String(ms)} ms`);
}

/** @param atMs by `performance.now()`; may have passed */
function sleepUntil(atMs: number, signal: AbortSignal): Promise<void> {
  return sleep(Math.max(0, atMs - performance.now()), signal);
}
