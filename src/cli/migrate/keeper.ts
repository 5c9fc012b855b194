import { setTimeout as sleep } from "node:timers/promises";
import pLimit from "p-limit";
import type { Target } from "./target.js";

interface Kept {
  readonly lease: string;
  /** In seconds. */
  readonly ttl: number;
  dueMs: number;
}

/** How often leases that are due are looked for, in ms. */
const everyMs = 250;
/** How many are kept alive at once. */
const atOnce = 16;

/**
 * Keeps the leases of keys alive, each at every third of its TTL. A refresh in v2 makes no event, so only v2's own `expire`
 * event shows that a key has gone.
 */
export class Keeper {
  readonly #target: Target;
  readonly #onLost: (path: string) => void;
  readonly #kept = new Map<string, Kept>();

  /** @param onLost called with the path of a key whose lease is gone */
  constructor(target: Target, onLost: (path: string) => void) {
    this.#target = target;
    this.#onLost = onLost;
  }

  /** The key has this lease now. @param ttl in seconds */
  keep(path: string, lease: string, ttl: number): void {
    this.#kept.set(path, { lease, ttl, dueMs: performance.now() + (ttl * 1_000) / 3 });
  }

  /** The key is gone, has no TTL, or belongs to another writer. */
  forget(path: string): void {
    this.#kept.delete(path);
  }

  /** Runs until the signal aborts. Rejects with its reason, or when etcd refuses. */
  async run(signal: AbortSignal): Promise<never> {
    const limit = pLimit(atOnce);
    for (;;) {
      await sleep(everyMs, undefined, { signal });
      const nowMs = performance.now();
      const due = [...this.#kept].filter(([, { dueMs }]) => dueMs <= nowMs);
      await Promise.all(due.map(([path, kept]) => limit(() => this.#renew(path, kept))));
    }
  }

  async #renew(path: string, kept: Kept): Promise<void> {
    // counted from the sending: later than that the server did not begin
    const sentMs = performance.now();
    const ttl = await this.#target.keepAlive(kept.lease);
    if (this.#kept.get(path) !== kept) return;
    if (ttl !== undefined) {
      kept.dueMs = sentMs + (ttl * 1_000) / 3;
      return;
    }
    this.#kept.delete(path);
    this.#onLost(path);
  }
}
