import type { RawResponse, RequestSpec } from "../http/exchange.js";
import { log } from "../util/log.js";
import { decodeLeader, decodeMembers, leaderSpec, listMembersSpec } from "./wire/members.js";
import { clusterIdOf } from "./cluster/cluster-identity.js";
import type { Endpoint } from "./cluster/endpoint.js";
import type { EndpointSet } from "./cluster/endpoint-set.js";
import { syncedEndpoints } from "./cluster/sync.js";

/** What a sync needs of its client. */
export interface SyncingClient {
  /** The endpoints that are in use now. */
  readonly current: () => EndpointSet;
  /** The endpoints that the user configured. */
  readonly configured: () => readonly Endpoint[];
  /** Whether the list is pinned to the leader. */
  readonly pinsLeader: boolean;
  /** Sends to the endpoints in use. */
  readonly send: (spec: RequestSpec) => Promise<RawResponse>;
  /** Sends to a list that is not in use: no pin moves, and no credentials are sent. */
  readonly probe: (set: EndpointSet, spec: RequestSpec) => Promise<RawResponse>;
  /** Ends the sync. */
  readonly signal: AbortSignal | undefined;
}

/** Reads the membership. Resolves to the endpoints to use from now on; undefined if nothing is to change. */
export async function endpointsOfMembers(client: SyncingClient): Promise<EndpointSet | undefined> {
  const { current, probe, signal } = client;
  const configured = client.configured();
  const raw = await client.send(listMembersSpec);
  const next = await syncedEndpoints({
    members: decodeMembers(raw),
    clusterId: clusterIdOf(raw),
    current: current(),
    configured,
    leader: client.pinsLeader ? async (set) => decodeLeader(await probe(set, leaderSpec)) : undefined,
    probe: async (set) => {
      const answer = await probe(set, listMembersSpec);
      decodeMembers(answer);
      return clusterIdOf(answer);
    },
    signal,
  });
  // setEndpoints() was called during the sync: its list stays
  if (next === undefined || client.configured() !== configured) return undefined;
  const labels = next.order().map((endpoint) => endpoint.label);
  log.sync("endpoints are now %s", labels.join(" "));
  return next;
}
