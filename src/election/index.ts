export { createCandidate } from "./candidate.js";
export { ElectionError, type ElectionErrorCode } from "./errors.js";
export { createEtcdCandidate, type EtcdCandidate, type EtcdCandidateOptions } from "./etcd-lock.js";
export {
  requestMs,
  resolveLeadership,
  type AsLeader,
  type Candidate,
  type Hold,
  type LeaderContext,
  type LeaderEntry,
  type Leadership,
  type LeadershipChange,
  type LeadershipConfig,
  type LeaderSession,
  type Lock,
  type LockLimits,
  type LockProvider,
  type LockSession,
  type SignalOptions,
} from "./lock.js";
export { observe } from "./observe.js";
