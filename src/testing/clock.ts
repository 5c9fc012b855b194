import { maxTimerMs, onAbort } from "../util/signals.js";

/** The time that a fake etcd goes by. */
export interface FakeClock {
  /** In ms since 1970. */
  now(): number;
  /** Resolves when so much time has passed, in ms. Rejects with the signal's reason. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
}

/** A clock that stands still until a test moves it. */
export interface ManualClock extends FakeClock {
  /**
   * Moves the clock, in ms. Whatever falls due on the way happens at its own time, and has been handed to all who wait in this process
   * when the promise resolves.
   */
  tick(ms: number): Promise<void>;
}

// Kept from the start: a test may mock timers later.
const { setTimeout: startTimer, clearTimeout: stopTimer, setImmediate: nextTurn } = globalThis;
const systemTime = Date.now;

/** Real time, whatever timers a test mocks. Its timers do not keep the process alive. */
export const realClock: FakeClock = {
  now: () => systemTime(),
  sleep: (ms, signal) => sleepBy(startTimer, stopTimer, ms, signal),
};

/**
 * The time of `Date` and `setTimeout` as they are at the moment of use: for tests that mock these, with `node:test`, Vitest or Jest.
 * Enable the mock before the fake is made, or its timers are real ones.
 */
export function globalClock(): FakeClock {
  return {
    now: () => Date.now(),
    sleep: (ms, signal) => sleepBy(globalThis.setTimeout, globalThis.clearTimeout, ms, signal),
  };
}

/**
 * A clock for `clock` of {@link FakeEtcdOptions}; moved by `tick` of it, or of the fake.
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

/** Whether a clock can be moved. */
export function isManual(clock: FakeClock): clock is ManualClock {
  return "tick" in clock;
}

/** Lets everything that is ready in this process happen. */
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
