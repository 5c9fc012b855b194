import { settledWithin } from "../util/bounded.js";
import { diagnostics, traceOpen } from "../util/diagnostics.js";
import { reportThrown } from "../util/callback.js";
import { Fanout } from "../util/fanout.js";
import { Handle } from "../util/handle.js";
import { log } from "../util/log.js";
import { Backlog, type Reader } from "../util/queue.js";
import { retry } from "../util/retry.js";
import { abortable, linkSignal, onAbort, sleep, untilAborted } from "../util/signals.js";
import { StalledWarning } from "../util/stalled-warning.js";
import { electionRetry, KeptSession, type Reports } from "./candidate-session.js";
import { newTerm, type Term } from "./candidate-term.js";
import { asError, ElectionError, isError, isFinal, isLost, lost, resigned, TakenError } from "./errors.js";
import { checkedSignal } from "./lock-config.js";
import { backoffFor } from "./lock-contact.js";
import type {
  AsLeader,
  Hold,
  LeaderEntry,
  Leadership,
  LeadershipChange,
  LeaderSession,
  Lock,
  SignalOptions,
} from "./lock.js";

/** If a callback rejects within this time, the cooldown doubles, up to `maxCooldownMs`. */
const hastyMs = 1_000;
const maxCooldownMs = 30_000;
/** How far a reader of `changes` may be behind before it misses the oldest. */
const maxBacklog = 100;

/** How long to try for the lock. */
export interface AcquirePolicy {
  /** Whether to stop if another candidate has the lock. The participation then ends with a `TakenError`. */
  readonly once: boolean;
  /** What ends the participation, before it has the lock. */
  readonly isFinal: (error: unknown) => boolean;
}

/** What a {@link Participation} needs. */
export interface ParticipationOptions {
  /** See `LockProvider.owner`. */
  readonly owner: object;
  /** What it is, for the warning that it makes no progress. */
  readonly what: string;
  /** What to do about such a warning. */
  readonly hint: string;
  /** Absent: an election, which goes on without end. */
  readonly acquiring?: AcquirePolicy;
  readonly lock: Lock;
  readonly config: Leadership;
  readonly asLeader: AsLeader;
  readonly signal: AbortSignal | undefined;
}

