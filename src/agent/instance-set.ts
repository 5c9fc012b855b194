import type { InstanceEvent } from "./agent.js";
import { sameInstance, type Instance } from "./instance.js";

/** An event and the instance before it. */
export interface Change {
  readonly event: InstanceEvent;
  /** undefined for an `add`. */
  readonly before: Instance | undefined;
}

/** The instances of a service, in the order in which they first appeared. */
export class InstanceSet {
  readonly #instances = new Map<string, Instance>();
  readonly #keyOf: (instance: Instance) => string;
  readonly #emitUnchanged: boolean;

  /**
   * @param keyOf what identifies an instance
   * @param emitUnchanged whether an instance that is equal to the one before counts as an update
   */
  constructor(keyOf: (instance: Instance) => string, emitUnchanged = false) {
    this.#keyOf = keyOf;
    this.#emitUnchanged = emitUnchanged;
  }

  /** The instances as they are now. */
  values(): readonly Instance[] {
    return [...this.#instances.values()];
  }

  /**
   * Replaces the whole state. Returns the changes: additions and updates in the order given, then deletions in the order
   * of first appearance. The last of several instances with one key counts.
   */
  apply(state: Iterable<Instance>): Change[] {
    const now = new Map<string, Instance>();
    for (const instance of state) now.set(this.#keyOf(instance), instance);
    const changes = [...now.values()].flatMap((instance) => this.set(instance));
    for (const key of this.#instances.keys()) {
      if (!now.has(key)) changes.push(...this.remove(key));
    }
    return changes;
  }

  /** Adds or updates one instance. Returns one change, or none. */
  set(instance: Instance): readonly Change[] {
    const key = this.#keyOf(instance);
    const before = this.#instances.get(key);
    if (before !== undefined && !this.#emitUnchanged && sameInstance(before, instance)) return [];
    this.#instances.set(key, instance);
    return [{ event: eventOf(before === undefined ? "add" : "update", instance), before }];
  }

  /** Removes one instance. Returns one change, or none. */
  remove(key: string): readonly Change[] {
    const before = this.#instances.get(key);
    if (before === undefined) return [];
    this.#instances.delete(key);
    return [{ event: eventOf("delete", before), before }];
  }
}

/** A frozen event: all watchers of a service get the same object. */
export function eventOf(op: InstanceEvent["op"], instance: Instance): InstanceEvent {
  return Object.freeze({ op, instance });
}
