import { onAbort } from "../util/signals.js";
import type { FakeClock } from "./clock.js";
import type { Change, Entry, Replica } from "./replica.js";
import type { StoreResult } from "./store.js";

export interface ClusterOptions {
  readonly clock: FakeClock;
  /** How long the members wait before they elect a leader, in ms. A write waits seven times as long for one. */
  readonly electionTimeoutMs: number;
}

/** A proposal that waits for a majority. */
interface Held {
  readonly at: Replica;
  readonly change: Change;
  readonly decide: (result: Promise<StoreResult | undefined> | undefined) => void;
}

/** How often the leader looks for keys that have expired, in ms. */
const syncMs = 500;

/** Members that share one log, as far as they can reach each other. */
export class Cluster {
  readonly clock: FakeClock;
  readonly replicas: Replica[] = [];
  readonly #electionTimeoutMs: number;
  readonly #closed = new AbortController();
  readonly #startMs: number;
  /** Entries that some replica has not applied yet, and how many earlier ones were dropped. */
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

  /** How long all members must have been connected before the membership may change, in ms. */
  get settlingMs(): number {
    return 5 * this.#electionTimeoutMs;
  }

  /** When the cluster started, as an ISO date. */
  get startTime(): string {
    return new Date(this.#startMs).toISOString();
  }

  /** The leader, as far as this member knows. */
  leaderOf(replica: Replica): Replica | undefined {
    return replica.connected ? this.#leader : undefined;
  }

  /** Raft's index and term, as far as this member knows. */
  raftOf(replica: Replica): { readonly index: number; readonly term: number } {
    const current = replica.connected && !replica.lagging;
    return { index: current ? this.#raftIndex : replica.raftIndex, term: this.#term };
  }

  /** Elects the first leader at once. */
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
   * Proposes a change at a member. Resolves to undefined when the cluster did not commit it in time: it may still be applied later.
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

  /** Commits a change. Resolves to its result at the given member, once that has applied it. */
  commit(change: Change, at: Replica): Promise<StoreResult | undefined> {
    const entry: Entry = { change, raftIndex: ++this.#raftIndex };
    const result = at.resultOf(entry);
    this.#log.push(entry);
    this.#distribute();
    this.#armExpiry();
    return result;
  }

  /** Does everything that is due by the clock. */
  catchUp(): void {
    const nowMs = this.clock.now();
    if (nowMs < this.#nextSyncMs) return;
    while (this.#nextSyncMs <= nowMs) {
      const leader = this.#leader;
      const expiryMs = leader?.store.nextExpiryMs;
      const last = this.#syncAt(nowMs + 1) - syncMs;
      const due = expiryMs === undefined ? Infinity : Math.max(this.#nextSyncMs, this.#syncAt(expiryMs));
      // while any key has a TTL, each check is an entry of the log
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

  /** Must be called after a member was started, killed, isolated or added. */
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

  /** Ends all timers. Proposals that wait are never decided. */
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
    // a new leader checks from now on
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

  /** Makes every member that can apply the entries that it has not applied yet. */
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

  /** The time of the first check at or after a time. */
  #syncAt(ms: number): number {
    return this.#startMs + Math.ceil((ms - this.#startMs) / syncMs) * syncMs;
  }

  /** Sets a timer for the next expiry, so that watchers are notified even if no request comes. */
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
  // an aborted sleep, or a response that no call waits for
}
