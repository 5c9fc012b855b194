import type { ConnectionHold, RawResponse, RequestSpec, ResponseHead } from "../../http/exchange.js";
import { onAbort } from "../../util/signals.js";
import type { CallFollower } from "./attempt.js";
import type { EndpointSet } from "./endpoint-set.js";

/** How polls are sent. */
export interface PollsOptions {
  /** The client's current endpoints. */
  readonly endpoints: () => EndpointSet;
  /** Sends one poll to these endpoints. Calls the follower for it. */
  readonly send: (
    endpoints: EndpointSet,
    spec: RequestSpec,
    signal: AbortSignal,
    follower: CallFollower,
  ) => Promise<RawResponse>;
}

/** A poll that a caller left without an event, and that is older than this, may hang: no new caller joins it. */
const doubtfulMs = 1_000;

/**
 * Sends identical long polls once. A thousand watchers that wait for the same key from the same index share one
 * connection, and all of them get the event at once. Each watcher keeps its own position, so none misses an event or
 * gets it twice.
 */
export class SharedPolls {
  readonly #options: PollsOptions;
  readonly #polls = new Map<string, SharedPoll>();

  constructor(options: PollsOptions) {
    this.#options = options;
  }

  /**
   * Waits for the response of the same poll that is already under way. If there is none, sends one, which ends when
   * `signal` aborts. `spec.onHeaders` is called for every caller; if it throws, only that caller's wait ends.
   */
  join(spec: RequestSpec, signal: AbortSignal): Promise<RawResponse> {
    const name = `${spec.path}?${spec.query ?? ""}`;
    const poll = this.#joinable(name);
    return poll === undefined ? this.#begin(name, spec, signal) : this.#waitFor(poll, name, spec, signal);
  }

  /** The poll of this name, if it was sent to the client's current endpoints. */
  #joinable(name: string): SharedPoll | undefined {
    const poll = this.#polls.get(name);
    return poll?.endpoints === this.#options.endpoints() ? poll : undefined;
  }

  /** Not async, nor is `join`: each such call would keep a quarter of a kilobyte more for each poll. */
  #begin(name: string, spec: RequestSpec, owner: AbortSignal): Promise<RawResponse> {
    const poll = new SharedPoll(this.#polls, name, this.#options, spec, owner);
    if (!poll.isOver) this.#polls.set(name, poll);
    return poll.response;
  }

  /** A loop: calls that wait for each other's promises would add up while a patient caller sees many owners leave. */
  async #waitFor(first: SharedPoll, name: string, spec: RequestSpec, signal: AbortSignal): Promise<RawResponse> {
    for (let poll: SharedPoll | undefined = first; poll !== undefined; poll = this.#joinable(name)) {
      const wait = new GuestWait(poll, spec.onHeaders, signal);
      try {
        return await wait.response;
      } catch (error) {
        if (signal.aborted && performance.now() - poll.sinceMs > doubtfulMs) poll.forget();
        signal.throwIfAborted();
        if (wait.left || !(poll.owner.aborted || poll.ownerLeft)) throw error;
        // not a failure: only the owner has left. A new poll from the same index misses nothing
      }
    }
    return this.#begin(name, spec, signal);
  }
}

/** A poll that one caller has sent, its owner, and that others may wait for, its guests. */
class SharedPoll implements CallFollower {
  readonly response: Promise<RawResponse>;
  /** The signal of the owner. When it aborts the poll ends, and the guests send a new one. */
  readonly owner: AbortSignal;
  /** Whether the owner's `onHeaders` ended the poll: the guests send a new one then, too. */
  ownerLeft = false;
  isOver = false;
  /** The endpoints this poll was sent to. After a failover new callers do not join it: it may hang. */
  readonly endpoints: EndpointSet;
  readonly sinceMs = performance.now();
  /** Status and headers of the response, once a good one has begun. */
  head: ResponseHead | undefined;
  /** The guests, who hear of the headers; made with the first one. */
  guests: Set<(head: ResponseHead) => void> | undefined;
  readonly #polls: Map<string, SharedPoll>;
  readonly #name: string;
  readonly #spec: RequestSpec;

  /** @param polls where new callers find it by its name, unless it is over */
  constructor(
    polls: Map<string, SharedPoll>,
    name: string,
    { endpoints, send }: PollsOptions,
    spec: RequestSpec,
    owner: AbortSignal,
  ) {
    this.#polls = polls;
    this.#name = name;
    this.#spec = spec;
    this.owner = owner;
    this.endpoints = endpoints();
    // last: a transport may call it before it returns
    this.response = send(this.endpoints, spec, owner, this);
  }

  onHeaders(head: ResponseHead, connection?: ConnectionHold): unknown {
    this.#tellGuests(head);
    try {
      return this.#spec.onHeaders?.(head, connection);
    } catch (error) {
      this.ownerLeft = true;
      throw error;
    }
  }

  onOver(): void {
    this.isOver = true;
    this.forget();
  }

  /** From now on no new caller joins it. */
  forget(): void {
    if (this.#polls.get(this.#name) === this) this.#polls.delete(this.#name);
  }

  /** A poll may have several heads: it goes on to the next endpoint when one turns out to belong to another cluster. */
  #tellGuests(head: ResponseHead): void {
    if (head.status >= 300) return;
    this.head = head;
    if (this.guests !== undefined) for (const hear of [...this.guests]) hear(head);
  }
}

/** A caller's wait for a poll that another caller sent. */
class GuestWait {
  readonly response: Promise<RawResponse>;
  /** Whether this caller's own `onHeaders` ended the wait. */
  left = false;

  constructor(poll: SharedPoll, onHeaders: RequestSpec["onHeaders"], signal: AbortSignal) {
    this.response = new Promise((resolve, reject) => {
      let waiting = true;
      const end = (settle: () => void): void => {
        waiting = false;
        poll.guests?.delete(hear);
        off();
        settle();
      };
      const refuse = (reason: unknown): void => {
        end(() => {
          reject(reason);
        });
      };
      const hear = (head: ResponseHead): void => {
        if (!waiting) return;
        try {
          onHeaders?.(head);
        } catch (error) {
          this.left = true;
          refuse(error);
        }
      };
      (poll.guests ??= new Set()).add(hear);
      let off = (): void => undefined;
      off = onAbort(signal, refuse);
      if (poll.head !== undefined) hear(poll.head);
      poll.response.then((raw) => {
        end(() => {
          resolve(raw);
        });
      }, refuse);
    });
  }
}

/** Whether this is a long poll whose path and query say everything that is sent. */
export function isShared({ shared, longPoll, method, headers, body, bytes, limits, onPart }: RequestSpec): boolean {
  const more = headers ?? body ?? bytes ?? limits ?? onPart;
  return shared === true && longPoll === true && method === "GET" && more === undefined;
}
