import type { Link } from "../util/signals.js";
import type { HeldInstance } from "./backend.js";

/** What an agent knows of one id. Only the call whose turn it is may change it. */
export interface Slot {
  held: HeldInstance | undefined;
  /** Of the service that it is, or is being, registered in. */
  name: string | undefined;
  /** Registrations under way or waiting for their turn. */
  readonly adding: Set<Link>;
}

interface Turn extends Slot {
  waiting: number;
  tail: Promise<unknown>;
}

/** Calls that concern one id take turns, in the order in which they came; those of different ids do not wait for each other. */
export class Turns {
  readonly #turns = new Map<string, Turn>();

  /** Ids that are held, or that a call is busy with. */
  ids(): readonly string[] {
    return [...this.#turns.keys()];
  }

  get(id: string): Slot | undefined {
    return this.#turns.get(id);
  }

  /** Runs `work` when it is its turn. */
  take<T>(id: string, work: (slot: Slot) => Promise<T>): Promise<T> {
    const turn = this.#turns.get(id) ?? this.#open(id);
    turn.waiting++;
    const result = turn.tail.then(() => work(turn));
    const over = (): void => {
      turn.waiting--;
      if (turn.waiting === 0 && turn.held === undefined) this.#turns.delete(id);
    };
    turn.tail = result.then(over, over);
    return result;
  }

  #open(id: string): Turn {
    const turn: Turn = { held: undefined, name: undefined, adding: new Set(), waiting: 0, tail: Promise.resolve() };
    this.#turns.set(id, turn);
    return turn;
  }
}
