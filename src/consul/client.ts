import { createCandidate } from "../election/candidate.js";
import type { Candidate, LeaderSession } from "../election/lock.js";
import { agentCalls } from "./agent.js";
import { catalogCalls } from "./catalog.js";
import { Connection } from "./connection.js";
import { kvCalls } from "./kv.js";
import { sendLocksAhead } from "./locks.js";
import { resolveOptions, type ConsulOptions, type Logger } from "./options.js";
import { sessionCalls } from "./session.js";
import { sessionLocks } from "./session-lock.js";
import type { ConsulClient } from "./types.js";

/**
 * Makes a client of one Consul agent, with leader election. Does no I/O.
 *
 * @throws {UsageError} for a bad option
 *
 * @example
 * const consul = createConsulClient({ address: "http://localhost:8500" });
 * await consul.put("config/greeting", "hello");
 * console.log(await consul.get("config/greeting"));
 */
export function createConsulClient(options: ConsulOptions = {}): ConsulClient {
  const resolved = resolveOptions(options);
  const connection = new Connection(resolved);
  const candidate = createCandidate(sessionLocks(connection.ahead));
  const client = Object.freeze({
    ...agentCalls(connection),
    ...catalogCalls(connection),
    ...kvCalls(connection),
    ...sessionCalls(connection),
    // without a logger nothing reads the changes: the election itself warns if it makes no progress
    ...(options.logger === undefined ? candidate : logged(candidate, connection.logger)),
    send: connection.send.bind(connection),
    close: connection.close.bind(connection),
    [Symbol.asyncDispose]: connection.close.bind(connection),
  });
  sendLocksAhead(client, connection.ahead);
  return client;
}

/** Logs what happens in the sessions of a candidate. */
function logged(candidate: Candidate, logger: Logger): Candidate {
  return {
    run: (config, work, options) => candidate.run(config, work, options),
    participate: async (config, asLeader, options) => {
      const session = await candidate.participate(config, asLeader, options);
      void logChanges(session, config.key, logger);
      return session;
    },
  };
}

/** Ends with the session. Never rejects. */
async function logChanges(session: LeaderSession, key: string, logger: Logger): Promise<void> {
  for await (const { type, error } of session.changes())
    logger(`election: ${type}`, { key, ...(error !== undefined && { error }) });
}
