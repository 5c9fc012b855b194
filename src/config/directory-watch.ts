import { watch, type FSWatcher } from "node:fs";
import { Notifier } from "../util/notifier.js";
import { linkSignal, sleep } from "../util/signals.js";

/** A program that writes a file in several steps gets this time to finish, in ms. */
const settleMs = 20;

/** Reports that something changed in a directory, or that it is time to look in any case. */
export class DirectoryWatch {
  readonly #path: string;
  #watcher: FSWatcher | undefined;
  #changed = false;
  readonly #notifier = new Notifier();

  /** Does not watch yet. */
  constructor(path: string) {
    this.#path = path;
  }

  /** Begins to watch, if it does not yet. If that fails (no such directory, no watches left), only the time counts. */
  open(): void {
    if (this.#watcher !== undefined) return;
    try {
      const watcher = watch(this.#path, () => {
        this.#changed = true;
        this.#notifier.notify();
      });
      watcher.on("error", () => {
        if (this.#watcher === watcher) this.close();
      });
      this.#watcher = watcher;
    } catch {
      // only the time counts
    }
  }

  /** Waits for a change since the last call, at most `ms`. Rejects with the signal's reason when aborted. */
  async change(ms: number, signal: AbortSignal): Promise<void> {
    if (!this.#changed) await this.#changeWithin(ms, signal);
    // a directory that was replaced reports nothing to its old watchers
    this.close();
    if (this.#changed) await sleep(settleMs, signal);
    this.#changed = false;
  }

  /** Ends the watch; `open` begins a new one. */
  close(): void {
    this.#watcher?.close();
    this.#watcher = undefined;
  }

  async #changeWithin(ms: number, signal: AbortSignal): Promise<void> {
    const link = linkSignal(signal);
    try {
      await Promise.race([this.#notifier.wait(link.signal), sleep(ms, link.signal)]);
    } finally {
      link.unlink();
      // ends the one that lost; both are settled or handled by the race
      link.abort(undefined);
    }
  }
}
