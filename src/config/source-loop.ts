import { UsageError } from "../util/errors.js";
import { linkSignal, type Link } from "../util/signals.js";

/** What every source is underneath: a loop with an owner, that ends by `close`, by the caller's signal, or by a failure. */
export class SourceLoop {
  /** Resolves when the loop is over: to undefined after `close` or an abort, else to the error that ended it. */
  readonly closed: Promise<unknown>;
  /** As the loop told it; rejects if it ended before that. */
  readonly synced: Promise<void>;
  readonly #link: Link;
  #failure: { readonly error: unknown } | undefined;

  /** `run` is not called at all when the signal has aborted; it must reject when its signal aborts. */
  constructor(what: string, signal: AbortSignal | undefined, run: (loop: RunningLoop) => Promise<unknown>) {
    const link = linkSignal(signal);
    this.#link = link;
    let synced: () => void = () => undefined;
    let unsynced: (error: unknown) => void = () => undefined;
    this.synced = new Promise((resolve, reject) => ([synced, unsynced] = [resolve, reject]));
    // who does not ask for it must not be punished for that
    this.synced.catch(() => undefined);
    const fail = (error: unknown): void => {
      this.#fail(error);
    };
    const ended = async (): Promise<unknown> => {
      try {
        link.signal.throwIfAborted();
        await run({ signal: link.signal, synced, fail });
      } catch (error) {
        if (!link.signal.aborted) this.#fail(error);
      }
      link.unlink();
      unsynced(
        this.#failure === undefined
          ? signal?.aborted === true
            ? signal.reason
            : closedError(what)
          : this.#failure.error,
      );
      return this.#failure?.error;
    };
    this.closed = ended();
  }

  async close(): Promise<void> {
    this.#link.abort(new UsageError("ERR_CLOSED", "closed"));
    await this.closed;
  }

  #fail(error: unknown): void {
    if (this.#link.signal.aborted) return;
    this.#failure = { error };
    this.#link.abort(error);
  }
}

export interface RunningLoop {
  readonly signal: AbortSignal;
  /** Tells that the source has delivered its first state. */
  readonly synced: () => void;
  /** Ends the loop with an error, from outside of its own calls. */
  readonly fail: (error: unknown) => void;
}

function closedError(what: string): UsageError {
  return new UsageError("ERR_CLOSED", `the ${what} was closed before it was in sync`);
}
