import type { StoreError, StoreEvent } from "./event.js";
import { History } from "./history.js";
import { StoreWatcher } from "./store-watcher.js";

/** The watchers of a store, by path, and its history. */
export class WatchHub {
  readonly history: History;
  /** Called when a watcher starts to wait. */
  onWait: (() => void) | undefined;
  readonly #watchers = new Map<string, Set<StoreWatcher>>();
  #count = 0;

  /** @param historySize how many events are kept */
  constructor(historySize: number) {
    this.history = new History(historySize);
  }

  /** How many watchers are waiting. */
  get count(): number {
    return this.#count;
  }

  /** How many watchers are waiting at exactly this path. */
  countAt(path: string): number {
    return this.#watchers.get(path)?.size ?? 0;
  }

  /**
   * Starts a watch. If the history has an event for it, the watcher gets that event and no others, as in etcd.
   *
   * @param since the first index to report; 0: from now on
   * @param index the store's current index
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

  /** Notifies the watchers of the key and of all directories above it. */
  notify(event: StoreEvent): void {
    this.history.add(event);
    if (this.#count === 0) return;
    this.notifyAt(event, "/", false);
    for (let end = event.path.indexOf("/", 1); end > 0; end = event.path.indexOf("/", end + 1))
      this.notifyAt(event, event.path.slice(0, end), false);
    this.notifyAt(event, event.path, false);
  }

  /**
   * Notifies the watchers of one path.
   *
   * @param removed whether the event removes the node at that path
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

/** Whether an element of the key below the watched path begins with an underscore. False if the watched path is below the key. */
function isHiddenFrom(watched: string, key: string): boolean {
  return watched.length <= key.length && `/${key.slice(watched.length)}`.replace(/^\/+/, "/").includes("/_");
}
