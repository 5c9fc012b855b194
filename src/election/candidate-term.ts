import { Deadline } from "../util/deadline.js";
import { deferred } from "../util/deferred.js";
import { ElectionError } from "./errors.js";

/** One term of a leader. */
export interface Term {
  /** Its signal is the one that the callback gets. */
  readonly deadline: Deadline;
  /** Resolves at the end of the term, to whether the lock was ours until we released it. */
  readonly released: Promise<boolean>;
  /** Settles `released`; only the first call counts. */
  readonly release: (wasOurs: boolean) => void;
}

/** @param endMs until when the lock is ours without another heartbeat, by `performance.now()` */
export function newTerm(endMs: number): Term {
  const { promise, resolve } = deferred<boolean>();
  const deadline = new Deadline(endMs, () => new ElectionError("ERR_EXPIRED", "no heartbeat succeeded in time"));
  return { deadline, released: promise, release: resolve };
}
