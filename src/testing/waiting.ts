import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import type { Sender } from "../http/exchange.js";

/** A signal for what should come soon: a test that waits in vain fails by its name. */
export function patience(ms = 15_000): AbortSignal {
  return AbortSignal.timeout(ms);
}

/** Waits for a fact, which is looked for again and again. Fails after a minute, so that a test that waits in vain says for what. */
export async function until(fact: () => boolean | Promise<boolean>, what = String(fact)): Promise<void> {
  const deadlineMs = performance.now() + 60_000;
  while (!(await fact())) {
    assert.ok(performance.now() < deadlineMs, `waited a minute for this: ${what}`);
    await sleep(5);
  }
}

export function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener("abort", () => { resolve(); }, { once: true });
  });
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
