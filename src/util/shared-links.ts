import { follow, type Follower } from "./signals.js";

/** A signal that is in use until it is released. */
export interface TakenSignal {
  readonly signal: AbortSignal;
  /** Call it once for each `take`. */
  release(): void;
}

/**
 * Derives signals that follow a caller's signal and one that ends all calls. Calls with the same signal share one derived
 * signal. It is kept for the next such call, but follows nothing meanwhile: on Node 20 an AbortController costs a fifth of a
 * whole request (see bench/).
 */
export class SharedLinks {
  readonly #end: AbortSignal;
  readonly #bare: TakenSignal;
  readonly #links = new WeakMap<AbortSignal, SharedLink>();

  /** @param end ends all calls */
  constructor(end: AbortSignal) {
    this.#end = end;
    this.#bare = { signal: end, release: () => undefined };
  }

  /** A signal that follows `parent` and the end. Without a parent there is nothing to derive: it is the end's own signal. */
  take(parent: AbortSignal | undefined): TakenSignal {
    if (parent === undefined) return this.#bare;
    let link = this.#links.get(parent);
    if (link === undefined) {
      link = new SharedLink();
      this.#links.set(parent, link);
    }
    link.hold(parent, this.#end);
    return link;
  }

  /** Runs a call with a signal that follows `parent` and the end, and releases it when the call has settled. */
  during<T>(parent: AbortSignal | undefined, call: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const link = this.take(parent);
    // not async: that would take half a kilobyte more for each call with a signal
    try {
      return call(link.signal).then(
        (result) => {
          link.release();
          return result;
        },
        (error: unknown) => {
          link.release();
          throw error;
        },
      );
    } catch (error) {
      link.release();
      return Promise.reject(error);
    }
  }
}

class SharedLink implements TakenSignal {
  readonly #controller = new AbortController();
  #holders = 0;
  #followers: readonly (Follower | undefined)[] = [];

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  hold(...parents: readonly AbortSignal[]): void {
    if (this.#holders++ > 0) return;
    this.#followers = parents.map((parent) => follow(parent, this.#controller));
  }

  release(): void {
    if (--this.#holders > 0) return;
    for (const follower of this.#followers) follower?.off();
    this.#followers = [];
  }
}
