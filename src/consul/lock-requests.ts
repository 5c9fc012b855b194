import { requestMs } from "../election/lock-config.js";
import type { Leadership } from "../election/lock.js";
import type { RawResponse, RequestSpec, Sender } from "../http/exchange.js";
import { BlockingQuery } from "./blocking-query.js";
import { goString } from "../util/go-string.js";
import { flag } from "../util/reader.js";
import { decode, decodeList } from "./decode.js";
import { keyPath, readEntry, type KVEntry } from "./kv.js";
import { request, specOf, type Query } from "./request.js";
import { destroySessionSpec } from "./session.js";
import type { SessionId } from "./types.js";

/** How long a blocking query waits at most, in ms. It takes that long to notice a dead connection. */
const maxWaitMs = 60_000;

/** The requests about the key of one lock. Each ends early enough for several attempts within the TTL. */
export class KeyRequests {
  readonly leadership: Leadership;
  readonly #sender: Sender;
  readonly #path: string;
  readonly #body: string;
  readonly #limitMs: number;

  /** @param body the value of the key; the contact info by default, as Go writes it */
  constructor(sender: Sender, leadership: Leadership, body: string = goString(leadership.contactInfo)) {
    this.leadership = leadership;
    this.#sender = sender;
    this.#path = keyPath(leadership.key);
    this.#body = body;
    this.#limitMs = requestMs(leadership.ttlMs);
  }

  /** Sends a request. Rejects if it takes too long. */
  send(spec: RequestSpec, signal: AbortSignal | undefined): Promise<RawResponse> {
    return request(this.#sender, { ...spec, limits: { headersMs: this.#limitMs, idleMs: this.#limitMs } }, signal);
  }

  /** Acquires or releases. Resolves to whether it was done. Readers written in Go expect the same body with both. */
  async write(query: Query, signal: AbortSignal | undefined): Promise<boolean> {
    const spec: RequestSpec = {
      ...specOf("PUT", this.#path, { dc: this.leadership.dc, ...query }),
      headers: { "content-type": "application/json" },
      body: this.#body,
    };
    const raw = await this.send(spec, signal);
    return decode(spec, raw, flag) ?? false;
  }

  /** Removes the key, also if another session holds it. */
  async remove(signal: AbortSignal): Promise<void> {
    await this.send(specOf("DELETE", this.#path, { dc: this.leadership.dc }), signal);
  }

  /** The entry of the key, never stale; undefined if there is none. */
  async read(signal: AbortSignal | undefined): Promise<KVEntry | undefined> {
    const query = this.query();
    return readFirst(query.asked, await query.next(signal));
  }

  /** Follows the key. */
  query(): BlockingQuery {
    return followQuery(this.#sender, this.leadership, this.#path);
  }

  /** Ends a session. Succeeds if there is none. */
  async destroy(id: SessionId, signal: AbortSignal | undefined): Promise<void> {
    await this.send(destroySessionSpec(id, this.leadership.dc), signal);
  }
}

/** A query that follows what is at a path. */
export function followQuery(sender: Sender, { ttlMs, dc }: Leadership, path: string, query: Query = {}): BlockingQuery {
  return new BlockingQuery(sender, {
    path,
    query: { dc, consistent: "true", ...query },
    waitMs: Math.min(ttlMs / 2, maxWaitMs),
    firstMs: requestMs(ttlMs),
  });
}

/** The first entry of a response; undefined if there is none. */
export function readFirst(spec: RequestSpec, raw: RawResponse): KVEntry | undefined {
  return raw.status === 404 ? undefined : decodeList(spec, raw, readEntry)[0];
}
