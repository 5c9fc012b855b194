import type { Endpoint } from "./cluster/endpoint.js";
import type { EndpointSet } from "./cluster/endpoint-set.js";
import { shuffled } from "./cluster/selection.js";
import { loaded } from "./load.js";

/** The endpoints of a client: those that the user configured, and the set in use, which failover and syncs replace. */
export class CurrentEndpoints {
  #configured: readonly Endpoint[];
  #set: EndpointSet;

  constructor(configured: readonly Endpoint[]) {
    this.#configured = configured;
    this.#set = shuffled(configured);
  }

  /** What the user configured last. */
  get configured(): readonly Endpoint[] {
    return this.#configured;
  }

  /** The set in use. */
  get set(): EndpointSet {
    return this.#set;
  }

  /** Begins again with other endpoints, in random order. */
  configure(endpoints: readonly Endpoint[]): void {
    this.#configured = endpoints;
    this.turnTo(shuffled(endpoints));
  }

  /** From now on calls use this set. */
  turnTo(next: EndpointSet): void {
    // before the first call, calls have not gone anywhere
    loaded()?.publishSwitch(this.#set, next);
    this.#set = next;
  }
}
