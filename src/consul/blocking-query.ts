import type { RawResponse, RequestSpec, Sender } from "../http/exchange.js";
import { sleep } from "../util/signals.js";
import { formatDuration } from "./durations.js";
import { refusal, specOf, type Query } from "./request.js";

/** A query that Consul responds to when something has changed. */
export interface BlockingOptions {
  /** Percent-encoded. */
  readonly path: string;
  readonly query: Query;
  /** How long Consul may wait for a change, in ms. */
  readonly waitMs: number;
  /** Limit for the first response, which comes at once, in ms. @default the client's limit */
  readonly firstMs?: number | undefined;
  /** Least time from a response to the next request, in ms: a large response that changes often is not read each time. @default 0 */
  readonly everyMs?: number | undefined;
}

/** What Consul adds to the wait, at most a sixteenth of it, and the way there and back, in ms. */
const extraMs = 10_000;
/** The shortest time from a request that brought nothing new to the next one, in ms. */
const paceMs = 250;

/**
 * Sends a query again and again, each time for changes after the last response. Holds no resource between two requests.
 */
export class BlockingQuery {
  readonly #sender: Sender;
  readonly #options: BlockingOptions;
  /** The index of the last response. 0: read what there is. */
  #index = 0;
  #notBeforeMs = 0;

  constructor(sender: Sender, options: BlockingOptions) {
    this.#sender = sender;
    this.#options = options;
  }

  /**
   * The next response. The first one, and the first after `reread`, comes at once. It need not differ from the one before.
   * A 404 is a response, too: of a key that does not exist.
   *
   * @throws {RequestError} for other statuses from 400; `next` can be called again
   */
  async next(signal: AbortSignal | undefined): Promise<RawResponse> {
    for (;;) {
      await sleep(Math.max(0, this.#notBeforeMs - performance.now()), signal);
      const spec = this.#spec();
      const sentMs = performance.now();
      const raw = await this.#sender.send(spec, signal);
      if (raw.status >= 400 && raw.status !== 404) throw refusal(spec, raw);
      const isNews = raw.truncated !== true && this.#advance(raw);
      this.#notBeforeMs = isNews ? performance.now() + (this.#options.everyMs ?? 0) : sentMs + paceMs;
      if (raw.truncated !== true) return raw;
    }
  }

  /** Makes the next response come at once. */
  reread(): void {
    this.#index = 0;
  }

  /** The query, for messages. */
  get asked(): RequestSpec {
    return specOf("GET", this.#options.path);
  }

  #spec(): RequestSpec {
    const { path, query, waitMs, firstMs } = this.#options;
    if (this.#index === 0) {
      return {
        ...specOf("GET", path, query),
        ...(firstMs !== undefined && { limits: { headersMs: firstMs, idleMs: firstMs } }),
      };
    }
    const spec = specOf("GET", path, { ...query, index: String(this.#index), wait: formatDuration(waitMs) });
    return { ...spec, longPoll: true, limits: { headersMs: Infinity, idleMs: waitMs + waitMs / 16 + extraMs } };
  }

  /** Whether the index has grown. If it went back, the servers have lost their state: the next request reads again. */
  #advance({ headers }: RawResponse): boolean {
    const sent = Number(headers["x-consul-index"] ?? NaN);
    const index = Number.isSafeInteger(sent) && sent > 0 ? sent : 1;
    const before = this.#index;
    this.#index = index < before ? 0 : index;
    return index > before;
  }
}
