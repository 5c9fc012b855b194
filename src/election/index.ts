/**
 * One leader at a time, with fencing tokens, on etcd.
 *
 * Guide: [Leadership and locks](../../docs/guides/leadership-and-locks.md).
 *
 * @module etcd2/election
 */
export { createCandidate } from "./candidate.js";
export { ElectionError, type ElectionErrorCode } from "./errors.js";
export { createEtcdCandidate, type EtcdCandidate, type EtcdCandidateOptions } from "./etcd-lock.js";
export { requestMs, resolveLeadership, type LockLimits } from "./lock-config.js";
export type {
  AsLeader,
  Candidate,
  Hold,
  LeaderContext,
  LeaderEntry,
  Leadership,
  LeadershipChange,
  LeadershipConfig,
  LeaderSession,
  Lock,
  LockProvider,
  LockSession,
  OnFailure,
  SignalOptions,
} from "./lock.js";
export { observe } from "./observe.js";
