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
