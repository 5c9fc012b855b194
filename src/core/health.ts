import type { Sender } from "../http/exchange.js";
import { ClusterError, ResponseError } from "../util/errors.js";
import { requireFields, type Checks } from "../util/fields.js";
import { throwIfAborted } from "../util/signals.js";
import { requireSignal } from "../util/validate.js";
import { decodeHealth, healthSpec } from "./wire/health.js";

/** What `Client.health` takes. */
export interface HealthOptions {
  /** Ends the call. */
  readonly signal?: AbortSignal | undefined;
}

/** The health of one endpoint. */
export interface EndpointHealth {
  /** As in `Client.endpoints`. */
  readonly endpoint: string;
  /** Whether the member behind it can write: it has a leader, and no alarm. False if it does not respond as etcd. */
  readonly healthy: boolean;
  /** Why it is not healthy, as the member reports it. "" for a healthy one, and for servers before 3.4. */
  readonly reason: string;
  /** How long the response took, in ms; if none came, how long the call waited for it. */
  readonly latencyMs: number;
  /** Why there is no report of the member: there was no response, or not etcd's. Absent if there is one. */
  readonly error?: ClusterError | ResponseError;
}

/** Asks all endpoints at the same time. Rejects only with the signal's reason and with a UsageError. */
export async function healthOf(
  sender: Sender,
  endpoints: readonly string[],
  options: HealthOptions,
): Promise<readonly EndpointHealth[]> {
  requireFields("options", options, checks);
  const { signal } = options;
  throwIfAborted(signal);
  return Promise.all(
    endpoints.map(async (endpoint) => {
      const sentMs = performance.now();
      const health = await reportOf(sender, endpoint, signal);
      return { endpoint, ...health, latencyMs: performance.now() - sentMs };
    }),
  );
}

async function reportOf(
  sender: Sender,
  endpoint: string,
  signal: AbortSignal | undefined,
): Promise<Pick<EndpointHealth, "healthy" | "reason" | "error">> {
  try {
    return decodeHealth(await sender.send({ ...healthSpec, endpoint }, signal));
  } catch (error) {
    if (error instanceof ClusterError || error instanceof ResponseError) return { healthy: false, reason: "", error };
    throw error;
  }
}

const checks: Checks<HealthOptions> = { signal: requireSignal };
