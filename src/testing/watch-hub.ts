import type { StoreError, StoreEvent } from "./event.js";
import { History } from "./history.js";
import { StoreWatcher } from "./store-watcher.js";

/** Who watches which path, and what has happened lately. */
export class WatchHub {
  readonly history: History;
  /** Called when a watcher begins to wait. */
  onWait: (() => void) | undefined;
  readonly #watchers = new Map<string, Set<StoreWatcher>>();
  #count = 0;

  /** @param historySize how many events are kept */
  constructor(historySize: number) {
    this.history = new History(historySize);
  }

  /** How many watchers wait. */
  get count(): number {
    return this.#count;
  }

  /** How many wait at exactly this path. */
  countAt(path: string): number {
    return this.#watchers.get(path)?.size ?? 0;
  }

  /**
   * Begins a watch. One that the history answers gets that event and nothing more, as etcd has it.
   *
   * @param since the first index of interest; 0: from now on
   * @param index the store's
   */
  watch(path: string, recursive: boolean, since: number, index: number): StoreWatcher | Omit<StoreError, "index"> {
    const from = since === 0 ? index + 1 : since;
    const found = this.history.find(path, recursive, from);
    if (found !== undefined && "errorCode" in found) return found;
    const watcher = new StoreWatcher({ recursive, since: from, index }, (leaving) => {
      this.#remove(path, leaving);
    });
    if (found === undefined) this.#add(path, watcher);
    else watcher.offer(found);
    return watcher;
  }

  /** Tells the watchers of the key and of all directories above it. */
  notify(event: StoreEvent): void {
    this.history.add(event);
    if (this.#count === 0) return;
    this.notifyAt(event, "/", false);
    for (let end = event.path.indexOf("/", 1); end > 0; end = event.path.indexOf("/", end + 1))
      this.notifyAt(event, event.path.slice(0, end), false);
    this.notifyAt(event, event.path, false);
  }

  /**
   * Tells the watchers of one path.
   *
   * @param removed the node at that path is one of those that the event removes
   */
  notifyAt(event: StoreEvent, path: string, removed: boolean): void {
    const watchers = this.#watchers.get(path);
    if (watchers === undefined) return;
    const itself = event.path === path;
    if (!itself && isHiddenFrom(path, event.path)) return;
    for (const watcher of Array.from(watchers))
      if ((itself || removed || watcher.recursive) && event.index >= watcher.since) watcher.offer(event);
  }

  #add(path: string, watcher: StoreWatcher): void {
    const watchers = this.#watchers.get(path);
    if (watchers === undefined) this.#watchers.set(path, new Set([watcher]));
    else watchers.add(watcher);
    this.#count++;
    this.onWait?.();
  }

  #remove(path: string, watcher: StoreWatcher): void {
    const watchers = this.#watchers.get(path);
    if (watchers?.delete(watcher) !== true) return;
    this.#count--;
    if (watchers.size === 0) this.#watchers.delete(path);
  }
}

/** Whether an element below the watched path begins with an underscore. Of a path below the event's key: no. */
function isHiddenFrom(watched: string, key: string): boolean {
  return watched.length <= key.length && `/${key.slice(watched.length)}`.replace(/^\/+/, "/").includes("/_");
}
