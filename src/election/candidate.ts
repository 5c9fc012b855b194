import { deferred, noop } from "../util/deferred.js";
import { throwIfAborted, untilAborted } from "../util/signals.js";
import { badArgument, kindOf } from "../util/validate.js";
import { Participation } from "./candidate-loop.js";
import { resigned } from "./errors.js";
import { checkedSignal } from "./lock-config.js";
import type { Candidate, LeaderContext, LockProvider } from "./lock.js";

/**
 * Makes a candidate on any backend.
 *
 * @param provider makes the locks; etcd's and Consul's are built in
 */
export function createCandidate(provider: LockProvider): Candidate {
  const participate: Candidate["participate"] = async (config, asLeader, options = {}) => {
    const { signal } = checkedSignal(options);
    const leadership = provider.resolve(config);
    requireCallback("asLeader", asLeader);
    throwIfAborted(signal);
    const lock = await provider.connect(leadership, signal);
    throwIfAborted(signal);
    const participation = new Participation({
      owner: provider.owner,
      what: `the election of "${leadership.key}"`,
      hint: "read changes() of the session to handle this",
      lock,
      config: leadership,
      asLeader,
      signal,
    });
    // if it ends before, `closed` has the reason
    await participation.begun.catch(noop);
    if (signal?.aborted !== true) return participation;
    await participation.close();
    throw signal.reason;
  };
  const run: Candidate["run"] = async (config, work, options = {}) => {
    const { signal } = checkedSignal(options);
    requireCallback("work", work);
    const only = new OnlyTerm(work, signal);
    const session = await participate(config, (context) => only.lead(context), { signal });
    await Promise.race([only.worked, session.closed]);
    await session.close();
    // only a callback that has ignored its signal for longer than `stepDownTimeoutMs` still runs
    await only.settled();
    return only.result((await session.closed) ?? signal?.reason ?? resigned());
  };
  return { participate, run };
}

function requireCallback(what: string, callback: unknown): void {
  if (typeof callback !== "function") badArgument(`${what} must be a function, got ${kindOf(callback)}`);
}

/** The only term of `run`, and its result. */
class OnlyTerm<T> {
  readonly #worked = deferred<undefined>();
  readonly #work: (signal: AbortSignal, context: LeaderContext) => Promise<T> | T;
  readonly #signal: AbortSignal | undefined;
  #working: Promise<void> | undefined;
  #result: (() => T) | undefined;

  constructor(work: (signal: AbortSignal, context: LeaderContext) => Promise<T> | T, signal: AbortSignal | undefined) {
    this.#work = work;
    this.#signal = signal;
  }

  /** Resolves when the callback has settled. */
  get worked(): Promise<unknown> {
    return this.#worked.promise;
  }

  /** The callback of the participation. It lasts until the participation is closed, so that there is no second term. */
  async lead(context: LeaderContext): Promise<void> {
    this.#working = this.#settle(context);
    await this.#working;
    this.#worked.resolve(undefined);
    await untilAborted(context.signal);
  }

  /** Resolves when the callback has settled, at once if it was never called. */
  async settled(): Promise<void> {
    await this.#working;
  }

  /** What the callback returned; throws what it threw, or why its result does not count, or `otherwise` if it was never called. */
  result(otherwise: unknown): T {
    if (this.#result === undefined) throw otherwise;
    return this.#result();
  }

  async #settle(context: LeaderContext): Promise<void> {
    let result: () => T;
    try {
      const value = await this.#work(context.signal, context);
      // it may have stopped half-way because its signal aborted
      const lost = context.signal.aborted ? thrower(context.signal.reason) : undefined;
      result = lost ?? (() => value);
    } catch (error) {
      result = thrower(error);
    }
    this.#result = this.#signal?.aborted === true ? thrower(this.#signal.reason) : result;
  }
}

function thrower(error: unknown): () => never {
  return () => {
    throw error;
  };
}
