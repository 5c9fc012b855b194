import type { InstanceEvent } from "./agent.js";
import { sameInstance, type Instance } from "./instance.js";

/** An event, and the instance before it; undefined for an `add`. */
export interface Change {
  readonly event: InstanceEvent;
  readonly before: Instance | undefined;
}

/** The instances of a service by id, in the order in which they first appeared. */
export class InstanceSet {
  readonly #instances = new Map<string, Instance>();
  readonly #emitUnchanged: boolean;

  /** @param emitUnchanged whether an instance that is as before is an update */
  constructor(emitUnchanged = false) {
    this.#emitUnchanged = emitUnchanged;
  }

  values(): readonly Instance[] {
    return [...this.#instances.values()];
  }

  /** Takes in the whole state: what came and changed, in the order given, then what went. */
  apply(state: Iterable<Instance>): Change[] {
    const now = new Map<string, Instance>();
    for (const instance of state) now.set(instance.id, instance);
    const changes: Change[] = [];
    for (const instance of now.values()) changes.push(...this.set(instance));
    for (const id of this.#instances.keys()) {
      if (!now.has(id)) changes.push(...this.remove(id));
    }
    return changes;
  }

  /** One change, or none. */
  set(instance: Instance): readonly Change[] {
    const before = this.#instances.get(instance.id);
    if (before !== undefined && !this.#emitUnchanged && sameInstance(before, instance)) return [];
    this.#instances.set(instance.id, instance);
    return [{ event: eventOf(before === undefined ? "add" : "update", instance), before }];
  }

  /** One change, or none. */
  remove(id: string): readonly Change[] {
    const before = this.#instances.get(id);
    if (before === undefined) return [];
    this.#instances.delete(id);
    return [{ event: eventOf("delete", before), before }];
  }
}

/** Frozen: all watchers of a service are handed the same one. */
export function eventOf(op: InstanceEvent["op"], instance: Instance): InstanceEvent {
  return Object.freeze({ op, instance });
}
