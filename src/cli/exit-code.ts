import { ClusterError, UsageError } from "../core/index.js";
import { BadUsage, Interrupted } from "./io.js";

/** What the process exits with after an error. */
export function exitCodeOf(error: unknown): number {
  if (error instanceof Interrupted) return error.exitCode;
  if (error instanceof BadUsage || (error instanceof UsageError && error.code === "ERR_ARGUMENT")) return 2;
  if (error instanceof ClusterError) return 3;
  return 1;
}
