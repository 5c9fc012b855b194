import { brandError } from "../util/brand.js";
import { asErrorLike } from "../util/error-like.js";
import { SdkError, UsageError } from "../util/errors.js";
import { plainCause } from "../util/plain-cause.js";
import { isProgramError } from "../util/program-error.js";

/**
 * - `ERR_LOST`: the backend reports that the lock, or the session it belongs to, is no longer ours
 * - `ERR_EXPIRED`: no heartbeat succeeded in time, so that another process may hold the lock by now
 * - `ERR_RESIGNED`: it was released on purpose, by `abdicate()`, `release()` or `close()`
 * - `ERR_FINISHED`: the callback has ended, and the term with it
 * - `ERR_TIMEOUT`: the backend took too long
 * - `ERR_DIRECTORY`: the key is a directory of etcd, so that it cannot be a lock
 * - `ERR_CALLBACK`: the callback threw something that is not an error
 */
export type ElectionErrorCode =
  "ERR_LOST" | "ERR_EXPIRED" | "ERR_RESIGNED" | "ERR_FINISHED" | "ERR_TIMEOUT" | "ERR_DIRECTORY" | "ERR_CALLBACK";

/** Why a term ended (the reason of its signal), or why a step of an election failed. */
export class ElectionError extends SdkError {
  static {
    brandError(this, "ElectionError");
  }
  /** What happened. */
  readonly code: ElectionErrorCode;

  constructor(code: ElectionErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

/** Whether a backend reports that the lock, or the session it belongs to, is gone: what a `LockSession` rejects with then. */
export function isLost(error: unknown): error is ElectionError {
  return error instanceof ElectionError && error.code === "ERR_LOST";
}

/** Whether trying again is pointless: bad arguments, a closed client, an error of the program. */
export function isFinal(error: unknown): boolean {
  return error instanceof UsageError || isProgramError(error);
}

/**
 * Ends an attempt to take a lock that another process has, if the caller does not want to wait. Never reaches a user.
 */
export class TakenError extends Error {
  override readonly name = "TakenError";
}

/** Whether a lock was not taken because another process has it. */
export function isTaken(error: unknown): boolean {
  return error instanceof TakenError;
}

/** What was thrown, as an error. */
export function asError(thrown: unknown): Error {
  return isError(thrown)
    ? thrown
    : new ElectionError("ERR_CALLBACK", "the callback threw something that is not an error", {
        cause: plainCause(thrown),
      });
}

/** Whether a value is an error of any realm or library. */
export function isError(value: unknown): value is Error {
  return asErrorLike(value) !== undefined;
}

/** The reason of a term whose lock was released on purpose. */
export function resigned(): ElectionError {
  return new ElectionError("ERR_RESIGNED", "the lock was released");
}

/** The reason of a session that has ended at the server. */
export function lost(why: string): ElectionError {
  return new ElectionError("ERR_LOST", why);
}
