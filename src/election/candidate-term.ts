import { Deadline } from "../util/deadline.js";
import { ElectionError } from "./errors.js";

/** How long a session is safe: `ttlMs` from the moment at which the last successful heartbeat was sent. */
export interface Lease {
  /** By `performance.now()`. */
  sentMs: number;
  ttlMs: number;
}

/** One term of a leader. */
export interface Term {
  /** Its signal is the callback's. */
  readonly deadline: Deadline;
  /** Resolves at the end of the term, to whether the lock was ours until we released it. */
  readonly released: Promise<boolean>;
  /** Settles `released`; only the first call counts. */
  readonly release: (wasOurs: boolean) => void;
}

/** @param endMs when the lease runs out, by `performance.now()` */
export function newTerm(endMs: number): Term {
  const deadline = new Deadline(endMs, () => new ElectionError("ERR_EXPIRED", "no heartbeat succeeded in time"));
  let release: Term["release"] = () => undefined;
  const released = new Promise<boolean>((resolve) => (release = resolve));
  return { deadline, released, release };
}
