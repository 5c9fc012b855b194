/**
 * Pauses between attempts. They double from `minMs` to `maxMs`; each is shortened at random by up to half, so that many
 * clients do not come back at the same moment.
 */
export class Backoff {
  readonly #minMs: number;
  readonly #maxMs: number;
  #nextMs: number;

  /**
   * @param minMs the first pause, before it is shortened
   * @param maxMs the longest pause
   */
  constructor(minMs: number, maxMs: number) {
    this.#minMs = minMs;
    this.#maxMs = maxMs;
    this.#nextMs = minMs;
  }

  /** The next pause, in ms. */
  next(): number {
    const ms = this.#nextMs;
    this.#nextMs = Math.min(ms * 2, this.#maxMs);
    return ms * (1 - Math.random() / 2);
  }

  /** Starts with the first pause again. Call it after a success. */
  reset(): void {
    this.#nextMs = this.#minMs;
  }
}
