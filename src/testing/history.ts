import type { StoreError, StoreEvent } from "./event.js";

/** The newest events of the store, in all namespaces. */
export class History {
  readonly #size: number;
  /** A ring buffer, once it is full. */
  #events: StoreEvent[] = [];
  #start = 0;
  /** The first index that a watch may start from. */
  #oldest = 0;

  /** @param size how many events are kept */
  constructor(size: number) {
    this.#size = size;
  }

  add(event: StoreEvent): void {
    if (this.#events.length < this.#size) {
      if (this.#events.length === 0 && this.#oldest === 0) this.#oldest = event.index;
      this.#events.push(event);
      return;
    }
    this.#events[this.#start] = event;
    this.#start = (this.#start + 1) % this.#size;
    this.#oldest = this.#events[this.#start]?.index ?? event.index;
  }

  /** Drops all events up to an index. */
  clear(index: number): void {
    this.#events = [];
    this.#start = 0;
    this.#oldest = index + 1;
  }

  /** Becomes a copy of another history. */
  copyFrom(other: History): void {
    this.#events = Array.from(other.#events);
    this.#start = other.#start;
    this.#oldest = other.#oldest;
  }

  /** The first event for a watcher of the path, at or after an index. An error if the history does not reach back that far. */
  find(path: string, recursive: boolean, since: number): StoreEvent | Omit<StoreError, "index"> | undefined {
    if (since < this.#oldest) {
      const cause = `the requested history has been cleared [${String(this.#oldest)}/${String(since)}]`;
      return { errorCode: 401, cause };
    }
    const below = path.endsWith("/") ? path : `${path}/`;
    const count = this.#events.length;
    // each index has one event
    for (let offset = since - this.#oldest; offset < count; offset++) {
      const event = this.#events[(this.#start + offset) % count];
      if (event !== undefined && event.refresh !== true && isTold(event, path, recursive, below)) return event;
    }
    return undefined;
  }
}

function isTold(event: StoreEvent, path: string, recursive: boolean, below: string): boolean {
  if (event.path === path || (recursive && event.path.startsWith(below))) return true;
  // etcd compares strings here: a watcher of "/ab" sees the deletion of the directory "/a"
  return (
    (event.action === "delete" || event.action === "expire") &&
    event.prevNode?.dir === true &&
    path.startsWith(event.path)
  );
}
