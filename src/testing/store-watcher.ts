import { onAbort } from "../util/signals.js";
import type { StoreEvent } from "./event.js";

/** The parameters of a watch. */
export interface WatchTerms {
  readonly recursive: boolean;
  /** The first index to report. */
  readonly since: number;
  /** The store's index when the watch started. */
  readonly index: number;
}

/** One watch of the store. It buffers up to 100 events that its reader has not fetched yet. */
export class StoreWatcher {
  readonly recursive: boolean;
  readonly since: number;
  readonly index: number;
  readonly #onClose: (watcher: StoreWatcher) => void;
  readonly #events: StoreEvent[] = [];
  #waiting: ((event: StoreEvent | undefined) => void) | undefined;
  #overflowChecked = false;
  #ended = false;

  constructor({ recursive, since, index }: WatchTerms, onClose: (watcher: StoreWatcher) => void) {
    this.recursive = recursive;
    this.since = since;
    this.index = index;
    this.#onClose = onClose;
  }

  offer(event: StoreEvent): void {
    if (this.#waiting !== undefined) {
      this.#waiting(event);
      return;
    }
    this.#events.push(event);
    if (this.#events.length > bufferSize && !this.#overflowChecked) this.#checkOverflow();
  }

  /**
   * Resolves to the next event, or to undefined when the watch has ended.
   *
   * @throws `signal.reason` when aborted
   */
  next(signal?: AbortSignal): Promise<StoreEvent | undefined> {
    const event = this.#events.shift();
    if (event !== undefined || this.#ended) return Promise.resolve(event);
    if (signal?.aborted === true) return Promise.reject(signal.reason);
    return new Promise((resolve, reject) => {
      const off = onAbort(signal, (reason) => {
        this.#waiting = undefined;
        reject(reason);
      });
      this.#waiting = (next) => {
        this.#waiting = undefined;
        off();
        resolve(next);
      };
    });
  }

  /** The reader is done. */
  close(): void {
    this.#onClose(this);
  }

  /** Ends the watch because the server stops. */
  end(): void {
    this.#ended = true;
    this.#onClose(this);
    this.#waiting?.(undefined);
  }

  /**
   * etcd silently drops a watcher whose reader is 100 events behind; its response stays open. The reader gets one turn of the event
   * loop to fetch a burst first.
   */
  #checkOverflow(): void {
    this.#overflowChecked = true;
    nextTurn(() => {
      this.#overflowChecked = false;
      if (this.#events.length <= bufferSize) return;
      this.#events.length = bufferSize;
      this.#onClose(this);
    });
  }
}

const bufferSize = 100;
/** Saved at import: a test may mock timers later. */
const nextTurn = setImmediate;
