/** Delays that double from `minMs` up to `maxMs`, each cut at random by up to half so that many clients do not come back at once. */
export class Backoff {
  readonly #minMs: number;
  readonly #maxMs: number;
  #nextMs: number;

  constructor(minMs: number, maxMs: number) {
    this.#minMs = minMs;
    this.#maxMs = maxMs;
    this.#nextMs = minMs;
  }

  /** How long to wait now, in ms. */
  next(): number {
    const ms = this.#nextMs;
    this.#nextMs = Math.min(ms * 2, this.#maxMs);
    return ms * (1 - Math.random() / 2);
  }

  /** To be called when things go well again. */
  reset(): void {
    this.#nextMs = this.#minMs;
  }
}
