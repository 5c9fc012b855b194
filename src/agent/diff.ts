import { requireFields, type Checks } from "../util/fields.js";
import { badArgument, kindOf, requireBoolean } from "../util/validate.js";
import type { InstanceEvent } from "./agent.js";
import { createInstance, type Instance } from "./instance.js";
import { InstanceSet } from "./instance-set.js";

/** Options of {@link Diff}. */
export interface DiffOptions {
  /** Report an instance that did not change as an update. @default false */
  readonly emitUnchanged?: boolean | undefined;
}

/**
 * Turns successive states of a service into events. Instances are matched by id; the order of tags means nothing. It keeps
 * copies: changing an instance in place afterwards changes neither events nor the snapshot.
 *
 * @example
 * const diff = new Diff();
 * diff.apply((await agent.service("web")).instances); // one "add" for each
 */
export class Diff {
  readonly #set: InstanceSet;

  /** @throws {UsageError} for a bad option */
  constructor(options: DiffOptions = {}) {
    requireFields("options", options, diffChecks);
    this.#set = new InstanceSet((instance) => instance.id, options.emitUnchanged);
  }

  /**
   * The changes from the previous state to this one: additions and updates in the order of `state`, then deletions in
   * the order of first appearance. The last of several instances with one id counts.
   *
   * @throws {UsageError} `state` is not iterable, or an instance lacks a field; the state then stays as it was
   */
  apply(state: Iterable<Instance>): InstanceEvent[] {
    const given: unknown = state;
    if (typeof given !== "object" || given === null || !(Symbol.iterator in given)) {
      badArgument(`state must be an array, or another iterable, of instances, got ${kindOf(given)}`);
    }
    const copies = [...state].map((instance) =>
      createInstance(instance, (instance as Instance | null)?.local === true),
    );
    return this.#set.apply(copies).map(({ event }) => event);
  }

  /** The state that was applied last, in the order of first appearance. */
  snapshot(): readonly Instance[] {
    return this.#set.values();
  }
}

const diffChecks: Checks<DiffOptions> = { emitUnchanged: requireBoolean };
