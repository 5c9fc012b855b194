import { maxTimerMs } from "./signals.js";

/**
 * A signal that aborts at a moment of the monotonic clock (`performance.now()`), which may be put off until then.
 *
 * A timer is late in a process that was stopped (SIGSTOP, a long pause) or is busy: what was waiting to be read is
 * handled before it. So `signal.aborted` and `signal.throwIfAborted()` look at the clock themselves whenever they are
 * asked, and abort the signal if it is past the deadline; its listeners then hear of it before the asker does.
 */
export class Deadline {
  readonly signal: AbortSignal;
  readonly #controller = new AbortController();
  readonly #reason: () => unknown;
  #atMs: number;
  #timer: NodeJS.Timeout | undefined;

  /** @param reason makes what the signal aborts with when the time has come */
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

  /** Puts the moment off, or forward. Once aborted, the signal stays so. */
  moveTo(atMs: number): void {
    this.#atMs = atMs;
    if (!this.#hasAborted()) this.#arm();
  }

  /** Aborts now, unless it has; the timer is gone then. */
  abort(reason: unknown): void {
    clearTimeout(this.#timer);
    this.#controller.abort(reason);
  }

  #arm(): void {
    clearTimeout(this.#timer);
    // a timer may also fire a fraction of a millisecond early: it looks at the clock like anybody else
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

  /** What the signal says of itself, without a look at the clock. */
  #hasAborted(): boolean {
    return Reflect.get(AbortSignal.prototype, "aborted", this.signal);
  }
}
