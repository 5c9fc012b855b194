import { onAbort } from "../util/signals.js";
import type { FakeClock } from "./clock.js";
import type { Change, Entry, Replica } from "./replica.js";
import type { StoreResult } from "./store.js";

export interface ClusterOptions {
  readonly clock: FakeClock;
  /** How long the others wait before they elect a leader; a write waits seven times as long for one. In ms. */
  readonly electionTimeoutMs: number;
}

/** A proposal that nobody could agree on yet. */
interface Held {
  readonly at: Replica;
  readonly change: Change;
  readonly decide: (result: Promise<StoreResult | undefined> | undefined) => void;
}

/** How often the leader looks for keys that have expired, in ms. */
const syncMs = 500;

/** Members that agree on one log, as far as they reach each other. */
export class Cluster {
  readonly clock: FakeClock;
  readonly replicas: Replica[] = [];
  readonly #electionTimeoutMs: number;
  readonly #closed = new AbortController();
  readonly #startMs: number;
  /** Entries that some replica has not applied, and how many were dropped before them. */
  #log: Entry[] = [];
  #dropped = 0;
  #raftIndex = 1;
  #term = 1;
  #leader: Replica | undefined;
  #electing = false;
  #held = new Set<Held>();
  #nextSyncMs: number;
  #wakeMs = Infinity;
  #wake = new AbortController();

  constructor({ clock, electionTimeoutMs }: ClusterOptions) {
    this.clock = clock;
    this.#electionTimeoutMs = electionTimeoutMs;
    this.#startMs = clock.now();
    this.#nextSyncMs = this.#startMs + syncMs;
  }

  get leader(): Replica | undefined {
    return this.#leader;
  }

  /** How long the others have been within reach before a change of members is allowed, in ms. */
  get settlingMs(): number {
    return 5 * this.#electionTimeoutMs;
  }

  /** When it began, as JSON has it. */
  get startTime(): string {
    return new Date(this.#startMs).toISOString();
  }

  /** The leader as a member knows it. */
  leaderOf(replica: Replica): Replica | undefined {
    return replica.connected ? this.#leader : undefined;
  }

  /** Raft's numbers as a member knows them. */
  raftOf(replica: Replica): { readonly index: number; readonly term: number } {
    const current = replica.connected && !replica.lagging;
    return { index: current ? this.#raftIndex : replica.raftIndex, term: this.#term };
  }

  /** Makes the first leader at once. */
  begin(): void {
    this.#elect();
  }

  /** The members that count for a majority. */
  get voters(): readonly Replica[] {
    return this.replicas.filter((replica) => !replica.removed);
  }

  /** Whether a majority can reach each other. */
  get hasMajority(): boolean {
    const { voters } = this;
    return voters.filter((replica) => replica.connected).length > voters.length / 2;
  }

  /**
   * Has the cluster agree on a change, at a member's request. Undefined when it did not in time: it may still be applied later.
   *
   * @throws `signal.reason` when aborted: the change may be applied all the same
   */
  async propose(at: Replica, change: Change, signal?: AbortSignal): Promise<StoreResult | undefined> {
    if (this.leaderOf(at) !== undefined) return this.commit(change, at);
    return new Promise((resolve, reject) => {
      const stop = new AbortController();
      const held: Held = {
        at,
        change,
        decide: (result) => {
          this.#held.delete(held);
          stop.abort();
          off();
          resolve(result);
        },
      };
      this.#held.add(held);
      const off = onAbort(signal, (reason) => {
        stop.abort();
        reject(reason);
      });
      this.#after(7 * this.#electionTimeoutMs, stop.signal, () => {
        if (at.isolated && at.heldWrites === "apply") this.#held.add({ ...held, decide: ignore });
        held.decide(undefined);
      });
    });
  }

