import { Limiter } from "../util/limiter.js";
import { limitTime } from "../util/signals.js";
import type { LookUps } from "./events.js";
import { compareBytes, type KeyRange } from "./layout.js";
import { timeLeft } from "./leases.js";
import { keysIn, readRange } from "./operations.js";
import type { Session } from "./session.js";

/** Longest wait for a response: without a cluster leader there is none. */
const lookUpTimeoutMs = 5_000;
const lookUpsAtOnce = 16;

/** Looks up what the events of one stream need to know beyond the stream itself. */
export class EventLookUps implements LookUps {
  readonly #session: Session;
  readonly #range: KeyRange;
  readonly #closed: AbortSignal;
  readonly #limiter = new Limiter(lookUpsAtOnce);

  /**
   * @param range of the stream
   * @param closed ends all look-ups
   */
  constructor(session: Session, range: KeyRange, closed: AbortSignal) {
    this.#session = session;
    this.#range = range;
    this.#closed = closed;
  }

  async ofPut(lease: string): Promise<number | undefined> {
    const { leaseTimes, options } = this.#session;
    if (!options.ttls) return undefined;
    const left = leaseTimes.left(lease) ?? (await this.#timeLeft(lease));
    return left === "unknown" ? undefined : left;
  }

  async isGone(lease: string): Promise<boolean> {
    return (await this.#timeLeft(lease)) === undefined;
  }

  async wasMadeOnTheWay(directory: string, revision: number): Promise<boolean> {
    const inside = this.#session.layout.inside(directory);
    // the stream has what is below as well
    if (compareBytes(inside.rangeEnd ?? "", this.#range.rangeEnd ?? "") <= 0) return false;
    const found = await this.#lookUp((signal) =>
      readRange(this.#session, inside, { limit: 1, keysOnly: true, revision }, { signal }),
    );
    return found !== "unknown" && keysIn(found.response).length > 0;
  }

  #timeLeft(lease: string): Promise<number | undefined | "unknown"> {
    return this.#lookUp((signal) => timeLeft(this.#session, lease, signal));
  }

  /** "unknown": it cannot be found out. */
  async #lookUp<T>(look: (signal: AbortSignal) => Promise<T>): Promise<T | "unknown"> {
    try {
      return await this.#limiter.run(() => {
        const link = limitTime(lookUpTimeoutMs, this.#closed);
        return look(link.signal).finally(link.unlink);
      }, this.#closed);
    } catch {
      return "unknown";
    }
  }
}
