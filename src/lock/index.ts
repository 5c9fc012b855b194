/**
 * Fair locks and semaphores, with fencing tokens, on etcd.
 *
 * Guide: [Leadership and locks](../../docs/guides/leadership-and-locks.md).
 *
 * @module etcd2/lock
 */
export { ElectionError, type ElectionErrorCode } from "../election/errors.js";
export type { HeldLock, LockOptions, Locks, Semaphore, SemaphoreOptions } from "../election/locks.js";
export { createLocks, type LocksOptions } from "./create-locks.js";
