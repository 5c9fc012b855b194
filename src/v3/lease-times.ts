/** At most this many leases are remembered: about a megabyte. */
const maxLeases = 10_000;

interface Granted {
  /** In seconds. */
  readonly ttl: number;
  /** When the request was sent that gave the lease its full time, by the clock. */
  readonly sentMs: number;
}

/** When this client last gave each of its leases its full time. All endpoints of a client share it. */
export class LeaseTimes {
  readonly #leases = new Map<string, Granted>();
  readonly #now: () => number;

  /** @param now the clock, in ms; it must never go back. @default `performance.now` */
  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
  }

  /** The time by the clock, in ms. */
  now(): number {
    return this.#now();
  }

  /** Remembers that a lease was given `ttl` seconds by a request sent at `sentMs`. Forgets the one renewed longest ago if there are too many. */
  renewed(id: string, ttl: number, sentMs: number): void {
    this.#leases.delete(id);
    this.#leases.set(id, { ttl, sentMs });
    const [oldest] = this.#leases.keys();
    if (this.#leases.size > maxLeases && oldest !== undefined) this.#leases.delete(oldest);
  }

  /**
   * The seconds that a lease has left, rounded up as v2 does. Others may have given it more since. Undefined if this client
   * has never renewed it, or if it would be over by now.
   */
  left(id: string): number | undefined {
    const granted = this.#leases.get(id);
    if (granted === undefined) return undefined;
    const seconds = Math.ceil(granted.ttl - (this.#now() - granted.sentMs) / 1_000);
    return seconds > 0 ? seconds : undefined;
  }
}
