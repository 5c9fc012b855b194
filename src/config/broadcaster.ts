import { UsageError } from "../util/errors.js";
import { log } from "../util/log.js";
import type { Handler } from "./types.js";

interface Registered<T> {
  readonly call: (items: readonly T[]) => void | Promise<void>;
  active: boolean;
}

/** Calls handlers with one state after the other: in order, never two calls at once, never leaving one out. */
export class Broadcaster<T> {
  readonly #onError: ((error: unknown) => void) | undefined;
  #handlers: readonly Registered<T>[] = [];
  #last: Promise<void> = Promise.resolve();
  #closed = false;

  constructor(onError: ((error: unknown) => void) | undefined) {
    this.#onError = onError;
  }

  /** @param replay a state to call it with first */
  register(handler: Handler<T>, replay: readonly T[] | undefined): Disposable {
    const call = typeof handler === "function" ? handler : handler.onUpdate.bind(handler);
    const registered: Registered<T> = { call, active: true };
    this.#handlers = [...this.#handlers, registered];
    // closed meanwhile: then there is nobody to tell
    if (replay !== undefined) this.#queue([registered], replay).catch(() => undefined);
    return {
      [Symbol.dispose]: () => {
        registered.active = false;
        this.#handlers = this.#handlers.filter((each) => each !== registered);
      },
    };
  }

  /** Resolves when all handlers of this moment were called and are done. @throws {UsageError} `ERR_CLOSED` before it came to that */
  send(items: readonly T[]): Promise<void> {
    return this.#queue(this.#handlers, items);
  }

  /** Calls no handler any more; resolves when the one that is being called is done. */
  close(): Promise<void> {
    this.#closed = true;
    return this.#last;
  }

  #queue(handlers: readonly Registered<T>[], items: readonly T[]): Promise<void> {
    const delivery = this.#last.then(() => this.#deliver(handlers, items));
    this.#last = delivery.catch(() => undefined);
    return delivery;
  }

  async #deliver(handlers: readonly Registered<T>[], items: readonly T[]): Promise<void> {
    for (const handler of handlers) {
      if (this.#closed) throw new UsageError("ERR_CLOSED", "the config was closed before all handlers were called");
      if (!handler.active) continue;
      try {
        await handler.call([...items]);
      } catch (error) {
        this.#report(error);
      }
    }
  }

  #report(error: unknown): void {
    log.config("a handler failed: %s", error instanceof Error ? error.name : "");
    try {
      this.#onError?.(error);
    } catch (worse) {
      log.config("onError threw: %s", worse instanceof Error ? worse.name : "");
    }
  }
}
