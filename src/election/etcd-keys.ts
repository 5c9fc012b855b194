import { EtcdError, keysOf, ResponseError, type KeysAPI, type KeysClient, type Sender } from "../core/index.js";
import { maxTimerMs } from "../util/signals.js";
import { isTransient } from "../util/transient.js";
import { keyPath } from "./etcd-entry.js";
import { requestMs, resolveLeadership } from "./lock-config.js";
import type { Leadership, LeadershipConfig } from "./lock.js";

const limits = { minTtlMs: 1, maxTtlMs: maxTimerMs, maxLockDelayMs: maxTimerMs } as const;

/** Checks a config for etcd, and adds the defaults. @throws {UsageError} */
export function resolveForEtcd(client: KeysClient, config: LeadershipConfig, what?: string): Leadership {
  const leadership = resolveLeadership(config, limits, what);
  // checks the key
  keysOf(client).watcher(keyPath(leadership.key));
  // etcd counts whole seconds
  return { ...leadership, ttlMs: Math.ceil(leadership.ttlMs / 1_000) * 1_000 };
}

/**
 * The keys of a client, for one lock.
 *
 * A frozen member does not respond: requests wait for a part of the TTL only, and go on to the next endpoint, as a silent
 * watch does. Tighter limits of the client, or of a given `KeysAPI`, still hold.
 */
export function lockKeys(client: KeysClient, ttlMs: number): KeysAPI {
  return keysOf(client).wrapped((sender) => withRequestLimit(sender, ttlMs));
}

/** Whether etcd refused, so that another attempt would not help. */
export function isEtcdRefusal(error: unknown): boolean {
  return (error instanceof EtcdError || error instanceof ResponseError) && !isTransient(error);
}

function withRequestLimit(client: Sender, ttlMs: number): Sender {
  const ms = requestMs(ttlMs);
  return {
    quorumReads: true,
    send: (spec, signal) =>
      client.send({ ...spec, limits: { headersMs: ms, idleMs: spec.longPoll === true ? ttlMs : ms } }, signal),
  };
}
