import { bounded } from "../util/bounded.js";
import { diagnostics, trace } from "../util/diagnostics.js";
import { retry } from "../util/retry.js";
import { linkSignal, sleep, type Link } from "../util/signals.js";
import { ElectionError, isFinal, isLost } from "./errors.js";
import { backoffFor } from "./lock-contact.js";
import type { Hold, Leadership, Lock, LockSession, OnFailure } from "./lock.js";

/** How much longer than the TTL closing a session may take, in ms. */
const closeExtraMs = 1_000;

/** Gets reports on the state of the backend. */
export interface Reports {
  /** Called when it failed and is tried again. */
  readonly onFailure: OnFailure;
  /** Called when a request succeeded. */
  readonly onSuccess: () => void;
}

/** A session with the backend that is kept by heartbeats, and how long it is valid. */
export class KeptSession {
  readonly session: LockSession;
  /** Called when the session is valid for longer, with the new end of its validity, by `performance.now()`. */
  onRenewed: (endMs: number) => void = () => undefined;
  readonly #config: Leadership;
  readonly #reports: Reports;
  /** Aborts when the session is lost, or when its parent aborts. */
  readonly #contest: Link;
  /** Independent of the parent: the lock is kept while the callback winds down. */
  readonly #beats = new AbortController();
  readonly #beating: Promise<void>;
  /** When the last successful heartbeat was sent, by `performance.now()`, and for how long it is good, in ms. */
  #sentMs: number;
  #ttlMs: number;

  /** Opens a session, once. */
  static async open(lock: Lock, config: Leadership, signal: AbortSignal, reports: Reports): Promise<KeptSession> {
    const sentMs = performance.now();
    const session = await inTime(config, signal, (each) => lock.open(each));
    return new KeptSession(session, { lock, config, signal, reports, sentMs });
  }

  private constructor(session: LockSession, { lock, config, signal, reports, sentMs }: Opened) {
    this.session = session;
    this.#config = config;
    this.#reports = reports;
    this.#contest = linkSignal(signal);
    this.#sentMs = sentMs;
    this.#ttlMs = session.ttlMs ?? config.ttlMs;
    this.#beating = this.#beat(lock.beatsPerTtl, this.#beats.signal).catch((error: unknown) => {
      this.#contest.abort(error);
    });
  }

  /** Aborts when the session is lost, or when the election is closed. */
  get signal(): AbortSignal {
    return this.#contest.signal;
  }

  /** Until when the holder of the lock may rely on this session, by `performance.now()`. */
  get endMs(): number {
    return this.#sentMs + this.#ttlMs - this.#config.marginMs;
  }

  /** Tries once to take the lock; undefined if it is not free now. */
  async tryAcquire(): Promise<Hold | undefined> {
    const sentMs = performance.now();
    const hold = await inTime(this.#config, this.signal, (each) => this.session.tryAcquire(each));
    this.#reports.onSuccess();
    if (hold?.ttlMs !== undefined) this.#renew(sentMs, hold.ttlMs);
    return hold;
  }

  /** Waits until another `tryAcquire` makes sense. */
  async untilFree(): Promise<void> {
    await sleep(await this.session.untilFree(this.signal, this.#reports.onFailure), this.signal);
  }

  /** Releases the lock. Resolves to whether it was ours. */
  release(): Promise<boolean> {
    return inTime(this.#config, undefined, (each) => this.session.release(each));
  }

  /** Stops the heartbeats and ends the session; by then the server has dropped whatever it held. Never rejects. */
  async close(): Promise<void> {
    this.#beats.abort();
    await this.#beating;
    this.#contest.unlink();
    const ms = this.#config.ttlMs + closeExtraMs;
    try {
      await bounded(
        ms,
        undefined,
        () => tooSlow(ms),
        (each) => this.session.close(each),
      );
    } catch (error) {
      this.#reports.onFailure(error);
    }
  }

  /** Sends heartbeats until aborted; rejects when the session is lost. */
  async #beat(beatsPerTtl: number, signal: AbortSignal): Promise<never> {
    let lastMs = this.#sentMs;
    const attempt = async (): Promise<void> => {
      await sleep(Math.max(0, lastMs + this.#ttlMs / beatsPerTtl - performance.now()), signal);
      const sentMs = performance.now();
      const ttlMs = await trace(diagnostics().heartbeat, { room: "election", key: this.#config.key }, () =>
        inTime(this.#config, signal, (each) => this.session.keep(each)),
      );
      lastMs = sentMs;
      if (ttlMs !== undefined) this.#renew(sentMs, ttlMs);
    };
    const options = electionRetry(this.#config, signal, this.#reports.onFailure);
    for (;;) await retry(attempt, options);
  }

  #renew(sentMs: number, ttlMs: number): void {
    this.#sentMs = sentMs;
    this.#ttlMs = ttlMs;
    this.#reports.onSuccess();
    this.onRenewed(this.endMs);
  }
}

interface Opened {
  readonly lock: Lock;
  readonly config: Leadership;
  readonly signal: AbortSignal;
  readonly reports: Reports;
  readonly sentMs: number;
}

/** How an election retries: everything except the end of its session and what `endsIt` names. */
export function electionRetry(
  { ttlMs }: Leadership,
  signal: AbortSignal,
  onFailure: OnFailure,
  endsIt = isFinal,
): Parameters<typeof retry>[1] {
  const isTransient = (error: unknown): boolean => !isLost(error) && !endsIt(error);
  return { signal, backoff: backoffFor(ttlMs), isTransient, onFailure };
}

/** A backstop: backends have limits of their own, which are shorter. */
function inTime<T>(
  { ttlMs }: Leadership,
  signal: AbortSignal | undefined,
  call: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  return bounded(ttlMs / 2, signal, () => tooSlow(ttlMs / 2), call);
}

function tooSlow(ms: number): ElectionError {
  return new ElectionError("ERR_TIMEOUT", `the backend took longer than ${String(ms)} ms`);
}
