import { Store, type StoreOptions, type StoreResult } from "./store.js";

/** A change of the store. Applying the same changes in the same order gives the same store. */
export type Change = (store: Store) => StoreResult | undefined;

/** A change that the cluster has committed. */
export interface Entry {
  readonly change: Change;
  readonly raftIndex: number;
}

/** What the membership lists of a member. */
export interface Identity {
  readonly name: string;
  /** In hexadecimal. */
  readonly id: string;
  readonly peerURLs: readonly string[];
  readonly clientURLs: readonly string[];
}

/** A member of the cluster: its copy of the store, and its state. */
export class Replica {
  identity: Identity;
  readonly store: Store;
  /** Whether it was started, and not killed since. */
  running = false;
  /** Whether it accepts requests but does nothing with them. */
  frozen = false;
  /** Whether it is cut off from the other members. */
  isolated = false;
  /** Whether it does not apply what the cluster commits. */
  lagging = false;
  /** Whether it was removed from the membership. */
  removed = false;
  /** What happens to the writes that it received while isolated, when it joins again. */
  heldWrites: "drop" | "apply" = "drop";
  /** How many entries of the log it has applied. */
  applied = 0;
  /** The raft index of the last entry that it has applied. */
  raftIndex = 0;
  /** Since when it could reach the others, in ms of the clock. */
  connectedSinceMs = Infinity;
  /** Whether it has tried to make auth's directories since it was started. */
  madeAuthDirectories = false;
  readonly #waiting = new Map<Entry, (result: StoreResult | undefined) => void>();

  constructor(identity: Identity, options: StoreOptions) {
    this.identity = identity;
    this.store = new Store(options);
  }

  /** Whether the other members can reach it. */
  get connected(): boolean {
    return this.running && !this.frozen && !this.isolated && !this.removed;
  }

  /** Applies an entry, which must be the next one. */
  apply(entry: Entry): void {
    this.applied++;
    this.raftIndex = entry.raftIndex;
    const result = entry.change(this.store);
    const resolve = this.#waiting.get(entry);
    if (resolve === undefined) return;
    this.#waiting.delete(entry);
    resolve(result);
  }

  /** Copies the state of another member, as a new member does. */
  copyFrom(other: Replica): void {
    this.store.copyFrom(other.store);
    this.applied = other.applied;
    this.raftIndex = other.raftIndex;
  }

  /** The result of an entry at this member, once it has applied it. */
  resultOf(entry: Entry): Promise<StoreResult | undefined> {
    return new Promise((resolve) => this.#waiting.set(entry, resolve));
  }
}
