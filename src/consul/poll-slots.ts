import { onAbort } from "../util/signals.js";

/** Room for one long poll. */
export interface PollSlot {
  /** Gives the room back. @param untilMs `performance.now()` until which the server goes on holding the connection; 0 for not at all */
  release(untilMs: number): void;
}

/** How many short polls all waiting callers together send in a second, at most. */
const shortPollsPerSecond = 100;
/** Between two short polls of one caller, in ms, at least. */
const minPauseMs = 1_000;

/**
 * Bounds how many long polls are open at once. Consul holds the connection of a poll until the poll's wait is over, even if
 * the client has gone (seen on 1.8.7), so an aborted poll keeps its slot until then.
 */
export class PollSlots {
  readonly #width: number;
  /** Until when the server still holds the connections of aborted polls. */
  readonly #abandoned: number[] = [];
  /** Polls that wait for a slot, the longest wait first. */
  readonly #waiting = new Set<(slot: PollSlot) => void>();
  #open = 0;

  /** @param width how many polls may be open at once */
  constructor(width: number) {
    this.#width = width;
  }

  /**
   * Waits for room, but only for a while, so that a caller can use a short poll instead. @returns undefined: there was
   * none
   */
  async take(signal: AbortSignal): Promise<PollSlot | undefined> {
    if (this.#hasRoom()) return this.#slot();
    const slot = await this.#wait(Math.max(minPauseMs, (this.#waiting.size * 1_000) / shortPollsPerSecond), signal);
    // abandoned polls may have ended without notice
    return slot ?? (this.#hasRoom() ? this.#slot() : undefined);
  }

  #hasRoom(): boolean {
    const nowMs = performance.now();
    for (let i = this.#abandoned.length - 1; i >= 0; i--) {
      if ((this.#abandoned[i] ?? 0) <= nowMs) this.#abandoned.splice(i, 1);
    }
    return this.#open + this.#abandoned.length < this.#width;
  }

  #slot(): PollSlot {
    this.#open++;
    let isOpen = true;
    return {
      release: (untilMs) => {
        if (!isOpen) return;
        isOpen = false;
        this.#open--;
        if (untilMs > performance.now()) this.#abandoned.push(untilMs);
        const [next] = this.#waiting;
        if (next !== undefined && this.#hasRoom()) next(this.#slot());
      },
    };
  }

  #wait(ms: number, signal: AbortSignal): Promise<PollSlot | undefined> {
    return new Promise((resolve, reject) => {
      const end = (slot: PollSlot | undefined): void => {
        clearTimeout(timer);
        off();
        this.#waiting.delete(end);
        resolve(slot);
      };
      const timer = setTimeout(end, ms, undefined);
      this.#waiting.add(end);
      const off = onAbort(signal, (reason) => {
        clearTimeout(timer);
        this.#waiting.delete(end);
        reject(reason);
      });
    });
  }
}