/** The loop of an election: one session after the other, and within each of them one term after the other. */
export class Participation implements LeaderSession {
  readonly #acquiring: AcquirePolicy;
  readonly #lock: Lock;
  readonly #config: Leadership;
  readonly #asLeader: AsLeader;
  readonly #handle: Handle;
  readonly #changes = new Fanout<LeadershipChange>({
    what: "these changes",
    unread: () => new Backlog(maxBacklog),
  });
  readonly #stalled: StalledWarning;
  /** Whether anybody follows the changes. */
  #isHeard = false;
  readonly #reports: Reports = {
    onFailure: (error) => {
      this.#stalled.failed(error);
      this.#report(error);
    },
    onSuccess: () => {
      this.#stalled.end();
    },
  };
  #session: KeptSession | undefined;
  #term: Term | undefined;
  #cooldownMs: number;
  #notBeforeMs = 0;

  constructor({ owner, what, hint, acquiring, lock, config, asLeader, signal }: ParticipationOptions) {
    this.#acquiring = acquiring ?? { once: false, isFinal };
    this.#lock = lock;
    this.#config = config;
    this.#asLeader = asLeader;
    this.#cooldownMs = config.cooldownMs;
    const isHeard = (): boolean => this.#isHeard;
    this.#stalled = new StalledWarning({
      owner,
      what,
      hint,
      // a reader may come at any time
      get isHeard() {
        return isHeard();
      },
    });
    this.#handle = new Handle(what, {
      signal,
      run: (running) => this.#contestForever(running.signal, running.ready),
      release: () => {
        this.#stalled.end();
        this.#changes.end();
        return Promise.resolve();
      },
    });
  }

  /** Resolves after the first attempt to open a session; rejects if the participation ended before. */
  get begun(): Promise<void> {
    return this.#handle.ready;
  }

  get closed(): Promise<unknown> {
    return this.#handle.closed;
  }

  get sessionId(): string | undefined {
    return this.#session?.session.id;
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

  changes(options: SignalOptions = {}): Reader<LeadershipChange> {
    this.#isHeard = true;
    return this.#changes.read(checkedSignal(options).signal);
  }

  close(): Promise<void> {
    this.#term?.deadline.abort(resigned());
    return this.#handle.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #contestForever(signal: AbortSignal, ready: () => void): Promise<never> {
    const backoff = backoffFor(this.#config.ttlMs);
    for (;;) {
      try {
        const kept = await KeptSession.open(this.#lock, this.#config, signal, this.#reports);
        await this.#withSession(kept, ready, () => {
          backoff.reset();
        });
      } catch (error) {
        signal.throwIfAborted();
        if (this.#acquiring.isFinal(error)) throw error;
        this.#reports.onFailure(error);
        ready();
        await sleep(backoff.next(), signal);
      }
    }
  }

  /** Contests until the session is lost, or the participation closed; rejects with the reason. */
  async #withSession(kept: KeptSession, ready: () => void, onAcquired: () => void): Promise<never> {
    const { signal, session } = kept;
    this.#session = kept;
    this.#changes.push({ type: "session" });
    log.election("%s: session %s", this.#config.key, session.id);
    ready();
    try {
      for (;;) {
        await sleep(Math.max(0, this.#notBeforeMs - performance.now()), signal);
        const hold = await this.#acquire(kept);
        onAcquired();
        // it was taken while the participation was being closed: closing the session releases it
        signal.throwIfAborted();
        await this.#lead(kept, hold);
      }
    } finally {
      await kept.close();
      this.#session = undefined;
    }
  }

  /** Waits for the lock. */
  async #acquire(kept: KeptSession): Promise<Hold> {
    const { once, isFinal: endsIt } = this.#acquiring;
    const options = electionRetry(this.#config, kept.signal, this.#reports.onFailure, endsIt);
    const attempt = async (): Promise<Hold | undefined> => {
      const hold = await kept.tryAcquire();
      if (hold === undefined && once) throw new TakenError();
      if (hold === undefined) await kept.untilFree();
      return hold;
    };
    for (;;) {
      const hold = await retry(attempt, options);
      if (hold !== undefined) return hold;
    }
  }

  /** Runs one term. Rejects when the session can no longer be used. */
  async #lead(kept: KeptSession, { fencingToken }: Hold): Promise<void> {
    const term = newTerm(kept.endMs);
    const { deadline } = term;
    const over = deadline.signal;
    kept.onRenewed = (endMs) => {
      deadline.moveTo(endMs);
    };
    const off = onAbort(kept.signal, (reason) => {
      deadline.abort(reason);
    });
    this.#term = term;
    log.election("%s: elected, token %s", this.#config.key, fencingToken);
    const ended = traceOpen(diagnostics().term, { key: this.#config.key, fencingToken });
    this.#changes.push({ type: "elected" });
    const stopWatching = this.#watch(kept, term);
    const work = this.#work(over, fencingToken);
    try {
      await Promise.race([work, untilAborted(over)]);
      deadline.abort(new ElectionError("ERR_FINISHED", "the callback has ended"));
      await settledWithin(this.#config.stepDownTimeoutMs, work);
      stopWatching();
      if (!isLost(over.reason)) term.release(await kept.release());
    } finally {
      off();
      stopWatching();
      kept.onRenewed = () => undefined;
      term.release(false);
      this.#term = undefined;
      log.election("%s: the term of token %s is over", this.#config.key, fencingToken);
      ended(isLost(over.reason) ? over.reason : undefined);
      this.#changes.push({ type: "lost", ...(isError(over.reason) && { error: over.reason }) });
      // never two callbacks at the same time, not even in a new session
      const hasty = await abortable(work, this.#handle.signal).catch(() => false);
      this.#cooldown(hasty);
    }
  }

  /** Ends the term when the lock turns out to be lost. Returns a function that stops watching. */
  #watch(kept: KeptSession, { deadline }: Term): () => void {
    const watching = linkSignal(kept.signal);
    const { signal } = watching;
    retry(
      () => kept.session.untilLost(signal, this.#reports.onFailure),
      electionRetry(this.#config, signal, this.#reports.onFailure),
    ).then(
      () => {
        deadline.abort(lost("the lock was lost"));
      },
      (error: unknown) => {
        if (!signal.aborted) deadline.abort(error);
      },
    );
    return () => {
      watching.abort(undefined);
      watching.unlink();
    };
  }

  /** Runs the callback. Resolves to whether it failed within {@link hastyMs}. */
  async #work(signal: AbortSignal, fencingToken: string): Promise<boolean> {
    if (signal.aborted) return false;
    const begunMs = performance.now();
    try {
      await this.#asLeader({ signal, fencingToken });
      return false;
    } catch (error) {
      if (error !== undefined && error === signal.reason) return false;
      if (!this.#isHeard) reportThrown("asLeader", error);
      this.#report(error);
      return performance.now() - begunMs < hastyMs;
    }
  }

  #cooldown(hasty: boolean): void {
    const { cooldownMs } = this.#config;
    this.#notBeforeMs = performance.now() + this.#cooldownMs;
    this.#cooldownMs = hasty ? Math.min(this.#cooldownMs * 2, Math.max(maxCooldownMs, cooldownMs)) : cooldownMs;
  }

  #report(error: unknown): void {
    const known = asError(error);
    log.election("%s: %s", this.#config.key, known.message);
    this.#changes.push({ type: "error", error: known });
  }
}
