import { maxTimerMs, onAbort } from "../util/signals.js";

/** The clock of a fake etcd. */
export interface FakeClock {
  /** The current time in ms since 1970. */
  now(): number;
  /** Resolves after that many ms. Rejects with the signal's reason. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
}

/** A clock that stands still until a test moves it. */
export interface ManualClock extends FakeClock {
  /**
   * Moves the clock forward by that many ms. When the promise resolves, everything that was due has happened in order, and code in
   * this process that waited for it has been notified.
   */
  tick(ms: number): Promise<void>;
}

// Saved at import: a test may mock timers later.
const { setTimeout: startTimer, clearTimeout: stopTimer, setImmediate: nextTurn } = globalThis;
const systemTime = Date.now;

/** Real time, even if a test mocks timers. Its timers do not keep the process alive. */
export const realClock: FakeClock = {
  now: () => systemTime(),
  sleep: (ms, signal) => sleepBy(startTimer, stopTimer, ms, signal),
};

/**
 * A clock that uses whatever `Date` and `setTimeout` are at each call: for tests that mock them with `node:test`, Vitest or Jest.
 * Enable the mock before you create the fake; otherwise its first timers are real ones.
 */
export function globalClock(): FakeClock {
  return {
    now: () => Date.now(),
    sleep: (ms, signal) => sleepBy(globalThis.setTimeout, globalThis.clearTimeout, ms, signal),
  };
}

/**
 * A clock for the option `clock` of {@link FakeEtcdOptions}. Its `tick` moves it, and so does the `tick` of the fake.
 *
 * @param startMs the time at the start, in ms since 1970. @default 2026-01-01T00:00:00Z
 */
export function manualClock(startMs = Date.UTC(2026, 0, 1)): ManualClock {
  let nowMs = startMs;
  const sleepers = new Set<{ readonly dueMs: number; readonly wake: () => void }>();
  return {
    now: () => nowMs,
    sleep: (ms, signal) =>
      new Promise((resolve, reject) => {
        const sleeper = {
          dueMs: nowMs + ms,
          wake: () => {
            sleepers.delete(sleeper);
            off();
            resolve();
          },
        };
        sleepers.add(sleeper);
        const off = onAbort(signal, (reason) => {
          sleepers.delete(sleeper);
          reject(reason);
        });
      }),
    async tick(ms) {
      const untilMs = nowMs + ms;
      await settle();
      for (let next = first(sleepers, untilMs); next !== undefined; next = first(sleepers, untilMs)) {
        nowMs = Math.max(nowMs, next.dueMs);
        next.wake();
        await settle();
      }
      nowMs = untilMs;
      await settle();
    },
  };
}

/** Whether the clock has a `tick`. */
export function isManual(clock: FakeClock): clock is ManualClock {
  return "tick" in clock;
}

/** Lets all pending microtasks and immediates run. */
export async function settle(): Promise<void> {
  for (let turn = 0; turn < 3; turn++) await new Promise((resolve) => nextTurn(resolve));
}

function first<T extends { readonly dueMs: number }>(sleepers: ReadonlySet<T>, untilMs: number): T | undefined {
  let found: T | undefined;
  for (const sleeper of sleepers)
    if (sleeper.dueMs <= untilMs && (found === undefined || sleeper.dueMs < found.dueMs)) found = sleeper;
  return found;
}

function sleepBy(
  start: typeof setTimeout,
  stop: typeof clearTimeout,
  ms: number,
  signal: AbortSignal | undefined,
): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = start(
      () => {
        off();
        resolve();
      },
      Math.min(ms, maxTimerMs),
    );
    timer.unref();
    const off = onAbort(signal, (reason) => {
      stop(timer);
      reject(reason);
    });
  });
}
