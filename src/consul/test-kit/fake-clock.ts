/** The time of a fake Consul: of its sessions, lock-delays, checks, and the waits of its blocking queries. */
export interface FakeClock {
  /** The current time in ms, from an arbitrary start. */
  now(): number;
  /** Calls back once, after that many ms. Returns a function that cancels it. */
  after(ms: number, callback: () => void): () => void;
}

/** The real time. */
export const realClock: FakeClock = {
  now: () => performance.now(),
  after: (ms, callback) => {
    const timer = setTimeout(callback, ms);
    return () => {
      clearTimeout(timer);
    };
  },
};

interface Alarm {
  readonly atMs: number;
  readonly callback: () => void;
}

/** A clock that stands still until a test moves it, so that nothing expires because a machine stalls. */
export class ManualClock implements FakeClock {
  readonly #alarms = new Set<Alarm>();
  #nowMs = 0;

  now(): number {
    return this.#nowMs;
  }

  after(ms: number, callback: () => void): () => void {
    const alarm = { atMs: this.#nowMs + ms, callback };
    this.#alarms.add(alarm);
    return () => {
      this.#alarms.delete(alarm);
    };
  }

  /** Moves the time, and makes the due callbacks in order. */
  advance(ms: number): void {
    const untilMs = this.#nowMs + ms;
    for (;;) {
      const [next] = [...this.#alarms].sort((a, b) => a.atMs - b.atMs);
      if (next === undefined || next.atMs > untilMs) break;
      this.#alarms.delete(next);
      this.#nowMs = next.atMs;
      next.callback();
    }
    this.#nowMs = untilMs;
  }
}
