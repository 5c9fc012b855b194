import { messageOf } from "./error-like.js";

/** How long something may make no progress before a warning, in ms. */
const stalledAfterMs = 5_000;
/** Failures further apart than this do not belong to one series, in ms. Longer than any pause and timeout. */
const maxGapMs = 60_000;

export interface StalledOptions {
  /** Gets one warning, however many loops use it: the client. */
  readonly owner: object;
  /** What makes no progress: "the registration of /services/a/1". */
  readonly what: string;
  /** How to handle it instead: "pass options.onWarning to handle this". */
  readonly hint: string;
  /** Whether the user handles failures: then there is never a warning. */
  readonly isHeard: boolean;
}

/**
 * Prevents a program that hangs in silence: if the user does not handle failures and a loop has had no success for
 * 5 s, it calls `process.emitWarning` (code `ETCD2_STALLED`), once per owner.
 */
export class StalledWarning {
  static readonly #warned = new WeakSet<object>();
  readonly #options: StalledOptions;
  #timer: NodeJS.Timeout | undefined;
  #reason: string | undefined;
  /** When the first and the last failure of a series came, by `performance.now()`. */
  #row: { readonly firstMs: number; lastMs: number } | undefined;

  constructor(options: StalledOptions) {
    this.#options = options;
  }

  /** First contact begins: warns in 5 s, unless `end` is called before. Not for long polls, which wait without a failure. */
  start(): void {
    if (this.#timer !== undefined || this.#isSilent()) return;
    this.#timer = setTimeout(() => {
      this.#warn();
    }, stalledAfterMs);
    // a warning must not keep the process alive
    this.#timer.unref();
  }

  /** An attempt failed. Warns if the first failure in a row was 5 s ago. */
  failed(error: unknown): void {
    if (this.#isSilent()) return;
    this.#reason = messageOf(error);
    const nowMs = performance.now();
    // after a long silence it was not failing all the time: a long poll that went well without an event
    if (this.#row === undefined || nowMs - this.#row.lastMs > maxGapMs) this.#row = { firstMs: nowMs, lastMs: nowMs };
    this.#row.lastMs = nowMs;
    if (nowMs - this.#row.firstMs >= stalledAfterMs) this.#warn();
  }

  /** An attempt succeeded, or the loop is over. */
  end(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#reason = undefined;
    this.#row = undefined;
  }

  #isSilent(): boolean {
    return this.#options.isHeard || StalledWarning.#warned.has(this.#options.owner);
  }

  #warn(): void {
    if (this.#isSilent()) return;
    const { owner, what, hint } = this.#options;
    StalledWarning.#warned.add(owner);
    process.emitWarning(`${what} has made no progress for 5 s: ${this.#reason ?? "no response yet"} (${hint})`, {
      type: "Etcd2Warning",
      code: "ETCD2_STALLED",
    });
  }
}
