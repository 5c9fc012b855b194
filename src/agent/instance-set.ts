import type { InstanceEvent } from "./agent.js";
import { sameInstance, type Instance } from "./instance.js";

/** An event and the instance before it. */
export interface Change {
  readonly event: InstanceEvent;
  /** undefined for an `add`. */
  readonly before: Instance | undefined;
}

/** The instances of a service by id, in the order in which they first appeared. */
export class InstanceSet {
  readonly #instances = new Map<string, Instance>();
  readonly #emitUnchanged: boolean;

  /** @param emitUnchanged whether an instance that is equal to the one before counts as an update */
  constructor(emitUnchanged = false) {
    this.#emitUnchanged = emitUnchanged;
  }

  /** The instances as they are now. */
  values(): readonly Instance[] {
    return [...this.#instances.values()];
  }

  /**
   * Replaces the whole state. Returns the changes: additions and updates in the order given, then deletions in the order
   * of first appearance. The last of several instances with one id counts.
   */
  apply(state: Iterable<Instance>): Change[] {
    const now = new Map<string, Instance>();
    for (const instance of state) now.set(instance.id, instance);
    const changes = [...now.values()].flatMap((instance) => this.set(instance));
    for (const id of this.#instances.keys()) {
      if (!now.has(id)) changes.push(...this.remove(id));
    }
    return changes;
  }

  /** Adds or updates one instance. Returns one change, or none. */
  set(instance: Instance): readonly Change[] {
    const before = this.#instances.get(instance.id);
    if (before !== undefined && !this.#emitUnchanged && sameInstance(before, instance)) return [];
    this.#instances.set(instance.id, instance);
    return [{ event: eventOf(before === undefined ? "add" : "update", instance), before }];
  }

  /** Removes one instance. Returns one change, or none. */
  remove(id: string): readonly Change[] {
    const before = this.#instances.get(id);
    if (before === undefined) return [];
    this.#instances.delete(id);
    return [{ event: eventOf("delete", before), before }];
  }
}

/** A frozen event: all watchers of a service get the same object. */
export function eventOf(op: InstanceEvent["op"], instance: Instance): InstanceEvent {
  return Object.freeze({ op, instance });
}
