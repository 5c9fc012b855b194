import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import type { Sender } from "../http/exchange.js";

/** A signal for what should come soon: a test that waits in vain fails by its name. */
export function patience(ms = 15_000): AbortSignal {
  return AbortSignal.timeout(ms);
}

/** A limit that a test waits out, in ms. Whatever else happens in the test must be done by then, on a machine that stalls too. */
export const limitMs = 3_000;

/** What a machine that stalls may add to a time that a specification names, in ms. */
export const noiseMs = 4_000;

/** The fact that a test waits for: what `look` gives, once it gives something. Fails after a minute. */
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

/** Passes requests on, and tells when the next answer's headers have reached the caller: from then on a watch is in place. */
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

  /** To be called before the request. */
  headers(): Promise<void> {
    return new Promise((resolve) => (this.#came = resolve));
  }
}
