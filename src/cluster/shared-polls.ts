import type { RawResponse, RequestSpec } from "../http/exchange.js";
import { abortable } from "../util/signals.js";
import type { EndpointSet } from "./endpoint-set.js";

interface SharedPoll {
  readonly answer: Promise<RawResponse>;
  /** Who asks: when this aborts, the poll ends, and the others ask anew. */
  readonly owner: AbortSignal;
  /** Whom it asks. When the client has turned elsewhere since, nobody joins it any more: it may hang. */
  readonly endpoints: EndpointSet;
}

/**
 * Long polls that ask the same, from the same place in etcd's history, are one: a thousand watchers of a key cost one
 * connection, and all hear of an event at once. Each keeps its own place, so that none misses an event or sees it twice.
 */
export class SharedPolls {
  readonly #polls = new Map<string, SharedPoll>();

  /** Waits for the answer of a poll under way, or else of one that `ask` begins, which ends when `signal` aborts. */
  async join(spec: RequestSpec, endpoints: EndpointSet, signal: AbortSignal, ask: () => Promise<RawResponse>): Promise<RawResponse> {
    const name = `${spec.path}?${spec.query ?? ""}`;
    for (;;) {
      const poll = this.#polls.get(name);
      if (poll?.endpoints !== endpoints) return this.#begin(name, endpoints, signal, ask);
      try {
        return await abortable(poll.answer, signal);
      } catch (error) {
        signal.throwIfAborted();
        if (!poll.owner.aborted) throw error;
        // no failure, only its owner has gone: from the same place, the next poll misses nothing
      }
    }
  }

  #begin(name: string, endpoints: EndpointSet, owner: AbortSignal, ask: () => Promise<RawResponse>): Promise<RawResponse> {
    const answer = ask().finally(() => {
      if (this.#polls.get(name) === poll) this.#polls.delete(name);
    });
    const poll: SharedPoll = { answer, owner, endpoints };
    this.#polls.set(name, poll);
    return answer;
  }
}

/** Whether path and query say all that is asked. */
export function isShared({ shared, headers, limits, onHeaders }: RequestSpec): boolean {
  return shared === true && headers === undefined && limits === undefined && onHeaders === undefined;
}
