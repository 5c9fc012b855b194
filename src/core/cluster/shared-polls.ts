import type { RawResponse, RequestSpec } from "../../http/exchange.js";
import { abortable } from "../../util/signals.js";
import type { EndpointSet } from "./endpoint-set.js";

interface SharedPoll {
  readonly answer: Promise<RawResponse>;
  /** Who asks: when this aborts, the poll ends, and the others ask anew. */
  readonly owner: AbortSignal;
  /** Whom it asks. When the client has turned elsewhere since, nobody joins it any more: it may hang. */
  readonly endpoints: EndpointSet;
  readonly sinceMs: number;
}

/** A poll that somebody has waited for in vain, and that is older than this, may be one that hangs: nobody joins it any more. */
const doubtfulMs = 1_000;

/**
 * Long polls that ask the same, from the same place in etcd's history, are one: a thousand watchers of a key cost one
 * connection, and all hear of an event at once. Each keeps its own place, so that none misses an event or sees it twice.
 */
export class SharedPolls {
  readonly #polls = new Map<string, SharedPoll>();

  /**
   * Waits for the answer of a poll under way, or else of one that `ask` begins, which ends when `signal` aborts.
   *
   * @param endpoints whom to ask now
   */
  async join(
    spec: RequestSpec,
    endpoints: () => EndpointSet,
    signal: AbortSignal,
    ask: (endpoints: EndpointSet) => Promise<RawResponse>,
  ): Promise<RawResponse> {
    const name = `${spec.path}?${spec.query ?? ""}`;
    for (;;) {
      const [poll, current] = [this.#polls.get(name), endpoints()];
      if (poll?.endpoints !== current) return this.#begin(name, current, signal, ask);
      try {
        return await abortable(poll.answer, signal);
      } catch (error) {
        if (signal.aborted && performance.now() - poll.sinceMs > doubtfulMs) this.#forget(name, poll);
        signal.throwIfAborted();
        if (!poll.owner.aborted) throw error;
        // no failure, only its owner has gone: from the same place, the next poll misses nothing
      }
    }
  }

  #begin(
    name: string,
    endpoints: EndpointSet,
    owner: AbortSignal,
    ask: (endpoints: EndpointSet) => Promise<RawResponse>,
  ): Promise<RawResponse> {
    const answer = ask(endpoints).finally(() => {
      this.#forget(name, poll);
    });
    const poll: SharedPoll = { answer, owner, endpoints, sinceMs: performance.now() };
    this.#polls.set(name, poll);
    return answer;
  }

  #forget(name: string, poll: SharedPoll): void {
    if (this.#polls.get(name) === poll) this.#polls.delete(name);
  }
}

/** Whether this is a long poll of which path and query say all that is asked. */
export function isShared({ shared, longPoll, method, headers, body, bytes, limits, onHeaders }: RequestSpec): boolean {
  const says = headers ?? body ?? bytes ?? limits ?? onHeaders;
  return shared === true && longPoll === true && method === "GET" && says === undefined;
}
