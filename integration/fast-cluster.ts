import { startCluster, type Cluster } from "./test-kit/etcd.js";
import { find } from "../scripts/servers/programs.mjs";
import { ClusterError, EndpointError } from "../src/core/index.js";

type Options = Omit<Parameters<typeof startCluster>[0], "bin">;

/** Three members that elect a leader within a second; `await using` ends them. */
export async function fastCluster(options: Options = {}): Promise<Cluster> {
  return startCluster({ bin: find("etcd"), size: 3, heartbeatMs: 20, electionMs: 200, ...options });
}

/** Three members that hold no election merely because a machine stalls. Without a majority, etcd holds a write for 15 s here. */
export async function calmCluster(options: Options = {}): Promise<Cluster> {
  return fastCluster({ heartbeatMs: 100, electionMs: 5_000, ...options });
}

/** The statuses in a `ClusterError`, one per attempt; undefined if there was no response. */
export function statusesIn(error: unknown): readonly (number | undefined)[] {
  if (!(error instanceof ClusterError)) return [];
  return error.errors.map((attempt) => (attempt instanceof EndpointError ? attempt.status : undefined));
}
