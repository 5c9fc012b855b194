import { onAbort } from "./signals.js";

/** Wakes everything that waits for it: a condition variable. It remembers nothing, so check the condition before waiting. */
export class Notifier {
  #waiting = new Set<() => void>();

  /** How many calls of {@link wait} are pending. */
  get waiting(): number {
    return this.#waiting.size;
  }

  /** Resolves every pending {@link wait}. */
  notify(): void {
    const waiting = this.#waiting;
    this.#waiting = new Set();
    for (const wake of waiting) wake();
  }

  /** Resolves with the next {@link notify}. Rejects with the signal's reason, at once if it has aborted already. */
  wait(signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const wake = (): void => {
        off();
        resolve();
      };
      this.#waiting.add(wake);
      // may call back before it returns
      const off = onAbort(signal, (reason) => {
        this.#waiting.delete(wake);
        reject(reason);
      });
    });
  }
}
