import { onAbort } from "../util/signals.js";
import { settle } from "./clock.js";
import { keepAlive } from "./keep-alive.js";
import type { Replica } from "./replica.js";

interface Waiter {
  readonly path: string;
  readonly count: number;
  readonly resolve: () => void;
  readonly reject: (reason: unknown) => void;
}

/** Reports when a path is watched, at any of the members. */
export class WatchedBy {
  readonly #replicas: readonly Replica[];
  readonly #waiters = new Set<Waiter>();

  constructor(replicas: readonly Replica[]) {
    this.#replicas = replicas;
  }

  /** Adds a member. */
  follow(replica: Replica): void {
    replica.store.hub.onWait = () => {
      if (this.#waiters.size === 0) return;
      // by then the client has the headers of its poll, if it needs no socket for them
      void settle().then(() => {
        for (const waiter of Array.from(this.#waiters)) if (this.#isMet(waiter)) waiter.resolve();
      });
    };
  }

  /** Resolves when that many watchers wait at a path. Rejects with the signal's reason. */
  atLeast(path: string, count: number, signal: AbortSignal | undefined): Promise<void> {
    if (signal?.aborted === true) return Promise.reject(signal.reason);
    if (this.#isMet({ path, count })) return Promise.resolve();
    return new Promise((resolve, reject) => {
      const letGo = keepAlive();
      const end = (): void => {
        letGo();
        this.#waiters.delete(waiter);
        off();
      };
      const waiter: Waiter = {
        path,
        count,
        resolve: () => {
          end();
          resolve();
        },
        reject: (reason) => {
          end();
          reject(reason);
        },
      };
      this.#waiters.add(waiter);
      const off = onAbort(signal, waiter.reject);
    });
  }

  /** Rejects all pending waits. */
  close(reason: unknown): void {
    for (const waiter of Array.from(this.#waiters)) waiter.reject(reason);
  }

  #isMet({ path, count }: Pick<Waiter, "path" | "count">): boolean {
    let waiting = 0;
    for (const { store } of this.#replicas) waiting += store.hub.countAt(path);
    return waiting >= count;
  }
}
