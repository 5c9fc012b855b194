import { Store, type StoreOptions, type StoreResult } from "./store.js";

/** A change of the store: whatever applies the same ones in the same order gets the same store. */
export type Change = (store: Store) => StoreResult | undefined;

/** A change that the cluster has agreed on. */
export interface Entry {
  readonly change: Change;
  readonly raftIndex: number;
}

/** What a member is, whether or not it runs. */
export interface Identity {
  readonly name: string;
  /** In hexadecimal. */
  readonly id: string;
  readonly peerURLs: readonly string[];
  readonly clientURLs: readonly string[];
}

/** A member of the cluster: its copy of the store, and what keeps it from the others. */
export class Replica {
  identity: Identity;
  readonly store: Store;
  /** It was started, and not killed since. */
  running = false;
  /** It takes requests and does nothing with them. */
  frozen = false;
  /** It reaches no other member. */
  isolated = false;
  /** It does not apply what the cluster agrees on. */
  lagging = false;
  /** It was taken out of the membership. */
  removed = false;
  /** What to do, when it is joined again, with writes that could not be agreed on meanwhile. */
  heldWrites: "drop" | "apply" = "drop";
  /** How much of the log it has applied. */
  applied = 0;
  /** Of the last entry that it has applied. */
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

  /** Takes over what another member has applied: a new member begins so. */
  copyFrom(other: Replica): void {
    this.store.copyFrom(other.store);
    this.applied = other.applied;
    this.raftIndex = other.raftIndex;
  }

  /** What an entry leads to here, once it is applied here. */
  resultOf(entry: Entry): Promise<StoreResult | undefined> {
    return new Promise((resolve) => this.#waiting.set(entry, resolve));
  }
}
