import type { Unread } from "../util/queue.js";
import type { InstanceEvent } from "./agent.js";
import { hasTags, keyOfInstance } from "./instance.js";
import { eventOf, type Change } from "./instance-set.js";

/** What is reported to a watcher. */
export interface WatchUpdate {
  /** Whether these are the full set, as additions: the first batch, which may be empty. */
  readonly isFirst: boolean;
  readonly changes: readonly Change[];
}

/** The unread events of a watcher that sees only instances with its tags: at most one for each instance. */
export class UnreadEvents implements Unread<WatchUpdate, readonly InstanceEvent[]> {
  readonly #tags: readonly string[];
  readonly #events = new Map<string, InstanceEvent>();
  #isFirst = false;

  constructor(tags: readonly string[]) {
    this.#tags = tags;
  }

  add({ isFirst, changes }: WatchUpdate): void {
    this.#isFirst ||= isFirst;
    for (const change of changes) {
      const event = this.#visible(change);
      if (event === undefined) continue;
      const key = keyOfInstance(event.instance);
      const merged = merge(this.#events.get(key), event);
      if (merged === undefined) this.#events.delete(key);
      else this.#events.set(key, merged);
    }
  }

  take(): { readonly value: readonly InstanceEvent[] } | undefined {
    if (this.#events.size === 0 && !this.#isFirst) return undefined;
    const value = Object.freeze([...this.#events.values()]);
    this.clear();
    return { value };
  }

  clear(): void {
    this.#isFirst = false;
    this.#events.clear();
  }

  /** Translates a change into what a reader filtered by our tags should see. */
  #visible({ event, before }: Change): InstanceEvent | undefined {
    if (this.#tags.length === 0) return event;
    const was = before !== undefined && hasTags(before, this.#tags);
    const is = event.op !== "delete" && hasTags(event.instance, this.#tags);
    if (was && is) return event;
    if (is) return eventOf("add", event.instance);
    return was ? eventOf("delete", before) : undefined;
  }
}

/** Merges two events of one instance that the reader has not seen. undefined: nothing happened. */
function merge(first: InstanceEvent | undefined, { op, instance }: InstanceEvent): InstanceEvent | undefined {
  switch (first?.op) {
    case "add":
      return op === "delete" ? undefined : eventOf("add", instance);
    case "delete":
      return eventOf(op === "delete" ? "delete" : "update", instance);
    case "update":
    case undefined:
      return eventOf(op, instance);
  }
}
