import { Limiter } from "../util/limiter.js";
import { limitTime } from "../util/signals.js";
import type { LeaseSource } from "./events.js";
import { timeLeft } from "./leases.js";
import type { Session } from "./session.js";

/** Longest wait for the state of a lease: without a cluster leader it is unknown. */
const lookUpTimeoutMs = 5_000;
const lookUpsAtOnce = 16;

/** What the events of one stream have to know of leases. */
export class LeaseLookUps implements LeaseSource {
  readonly #session: Session;
  readonly #closed: AbortSignal;
  readonly #limiter = new Limiter(lookUpsAtOnce);

  /** @param closed ends all look-ups */
  constructor(session: Session, closed: AbortSignal) {
    this.#session = session;
    this.#closed = closed;
  }

  async ofPut(lease: string): Promise<number | undefined> {
    const { leaseTimes, options } = this.#session;
    if (!options.ttls) return undefined;
    const left = leaseTimes.left(lease) ?? (await this.#lookUp(lease));
    return left === "unknown" ? undefined : left;
  }

  async isGone(lease: string): Promise<boolean> {
    return (await this.#lookUp(lease)) === undefined;
  }

  /** "unknown": it cannot be found out. */
  async #lookUp(lease: string): Promise<number | undefined | "unknown"> {
    try {
      return await this.#limiter.run(() => {
        const link = limitTime(lookUpTimeoutMs, this.#closed);
        return timeLeft(this.#session, lease, link.signal).finally(link.unlink);
      }, this.#closed);
    } catch {
      return "unknown";
    }
  }
}
