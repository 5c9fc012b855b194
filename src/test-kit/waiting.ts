import assert from "node:assert/strict";
import type { Sender } from "../http/exchange.js";
import { isVirtualTime } from "./virtual-time.js";

/** Waits that long, in ms: by the process's own timers, so that it works in virtual time as well. */
export function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** A signal with a generous timeout in real time, so that a wait that never ends fails its own test. */
export function patience(ms = 60_000): AbortSignal {
  return AbortSignal.timeout(ms);
}

/** A timeout that a test waits for, in ms. Everything else in the test must finish earlier, even on a machine that stalls. */
export const limitMs = 3_000;

/** How much a busy machine may exceed a specified time, in ms. What a test tells apart by its time must differ by more. */
export const noiseMs = 10_000;

/** How much a test may exceed a specified time, in ms: {@link noiseMs}, but nothing in virtual time. For suites that run in both. */
export function toleranceMs(): number {
  return isVirtualTime() ? 0 : noiseMs;
}

/** Waits for a fact: resolves to what `look` returns once it is something. Fails after a minute. */
export async function until<T>(
  what: string,
  look: () => T | undefined | false | Promise<T | undefined | false>,
): Promise<T> {
  const deadlineMs = performance.now() + 60_000;
  while (performance.now() < deadlineMs) {
    const found = await look();
    if (found !== undefined && found !== false) return found;
    await sleep(10);
  }
  assert.fail(`waited a minute for this: ${what}`);
}

/** Runs it again until it takes less than that many ms, at most five times: a busy machine is late once, but not each time. */
export async function soonOnce(ms: number, work: () => Promise<unknown>): Promise<void> {
  const tookMs: number[] = [];
  do {
    const startMs = performance.now();
    await work();
    tookMs.push(performance.now() - startMs);
  } while (Math.min(...tookMs) >= ms && tookMs.length < 5);
  assert.ok(Math.min(...tookMs) < ms, `took ${tookMs.map(Math.round).join(", ")} ms`);
}

/** Passes requests on, and reports when the next response's headers have reached the caller: then a watch is in place. */
export class HeaderWatch implements Sender {
  readonly #sender: Sender;
  #came: () => void = () => undefined;

  constructor(sender: Sender) {
    this.#sender = sender;
  }

  send: Sender["send"] = (spec, signal) => {
    const onHeaders: typeof spec.onHeaders = (head) => {
      spec.onHeaders?.(head);
      this.#came();
    };
    return this.#sender.send({ ...spec, onHeaders }, signal);
  };

  /** Must be called before the request. */
  headers(): Promise<void> {
    return new Promise((resolve) => (this.#came = resolve));
  }
}
