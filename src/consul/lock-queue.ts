import {
  QueuedSession,
  queueValue,
  readQueueValue,
  type QueueEntry,
  type QueueReader,
} from "../election/lock-queue.js";
import type { Leadership, LockSession } from "../election/lock.js";
import type { QueueOptions } from "../election/locks.js";
import type { RawResponse, Sender } from "../http/exchange.js";
import type { BlockingQuery } from "./blocking-query.js";
import { decodeList } from "./decode.js";
import { keyPath, readEntry } from "./kv.js";
import { followQuery, KeyRequests } from "./lock-requests.js";
import { ConsulLockSession } from "./lock-session.js";
import { textOf } from "./text.js";
import type { SessionId } from "./types.js";

/** The claim of a session on a lock with a queue: an entry below the key of the lock, which the session holds. */
export function queuedSession(
  sender: Sender,
  leadership: Leadership,
  { id, ...options }: QueueOptions & { readonly id: SessionId },
): LockSession {
  const { key, contactInfo } = leadership;
  const value = queueValue(id, contactInfo, options.limit);
  const requests = new KeyRequests(sender, { ...leadership, key: `${key}/${id}` }, value);
  const entry = new ConsulLockSession({ requests, id, isEntry: true });
  return new QueuedSession({ ...options, entry, queue: new ConsulQueue(sender, leadership), key });
}

class ConsulQueue implements QueueReader {
  readonly #sender: Sender;
  readonly #leadership: Leadership;

  constructor(sender: Sender, leadership: Leadership) {
    this.#sender = sender;
    this.#leadership = leadership;
  }

  entries(signal: AbortSignal): Promise<readonly QueueEntry[]> {
    return this.follow()(signal);
  }

  follow(): (signal: AbortSignal) => Promise<readonly QueueEntry[]> {
    const path = keyPath(`${this.#leadership.key}/`);
    const query = followQuery(this.#sender, this.#leadership, path, { recurse: "true" });
    return async (signal) => entriesOf(query, await query.next(signal));
  }

  /** Not needed: Consul has its own lock-delay. */
  holdOffMs(): number {
    return 0;
  }

  /** Consul has no directories. */
  tidy(): Promise<void> {
    return Promise.resolve();
  }
}

function entriesOf({ asked }: BlockingQuery, raw: RawResponse): readonly QueueEntry[] {
  if (raw.status === 404) return [];
  return decodeList(asked, raw, readEntry).flatMap(({ session, value, createIndex: index }) => {
    const entry = readQueueValue(textOf(value) ?? "");
    // an entry counts as long as its session holds it
    return entry?.id === session ? [{ ...entry, index }] : [];
  });
}
