import { ClusterError, EndpointError, EtcdError, ResponseError } from "../errors.js";
import type { RawResponse } from "../http/exchange.js";
import { log } from "../util/log.js";
import { parseEndpoint, type Endpoint } from "./endpoint.js";
import { EndpointSet } from "./endpoint-set.js";
import { shuffled } from "./selection.js";

interface AdvertisedMember {
  readonly clientURLs: readonly string[];
}

export interface SyncInput {
  readonly members: readonly AdvertisedMember[];
  readonly current: EndpointSet;
  readonly configured: readonly Endpoint[];
  /** Asks those endpoints for the leader; absent when any endpoint is as good as another. */
  readonly leader: ((set: EndpointSet) => Promise<AdvertisedMember>) | undefined;
  /** Resolves if any of those endpoints answers. */
  readonly probe: (set: EndpointSet) => Promise<RawResponse>;
}

/** What the membership makes of the endpoints: a new set, or undefined when all stays as it is. */
export async function syncedEndpoints({ members, current, configured, leader, probe }: SyncInput): Promise<EndpointSet | undefined> {
  const advertised = usable(members, configured);
  if (advertised.length === 0) throw new ClusterError("ERR_NO_ENDPOINTS");
  if (leader !== undefined) return leaderSet(advertised, configured, current, leader);
  if (current.lists(advertised)) return undefined;
  const next = shuffled(advertised, configured);
  return (await answers(new EndpointSet(advertised), probe)) ? next : undefined;
}

/** Client URLs that can be endpoints; when all that is configured is https, http would be a downgrade. */
function usable(members: readonly AdvertisedMember[], configured: readonly Endpoint[]): readonly Endpoint[] {
  const secureOnly = configured.every((endpoint) => endpoint.secure);
  return members
    .flatMap((member) => endpointsOf(member))
    .filter((endpoint) => {
      const fits = endpoint.secure || !secureOnly;
      if (!fits) log.sync("left out %s: the configured endpoints are https", endpoint.label);
      return fits;
    });
}

function endpointsOf({ clientURLs }: AdvertisedMember): readonly Endpoint[] {
  return clientURLs.flatMap((text) => {
    try {
      return [parseEndpoint(text)];
    } catch (error) {
      log.sync("left out: %s", (error as Error).message);
      return [];
    }
  });
}

/** The advertised list in its own order, pinned to the leader; where nobody on it answers, the current one pinned instead. */
async function leaderSet(
  advertised: readonly Endpoint[],
  configured: readonly Endpoint[],
  current: EndpointSet,
  ask: (set: EndpointSet) => Promise<AdvertisedMember>,
): Promise<EndpointSet> {
  try {
    return pinLeader(new EndpointSet(advertised, 0, configured), await ask(new EndpointSet(advertised)));
  } catch (error) {
    if (!isUnreachable(error)) throw asNoLeader(error);
    log.sync("kept the list: none of the advertised endpoints answers");
    return pinLeader(current, await ask(current).catch((again: unknown) => Promise.reject(asNoLeader(again))));
  }
}

function pinLeader(set: EndpointSet, leader: AdvertisedMember): EndpointSet {
  const endpoints = endpointsOf(leader);
  if (endpoints.length === 0) throw new ClusterError("ERR_NO_LEADER_ENDPOINT");
  const listed = endpoints.find((endpoint) => set.has(endpoint));
  return listed === undefined ? set : set.pinnedTo(listed);
}

async function answers(set: EndpointSet, probe: SyncInput["probe"]): Promise<boolean> {
  try {
    await probe(set);
    return true;
  } catch (error) {
    if (!isUnreachable(error)) throw error;
    log.sync("kept the list: none of the advertised endpoints answers");
    return false;
  }
}

/** Whether nobody answered, not even with a refusal. */
function isUnreachable(error: unknown): boolean {
  return error instanceof ClusterError && error.errors.every((attempt) => attempt instanceof EndpointError && attempt.status === undefined);
}

/** Only failures of the look-up itself: an abort, or a closed client, is no word on the leader. */
function asNoLeader(error: unknown): unknown {
  if (error instanceof ClusterError && error.code === "ERR_CLUSTER_UNAVAILABLE") return new ClusterError("ERR_NO_LEADER_ENDPOINT", error.errors);
  return error instanceof EtcdError || error instanceof ResponseError ? new ClusterError("ERR_NO_LEADER_ENDPOINT", [error]) : error;
}
