import { AsyncResource } from "node:async_hooks";

/** Time that passes only when there is nothing else to do, so that nothing in a test depends on how fast the machine is. */
export interface VirtualTime {
  /** The time in ms, as `performance.now()` tells it. */
  now(): number;
  /** Moves the time without calling what is due, as a process that stands still finds it afterwards. What is due comes next. */
  standStill(ms: number): void;
}

/**
 * Replaces this process's `setTimeout`, `setInterval`, `performance.now` and `Date.now`, for good: node:test runs each file in a
 * process of its own. As soon as nothing else can run, the time jumps to the next timer, so a test that waits for an hour takes
 * as long as its work. It refuses to pass while there are sockets: a response on its way through the system does not show.
 * `AbortSignal.timeout` and the functions of `node:timers` stay real.
 */
export function useVirtualTime(): VirtualTime {
  installed ??= new Engine();
  return installed;
}

/** Whether this process is in virtual time. */
export function isVirtualTime(): boolean {
  return installed !== undefined;
}

let installed: Engine | undefined;

/** Saved at import. */
const real = {
  setTimeout: globalThis.setTimeout,
  setImmediate: globalThis.setImmediate,
  clearTimeout: globalThis.clearTimeout,
  epochMs: Date.now() - performance.now(),
};
/** Node's longest delay, in ms; a longer one counts as 1. */
const maxDelayMs = 2 ** 31 - 1;
/**
 * After so many turns of the event loop without a timer, nothing else can run: what one immediate starts may set
 * another.
 */
const quietTurns = 3;

class Engine implements VirtualTime {
  readonly #timers = new Set<VirtualTimer>();
  #nowMs = Math.ceil(performance.now());
  #count = 0;
  /** The wait for the next turn. Absent: there is no timer. */
  #wait: NodeJS.Immediate | NodeJS.Timeout | undefined;

  constructor() {
    const start = (callback: Callback, ms: number | undefined, args: unknown[], repeats: boolean): VirtualTimer => {
      const context = new AsyncResource("VirtualTimer", { requireManualDestroy: true });
      const bound = (): void => {
        context.runInAsyncScope(callback, undefined, ...args);
      };
      const timer = new VirtualTimer(this, bound, ms, repeats);
      this.add(timer);
      return timer;
    };
    const stop = (timer: unknown): void => {
      if (timer instanceof VirtualTimer) this.#timers.delete(timer);
      // set before the time was replaced
      else real.clearTimeout(timer as NodeJS.Timeout | undefined);
    };
    Object.assign(globalThis, {
      setTimeout: (callback: Callback, ms?: number, ...args: unknown[]) => start(callback, ms, args, false),
      setInterval: (callback: Callback, ms?: number, ...args: unknown[]) => start(callback, ms, args, true),
      clearTimeout: stop,
      clearInterval: stop,
    });
    performance.now = () => this.#nowMs;
    Date.now = () => Math.floor(real.epochMs + this.#nowMs);
  }

  now(): number {
    return this.#nowMs;
  }

  standStill(ms: number): void {
    this.#nowMs += ms;
  }

  /** Starts a timer, or starts it again. */
  add(timer: VirtualTimer): void {
    this.#timers.delete(timer);
    timer.dueMs = this.#nowMs + timer.delayMs;
    timer.order = this.#count++;
    this.#timers.add(timer);
    this.wakeFor(timer);
  }

  /** Sees to it that the time goes on while this timer keeps the process alive. */
  wakeFor(timer: VirtualTimer): void {
    if (!this.#timers.has(timer)) return;
    if (this.#wait === undefined) this.#turn(0);
    else if (timer.hasRef()) this.#wait.ref();
  }

  /** Checks again in the next turn of the event loop. A process with only unreferenced timers may end before that. */
  #turn(quiet: number): void {
    const look = (): void => {
      this.#wait = undefined;
      if (this.#timers.size === 0) return;
      if (quiet < quietTurns || isWorking(process.getActiveResourcesInfo()))
        this.#turn(Math.min(quiet + 1, quietTurns));
      else this.#next();
    };
    const keepsAlive = [...this.#timers].some((timer) => timer.hasRef());
    this.#wait = keepsAlive ? real.setImmediate(look) : real.setTimeout(look, 1).unref();
  }

  #next(): void {
    let next: VirtualTimer | undefined;
    for (const timer of this.#timers) if (next === undefined || timer.isBefore(next)) next = timer;
    if (next === undefined) return;
    this.#nowMs = Math.max(this.#nowMs, next.dueMs);
    this.#timers.delete(next);
    if (next.repeats) this.add(next);
    else if (this.#timers.size > 0) this.#turn(0);
    next.call();
  }
}

type Callback = (...args: unknown[]) => void;

/** What a replaced `setTimeout` returns: as much of Node's `Timeout` as is in use. */
class VirtualTimer {
  readonly repeats: boolean;
  readonly delayMs: number;
  readonly call: () => void;
  dueMs = 0;
  order = 0;
  readonly #engine: Engine;
  #keepsAlive = true;

  constructor(engine: Engine, call: () => void, ms = 1, repeats = false) {
    this.#engine = engine;
    this.call = call;
    this.delayMs = ms >= 1 && ms <= maxDelayMs ? Math.trunc(ms) : 1;
    this.repeats = repeats;
  }

  isBefore(other: VirtualTimer): boolean {
    return this.dueMs < other.dueMs || (this.dueMs === other.dueMs && this.order < other.order);
  }

  hasRef(): boolean {
    return this.#keepsAlive;
  }

  ref(): this {
    this.#keepsAlive = true;
    this.#engine.wakeFor(this);
    return this;
  }

  unref(): this {
    this.#keepsAlive = false;
    return this;
  }

  refresh(): this {
    this.#engine.add(this);
    return this;
  }
}

/** Whether the system works on something for this process: a file, or a name to look up. */
function isWorking(resources: readonly string[]): boolean {
  if (resources.some((name) => /^(?:TCP|TLS)/.test(name)))
    throw new Error("there are sockets: virtual time cannot pass");
  return resources.some((name) => name.includes("Req"));
}
