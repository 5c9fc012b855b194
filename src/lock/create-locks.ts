import type { KeysClient } from "../core/index.js";
import { isEtcdRefusal, resolveForEtcd } from "../election/etcd-keys.js";
import { createLocksOn, type Locks } from "../election/locks.js";
import { requireFields, type Checks } from "../util/fields.js";
import { requireKeysClient } from "../util/validate.js";
import { EtcdQueueLock } from "./etcd-queue-lock.js";

/** Options of {@link createLocks}. */
export interface LocksOptions {
  /**
   * The cluster. With a `Client`, each request about a lock waits for a part of the TTL only, before it goes on to the next
   * endpoint, and reads are by quorum. A `KeysAPI` keeps the limits of its own client.
   */
  readonly client: KeysClient;
}

/**
 * Makes locks and semaphores on etcd. Does no I/O.
 *
 * A lock is a directory: each waiter and each holder has an entry with a TTL in it. The entries are served in the
 * order of their creation.
 *
 * @throws {UsageError} for bad options
 * @example
 * const locks = createLocks({ client });
 * await using lock = await locks.acquire("jobs/backup", { ttlMs: 15_000, signal });
 * while (!lock.signal.aborted) await backUpNext(lock.fencingToken);
 */
export function createLocks(options: LocksOptions): Locks {
  requireFields("options", options, checks);
  const { client } = options;
  return createLocksOn((queue) => ({
    owner: client,
    isRefusal: isEtcdRefusal,
    resolve: (config, what) => resolveForEtcd(client, config, what),
    connect: (leadership) => new EtcdQueueLock(client, leadership, queue),
  }));
}

const checks: Checks<LocksOptions> = { client: requireKeysClient };
