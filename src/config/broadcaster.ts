import { reportThrown, safeCallback } from "../util/callback.js";
import { noop } from "../util/deferred.js";
import { closedError } from "../util/handle.js";
import type { Handler } from "./types.js";

interface Registered<T> {
  readonly call: (items: readonly T[]) => void | Promise<void>;
  active: boolean;
}

/** Calls handlers with one state after the other: in order, one call at a time, without leaving out a state. */
export class Broadcaster<T> {
  readonly #onError: (error: unknown) => void;
  #handlers: readonly Registered<T>[] = [];
  #last: Promise<void> = Promise.resolve();
  #closed = false;

  /** @param onError called with what handlers throw. Absent: that becomes a process warning */
  constructor(onError: ((error: unknown) => void) | undefined) {
    this.#onError =
      onError === undefined
        ? (error) => {
            reportThrown("a handler of the config", error);
          }
        : safeCallback("options.onError", onError);
  }

  /** Adds a handler. @param replay a state to call it with first; undefined for none */
  register(handler: Handler<T>, replay: readonly T[] | undefined): Disposable {
    const call = typeof handler === "function" ? handler : handler.onUpdate.bind(handler);
    const registered: Registered<T> = { call, active: true };
    this.#handlers = [...this.#handlers, registered];
    // rejects if the config is closed meanwhile: then the handler is not called any more
    if (replay !== undefined) this.#queue([registered], replay).catch(noop);
    return {
      [Symbol.dispose]: () => {
        registered.active = false;
        this.#handlers = this.#handlers.filter((each) => each !== registered);
      },
    };
  }

  /** Resolves when all present handlers have been called and are done. @throws {UsageError} `ERR_CLOSED`: it was closed before */
  send(items: readonly T[]): Promise<void> {
    return this.#queue(this.#handlers, items);
  }

  /** Ends the calls; resolves when the one in progress is done. */
  close(): Promise<void> {
    this.#closed = true;
    return this.#last;
  }

  #queue(handlers: readonly Registered<T>[], items: readonly T[]): Promise<void> {
    const delivery = this.#last.then(() => this.#deliver(handlers, items));
    this.#last = delivery.catch(noop);
    return delivery;
  }

  async #deliver(handlers: readonly Registered<T>[], items: readonly T[]): Promise<void> {
    for (const handler of handlers) {
      if (this.#closed) throw closedError("the config");
      if (!handler.active) continue;
      try {
        await handler.call([...items]);
      } catch (error) {
        this.#onError(error);
      }
    }
  }
}
