import { ClusterError, EndpointError, ResponseError } from "../../util/errors.js";

/** Those failures of a call after which it may have been applied. */
export function unknownOf(errors: readonly unknown[]): readonly EndpointError[] {
  return errors.filter((error) => error instanceof EndpointError).filter(({ outcome }) => outcome === "unknown");
}

/**
 * The error of a call whose last attempt failed with `error`. What that says of the outcome holds for the last attempt alone: if
 * an earlier one may have been applied, so may the call.
 *
 * @param earlier the failures of earlier attempts that may have been applied
 */
export function errorAfter(earlier: readonly EndpointError[], error: unknown): unknown {
  if (earlier.length === 0) return error;
  if (error instanceof ClusterError && error.outcome === "notApplied")
    return new ClusterError(error.code, [...earlier, ...error.errors]);
  if (error instanceof ResponseError && error.outcome === "notApplied") {
    const { code, message, status, retryAfterMs } = error;
    return new ResponseError(code, message, { status, outcome: "unknown", retryAfterMs });
  }
  return error;
}
