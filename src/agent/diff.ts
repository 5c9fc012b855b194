import { requireBoolean, requireOptions } from "../util/validate.js";
import type { InstanceEvent } from "./agent.js";
import type { Instance } from "./instance.js";
import { InstanceSet } from "./instance-set.js";

export interface DiffOptions {
  /** Report instances that are as before as updates. @default false */
  readonly emitUnchanged?: boolean | undefined;
}

/** Makes events of successive states. Instances are told apart by their id; the order of tags means nothing. */
export class Diff {
  readonly #set: InstanceSet;

  /** @throws {UsageError} for a bad option */
  constructor(options: DiffOptions = {}) {
    requireOptions("options", options, diffOptionNames);
    requireBoolean("options.emitUnchanged", options.emitUnchanged);
    this.#set = new InstanceSet(options.emitUnchanged);
  }

  /** What leads from the state before to this one: adds and updates in the order of the state, then deletes in that of first appearance. */
  apply(state: Iterable<Instance>): InstanceEvent[] {
    return this.#set.apply(state).map(({ event }) => event);
  }

  /** The state that was applied last, in the order of first appearance. */
  snapshot(): readonly Instance[] {
    return this.#set.values();
  }
}

const diffOptionNames: ReadonlySet<string> = new Set<keyof DiffOptions>(["emitUnchanged"]);
