import type * as FirstCall from "./first-call.js";
import { ClusterError, EndpointError } from "../util/errors.js";
import { isOutOfDescriptors, lazy } from "../util/lazy.js";
import { plainCause } from "../util/plain-cause.js";

let parts: typeof FirstCall | undefined;

const loading = lazy(async () => (parts = await import("./first-call.js")));

/** What only calls need; undefined until the first call has loaded it. Asked first, since a promise would cost every call time. */
export function loaded(): typeof FirstCall | undefined {
  return parts;
}

/**
 * Loads what only calls need. Without it, importing the package takes half the time.
 *
 * @param endpoint named by the error
 * @throws {ClusterError} the process has no file descriptor left; nothing was sent. The next call tries again
 */
export async function load(endpoint = ""): Promise<typeof FirstCall> {
  try {
    return await loading();
  } catch (error) {
    if (!isOutOfDescriptors(error)) throw error;
    const cause = plainCause(error);
    const message = `a part of etcd2 that the first call needs could not be loaded: ${cause.message}`;
    const fields = { endpoint, outcome: "notApplied" } as const;
    throw new ClusterError("ERR_CLUSTER_UNAVAILABLE", [new EndpointError("ERR_NETWORK", message, fields, { cause })]);
  }
}