  /** Agrees on a change, whoever leads. Resolves to what it led to at one of the members, once it has applied it. */
  commit(change: Change, at: Replica): Promise<StoreResult | undefined> {
    const entry: Entry = { change, raftIndex: ++this.#raftIndex };
    const result = at.resultOf(entry);
    this.#log.push(entry);
    this.#distribute();
    this.#armExpiry();
    return result;
  }

  /** Has everything happen that is due by the clock. */
  catchUp(): void {
    const nowMs = this.clock.now();
    if (nowMs < this.#nextSyncMs) return;
    while (this.#nextSyncMs <= nowMs) {
      const leader = this.#leader;
      const expiryMs = leader?.store.nextExpiryMs;
      const last = this.#syncAt(nowMs + 1) - syncMs;
      const due = expiryMs === undefined ? Infinity : Math.max(this.#nextSyncMs, this.#syncAt(expiryMs));
      // while any key has a TTL, each look takes a place in the log
      if (expiryMs !== undefined) this.#raftIndex += (Math.min(due, last + syncMs) - this.#nextSyncMs) / syncMs;
      if (leader === undefined || due > last) {
        this.#nextSyncMs = last + syncMs;
        break;
      }
      this.#nextSyncMs = due + syncMs;
      void this.commit((store) => {
        store.expire(due);
        return undefined;
      }, leader);
    }
    this.#armExpiry();
  }

  /** To be called when a member was started, killed, isolated, added, or the like. */
  review(): void {
    for (const replica of this.replicas)
      if (!replica.connected) replica.connectedSinceMs = Infinity;
      else if (replica.connectedSinceMs === Infinity) replica.connectedSinceMs = this.clock.now();
    this.#distribute();
    if (this.#leader !== undefined && (!this.#leader.connected || !this.hasMajority)) this.#leader = undefined;
    if (this.#leader !== undefined) this.#releaseHeld();
    else if (this.hasMajority && !this.#electing) {
      this.#electing = true;
      this.#after(this.#electionTimeoutMs, this.#closed.signal, () => {
        this.#electing = false;
        this.#elect();
      });
    }
  }

  /** Ends all timers; what is held is never decided. */
  close(): void {
    this.#closed.abort();
    this.#wake.abort();
    this.#held.clear();
  }

  #elect(): void {
    if (this.#leader !== undefined || !this.hasMajority) return;
    const connected = this.voters.filter((replica) => replica.connected);
    this.#leader = connected.reduce((best, replica) => (replica.applied > best.applied ? replica : best));
    this.#term++;
    this.#raftIndex++;
    // a new leader begins to look from now on
    this.#nextSyncMs = this.#syncAt(this.clock.now() + 1);
    this.#releaseHeld();
    this.#armExpiry();
  }

  #releaseHeld(): void {
    for (const held of Array.from(this.#held))
      if (this.leaderOf(held.at) !== undefined) {
        this.#held.delete(held);
        held.decide(this.commit(held.change, held.at));
      }
  }

  /** Has every member that can apply what it has not. */
  #distribute(): void {
    const end = this.#dropped + this.#log.length;
    let least = end;
    for (const replica of this.replicas) {
      if (replica.removed) continue;
      while (replica.connected && !replica.lagging && replica.applied < end) {
        const entry = this.#log[replica.applied - this.#dropped];
        if (entry === undefined) break;
        replica.apply(entry);
      }
      least = Math.min(least, replica.applied);
    }
    if (least === end) this.#log = [];
    else if (least - this.#dropped > 1000) this.#log = this.#log.slice(least - this.#dropped);
    else return;
    this.#dropped = least;
  }

  /** The first look at or after a time. */
  #syncAt(ms: number): number {
    return this.#startMs + Math.ceil((ms - this.#startMs) / syncMs) * syncMs;
  }

  /** Sees to it that watchers are told of an expiry in time, also when nobody asks for anything. */
  #armExpiry(): void {
    const expiryMs = this.#leader?.store.nextExpiryMs;
    if (expiryMs === undefined) return;
    const dueMs = Math.max(this.#syncAt(expiryMs), this.#nextSyncMs);
    if (dueMs >= this.#wakeMs) return;
    this.#wake.abort();
    this.#wake = new AbortController();
    this.#wakeMs = dueMs;
    this.#after(dueMs - this.clock.now(), this.#wake.signal, () => {
      this.#wakeMs = Infinity;
      this.catchUp();
      this.#armExpiry();
    });
  }

  #after(ms: number, signal: AbortSignal, then: () => void): void {
    this.clock.sleep(Math.max(0, ms), signal).then(() => {
      if (!this.#closed.signal.aborted) then();
    }, ignore);
  }
}

function ignore(): void {
  // an aborted sleep, or an answer that nobody waits for
}
