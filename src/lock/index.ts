export { ElectionError, type ElectionErrorCode } from "../election/errors.js";
export type { HeldLock, LockOptions, Locks, Semaphore, SemaphoreOptions } from "../election/locks.js";
export { createLocks, type LocksOptions } from "./create-locks.js";
