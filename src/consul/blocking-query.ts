import type { RawResponse, RequestSpec, Sender } from "../http/exchange.js";
import { sleep } from "../util/signals.js";
import { formatDuration } from "./durations.js";
import { refusal, specOf, type Query } from "./request.js";

/** A query that Consul answers when something has changed. */
export interface BlockingOptions {
  readonly path: string;
  readonly query: Query;
  /** How long Consul may wait for a change, in ms. */
  readonly waitMs: number;
  /** How long the first answer, which comes at once, may take, in ms. Absent: the client's limit. */
  readonly firstMs?: number | undefined;
  /** Least time from an answer to the next question, in ms: a large answer that changes often is not read each time. @default 0 */
  readonly everyMs?: number | undefined;
}

/** What Consul adds to the wait, at most a sixteenth of it, and the way there and back. */
const extraMs = 10_000;
/** Two questions that brought nothing new are at least this far apart, in ms. */
const paceMs = 250;

/** Asks again and again, each time for what came after the last answer. Holds nothing between two questions. */
export class BlockingQuery {
  readonly #sender: Sender;
  readonly #options: BlockingOptions;
  /** 0: ask for what there is. */
  #index = 0;
  #notBeforeMs = 0;

  constructor(sender: Sender, options: BlockingOptions) {
    this.#sender = sender;
    this.#options = options;
  }

  /**
   * The next answer; the first, and the first after `reread`, comes at once. It need not differ from the one before.
   * A 404 is an answer: of a key that is not there.
   *
   * @throws {RequestError} for other statuses from 400; the question stands
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

  /** Makes the next answer come at once. */
  reread(): void {
    this.#index = 0;
  }

  /** What is asked, for messages. */
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

  /** Whether the index has moved on. One that went back counts from the start: the servers have lost their state. */
  #advance({ headers }: RawResponse): boolean {
    const told = Number(headers["x-consul-index"] ?? NaN);
    const index = Number.isSafeInteger(told) && told > 0 ? told : 1;
    const before = this.#index;
    this.#index = index < before ? 0 : index;
    return index > before;
  }
}
