import { SdkError } from "../util/errors.js";
import { plainCause } from "../util/plain-cause.js";

/**
 * `ERR_LOST`: the backend says that the lock, or the session it hangs on, is ours no more; `ERR_EXPIRED`: no beat got
 * through in time, so that it may be somebody else's by now; `ERR_RESIGNED`: it was given up, by `abdicate()` or
 * `close()`; `ERR_FINISHED`: the callback has ended, and the term with it; `ERR_TIMEOUT`: a backend took too long;
 * `ERR_CALLBACK`: the callback threw something that is no error.
 */
export type ElectionErrorCode =
  "ERR_LOST" | "ERR_EXPIRED" | "ERR_RESIGNED" | "ERR_FINISHED" | "ERR_TIMEOUT" | "ERR_CALLBACK";

/** Why a term ended (the reason of its signal), or a step of an election failed. */
export class ElectionError extends SdkError {
  static {
    Object.defineProperty(this.prototype, "name", { value: "ElectionError", configurable: true, writable: true });
  }
  readonly code: ElectionErrorCode;

  constructor(code: ElectionErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

/** Whether a backend said that the lock, or the session it hangs on, is gone: what a `LockSession` rejects with then. */
export function isLost(error: unknown): error is ElectionError {
  return error instanceof ElectionError && error.code === "ERR_LOST";
}

/** What was thrown, as an error. */
export function asError(thrown: unknown): Error {
  return thrown instanceof Error
    ? thrown
    : new ElectionError("ERR_CALLBACK", "the callback threw something that is no error", { cause: plainCause(thrown) });
}

/** Why a term ends that was given up on purpose. */
export function resigned(): ElectionError {
  return new ElectionError("ERR_RESIGNED", "the leadership was given up");
}
