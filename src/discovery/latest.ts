import { onAbort } from "../util/signals.js";

/** Wakes those who wait for it to be rung. */
export class Bell {
  #waiting = new Set<() => void>();

  ring(): void {
    const waiting = this.#waiting;
    this.#waiting = new Set();
    for (const wake of waiting) wake();
  }

  /** Resolves when rung, or when the signal aborts. */
  wait(signal?: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const wake = (): void => {
        off();
        this.#waiting.delete(wake);
        resolve();
      };
      this.#waiting.add(wake);
      // may call at once, before there is anything to undo
      let off = (): void => undefined;
      off = onAbort(signal, wake);
    });
  }
}

/** A value that changes, and can be followed: a slow reader gets the latest one. */
export class Latest<T> {
  #value: T;
  #version = 0;
  #ended = false;
  readonly #bell = new Bell();

  constructor(value: T) {
    this.#value = value;
  }

  get value(): T {
    return this.#value;
  }

  set(value: T): void {
    this.#value = value;
    this.#version++;
    this.#bell.ring();
  }

  /** Ends all who follow. */
  end(): void {
    this.#ended = true;
    this.#bell.ring();
  }

  /** Each value set after this call; ends normally with `end` and when the signal aborts. */
  changes(signal?: AbortSignal): AsyncGenerator<T, void, undefined> {
    return this.#after(this.#version, signal);
  }

  async *#after(seen: number, signal: AbortSignal | undefined): AsyncGenerator<T, void, undefined> {
    for (let version = seen; ;) {
      while (version === this.#version && !this.#ended && signal?.aborted !== true) await this.#bell.wait(signal);
      if (version === this.#version || signal?.aborted === true) return;
      version = this.#version;
      yield this.#value;
    }
  }
}
