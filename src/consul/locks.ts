import { createLocksOn, type Locks } from "../election/locks.js";
import type { Sender } from "../http/exchange.js";
import { requireFields, type Checks } from "../util/fields.js";
import { keyPath } from "./kv.js";
import { queuedSession } from "./lock-queue.js";
import { requireConsulClient } from "./options.js";
import { sessionLocks } from "./session-lock.js";
import type { ConsulClient } from "./types.js";

/** Options of {@link createConsulLocks}. */
export interface ConsulLocksOptions {
  /** Of the agent. */
  readonly client: ConsulClient;
}

/** How a client's requests about locks are sent: without waiting for a turn, since a late heartbeat costs the lock. */
const sendersAhead = new WeakMap<object, Sender>();

/** Makes the locks of a client be sent ahead of its other requests. */
export function sendLocksAhead(client: ConsulClient, ahead: Sender): void {
  sendersAhead.set(client, ahead);
}

/**
 * Makes locks and semaphores on Consul. Does no I/O.
 *
 * Each waiter and each holder of a lock has an entry below its key, held by a session. The entries are served in the order
 * of their creation.
 *
 * @throws {UsageError} for bad options
 * @example
 * const locks = createConsulLocks({ client: createConsulClient() });
 * await using lock = await locks.acquire("jobs/backup", { ttlMs: 15_000, signal });
 */
export function createConsulLocks(options: ConsulLocksOptions): Locks {
  requireFields("options", options, checks);
  const { client } = options;
  const sender = sendersAhead.get(client) ?? client;
  return createLocksOn((queue) => {
    const provider = sessionLocks(sender, {
      sessionFor: (leadership, id) => queuedSession(sender, leadership, { ...queue, id }),
    });
    return {
      ...provider,
      resolve: (config, what) => {
        const leadership = provider.resolve(config, what);
        // the entries are below it
        keyPath(`${leadership.key}/`);
        return leadership;
      },
    };
  });
}

const checks: Checks<ConsulLocksOptions> = { client: requireConsulClient };
