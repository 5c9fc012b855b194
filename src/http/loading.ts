import { isOutOfDescriptors } from "../util/lazy.js";
import { abortable } from "../util/signals.js";
import type { RequestSpec } from "./exchange.js";
import { networkError } from "./network-error.js";

/**
 * Waits for a module that a request needs. A process without a file descriptor left cannot load it: that is a failure like
 * any other of the network, before anything was sent. A module that does not exist is a fault of the installation, and its
 * error is left as it is.
 */
export async function whenLoaded<T>(
  module: Promise<T>,
  url: URL,
  spec: RequestSpec,
  signal: AbortSignal | undefined,
): Promise<T> {
  try {
    return await abortable(module, signal);
  } catch (error) {
    if (signal?.aborted !== true && isOutOfDescriptors(error)) throw networkError(url, spec, error, false);
    throw error;
  }
}
