import { deferred, noop } from "./deferred.js";
import { UsageError } from "./errors.js";
import { linkSignal, onAbort } from "./signals.js";

/** What a loop is given by its {@link Handle}. */
export interface Running<T> {
  /** Aborts when the handle ends: by `close()`, by the owner's signal, or by `fail`. */
  readonly signal: AbortSignal;
  /** Resolves the handle's `ready`. Further calls change nothing. */
  readonly ready: (value: T) => void;
  /** Ends the loop with an error that did not come out of its own calls. Ignored once it has ended. */
  readonly fail: (error: unknown) => void;
}

export interface HandleOptions<T> {
  /** Ends the loop when it aborts. */
  readonly signal?: AbortSignal | undefined;
  /**
   * The loop. It starts in a microtask after the constructor, so that the owner has its handle before any I/O; not at all
   * if the handle has ended by then. It must settle soon after its signal aborts; what it rejects with then is ignored.
   */
  readonly run: (running: Running<T>) => Promise<unknown>;
  /**
   * Cleans up after the loop, however it ended, also if it never started. The handle's signal has aborted by then. If it
   * rejects and the loop did not fail, that is the error `closed` resolves to.
   */
  readonly release?: (() => Promise<unknown>) | undefined;
}

/** A background loop with an owner. It ends by `close()`, by the owner's signal, by a failure, or because it is done. */
export class Handle<T = void> implements AsyncDisposable {
  /**
   * Resolves to what the loop passed to `ready`. Rejects if the loop ended before: with the error that ended it, the
   * reason of the owner's signal, or a {@link UsageError} `ERR_CLOSED`. Nobody has to await it.
   */
  readonly ready: Promise<T>;
  /** Resolves when everything is over: to the error that ended the loop, to undefined after `close()` or an abort. */
  readonly closed: Promise<unknown>;
  /** Aborts when the handle ends, with what `ready` rejects with. */
  readonly signal: AbortSignal;
  readonly #what: string;
  readonly #abort: (reason: unknown) => void;

  /** @param what names it in messages, with its article: "the source", `the registration of "x"` */
  constructor(what: string, options: HandleOptions<T>) {
    const link = linkSignal(options.signal);
    const ready = deferred<T>();
    ready.promise.catch(noop);
    this.#what = what;
    this.#abort = link.abort;
    this.signal = link.signal;
    this.ready = ready.promise;
    onAbort(this.signal, ready.reject);
    this.closed = this.#live(options, ready.resolve, link.unlink);
  }

  /** Ends the loop, and resolves when everything is over. Never rejects. Idempotent. */
  async close(): Promise<void> {
    this.#abort(closedError(this.#what));
    await this.closed;
  }

  /** The same as {@link close}. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #live({ run, release }: HandleOptions<T>, ready: Running<T>["ready"], unlink: () => void): Promise<unknown> {
    const { signal } = this;
    let failure: unknown;
    const fail = (error: unknown): void => {
      if (signal.aborted) return;
      failure = error;
      this.#abort(error);
    };
    await Promise.resolve();
    try {
      if (!signal.aborted) await run({ signal, ready, fail });
    } catch (error) {
      fail(error);
    }
    // a loop that is done ends its handle, too
    this.#abort(closedError(this.#what));
    unlink();
    try {
      await release?.();
    } catch (error) {
      failure ??= error;
    }
    return failure;
  }
}

/** What a call rejects with that was in progress, or begins, when its handle is closed. */
export function closedError(what: string): UsageError {
  return new UsageError("ERR_CLOSED", `${what} is closed`);
}
