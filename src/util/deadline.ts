import { maxTimerMs } from "./signals.js";

/**
 * A signal that aborts at a `performance.now()` time, which can be moved until it fires.
 *
 * A timer is late in a process that was stopped (SIGSTOP, a long pause) or is busy: Node first handles what arrived
 * meanwhile. So `signal.aborted` and `signal.throwIfAborted()` look at the clock themselves, and abort the signal if the
 * time is over. Its listeners are called before they return. `AbortSignal.any` asks them up to Node 24; the one of Node 26
 * reads the state behind them, so a signal that it makes follows with the timer.
 */
export class Deadline {
  /** Aborts at the deadline. */
  readonly signal: AbortSignal;
  readonly #controller = new AbortController();
  readonly #reason: () => unknown;
  #atMs: number;
  #timer: NodeJS.Timeout | undefined;

  /**
   * @param atMs the deadline, by `performance.now()`
   * @param reason makes what the signal aborts with at the deadline
   */
  constructor(atMs: number, reason: () => unknown) {
    this.#atMs = atMs;
    this.#reason = reason;
    this.signal = this.#controller.signal;
    Object.defineProperties(this.signal, {
      aborted: { configurable: true, get: () => this.#isOver() },
      throwIfAborted: {
        configurable: true,
        value: () => {
          if (this.#isOver()) throw this.signal.reason;
        },
      },
    });
    this.#arm();
  }

  /** Moves the deadline. Does nothing once the signal has aborted. */
  moveTo(atMs: number): void {
    this.#atMs = atMs;
    if (!this.#hasAborted()) this.#arm();
  }

  /** Aborts the signal now, and clears the timer. */
  abort(reason: unknown): void {
    clearTimeout(this.#timer);
    this.#controller.abort(reason);
  }

  #arm(): void {
    clearTimeout(this.#timer);
    // a timer may fire a fraction of a millisecond early, so it looks at the clock, too
    this.#timer = setTimeout(
      () => {
        if (!this.#isOver()) this.#arm();
      },
      Math.min(Math.max(1, this.#atMs - performance.now()), maxTimerMs),
    );
  }

  #isOver(): boolean {
    if (this.#hasAborted()) return true;
    if (performance.now() < this.#atMs) return false;
    this.abort(this.#reason());
    return true;
  }

  /** The state of the signal itself, without a look at the clock. */
  #hasAborted(): boolean {
    return Reflect.get(AbortSignal.prototype, "aborted", this.signal);
  }
}
