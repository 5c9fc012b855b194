/**
 * A Consul client, and the agent, elections and locks on it.
 *
 * Guide: [Consul](../../docs/guides/consul.md).
 *
 * @module etcd2/consul
 */
export { createConsulClient } from "./client.js";
export { createConsulAgent, type ConsulAgentOptions } from "./consul-agent.js";
export type { TtlCheck } from "./consul-registration.js";
export { formatDuration, parseDuration } from "./durations.js";
export {
  ConsulError,
  NotFoundError,
  RequestError,
  type CalledAs,
  type ConsulErrorCode,
  type RequestErrorFields,
} from "./errors.js";
export { createConsulLocks, type ConsulLocksOptions } from "./locks.js";
export type { ConsulOptions, Logger } from "./options.js";
export {
  SESSION_DELETE,
  SESSION_MAXIMUM_LOCK_DELAY_MS,
  SESSION_MAXIMUM_TTL_MS,
  SESSION_MINIMUM_LOCK_DELAY_MS,
  SESSION_MINIMUM_TTL_MS,
  SESSION_RELEASE,
  type Agent,
  type AgentInfo,
  type Catalog,
  type ConsulClient,
  type KV,
  type MembersOptions,
  type Node,
  type NodeInfo,
  type NodeService,
  type RequestOptions,
  type ServiceInstance,
  type ServiceOptions,
  type Session,
  type SessionConfig,
  type SessionId,
  type SessionTerminationBehavior,
} from "./types.js";
export { ElectionError, type ElectionErrorCode } from "../election/lock.js";
export type {
  AsLeader,
  Candidate,
  LeaderContext,
  LeaderEntry,
  LeadershipChange,
  LeadershipConfig,
  LeaderSession,
  SignalOptions,
} from "../election/lock.js";
export type { HeldLock, LockOptions, Locks, Semaphore, SemaphoreOptions } from "../election/locks.js";
