import { watch, type FSWatcher } from "node:fs";
import { linkSignal, sleep } from "../util/signals.js";

/** Who writes a file in several steps is given this time to finish, in ms. */
const settleMs = 20;

/** Tells when something changed in a directory, or that it is time to look anyway. */
export class DirectoryWatch {
  readonly #path: string;
  #watcher: FSWatcher | undefined;
  #changed = false;
  #wake: () => void = () => undefined;

  constructor(path: string) {
    this.#path = path;
  }

  /** Begins to watch if it does not yet. Where that cannot be done (no such directory, no watches left) there is only the time. */
  open(): void {
    if (this.#watcher !== undefined) return;
    try {
      const watcher = watch(this.#path, () => {
        this.#changed = true;
        this.#wake();
      });
      watcher.on("error", () => {
        if (this.#watcher === watcher) this.close();
      });
      this.#watcher = watcher;
    } catch {
      // the time will do
    }
  }

  /** Waits for a change since the last one, at most so many ms. */
  async change(ms: number, signal: AbortSignal): Promise<void> {
    const link = linkSignal(signal);
    this.#wake = () => {
      link.abort(changed);
    };
    try {
      if (!this.#changed) await sleep(ms, link.signal);
      // a directory that was replaced tells nothing to its old watchers
      this.close();
    } catch (error) {
      if (error !== changed) throw error;
    } finally {
      this.#wake = () => undefined;
      link.unlink();
    }
    if (this.#changed) await sleep(settleMs, signal);
    this.#changed = false;
  }

  close(): void {
    this.#watcher?.close();
    this.#watcher = undefined;
  }
}

const changed = Symbol("changed");
