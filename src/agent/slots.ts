import { Limiter } from "../util/limiter.js";
import type { Link } from "../util/signals.js";
import type { HeldInstance } from "./backend.js";

/** What an agent knows about one id. Only the call that runs in the slot may change it. */
export interface Slot {
  held: HeldInstance | undefined;
  /** The service that it is, or is being, registered in. */
  name: string | undefined;
  /** Registrations in progress, or waiting for earlier calls. */
  readonly adding: Set<Link>;
}

interface OpenSlot extends Slot {
  readonly oneAtATime: Limiter;
  /** How many calls run or wait. */
  calls: number;
}

/** Runs the calls that concern one id one after the other, in order. Calls for different ids do not wait for each other. */
export class Slots {
  readonly #slots = new Map<string, OpenSlot>();

  /** The ids that are held, or that a call concerns. */
  ids(): readonly string[] {
    return [...this.#slots.keys()];
  }

  get(id: string): Slot | undefined {
    return this.#slots.get(id);
  }

  /** Runs `work` once the earlier calls for this id are done. */
  async run<T>(id: string, work: (slot: Slot) => Promise<T>): Promise<T> {
    const slot = this.#slots.get(id) ?? this.#open(id);
    slot.calls++;
    try {
      return await slot.oneAtATime.run(() => work(slot), undefined);
    } finally {
      slot.calls--;
      if (slot.calls === 0 && slot.held === undefined) this.#slots.delete(id);
    }
  }

  #open(id: string): OpenSlot {
    const slot: OpenSlot = {
      held: undefined,
      name: undefined,
      adding: new Set(),
      oneAtATime: new Limiter(1),
      calls: 0,
    };
    this.#slots.set(id, slot);
    return slot;
  }
}
