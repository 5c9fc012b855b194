import { ClusterError, EndpointError, EtcdError, ResponseError } from "../../util/errors.js";
import { log } from "../../util/log.js";
import { throwIfAborted } from "../../util/signals.js";
import { parseEndpoint, type Endpoint } from "./endpoint.js";
import { EndpointSet } from "./endpoint-set.js";
import { shuffled } from "./selection.js";

interface AdvertisedMember {
  readonly clientURLs: readonly string[];
}

export interface SyncInput {
  readonly members: readonly AdvertisedMember[];
  /** The id of the cluster whose members these are; "" if it is not known. */
  readonly clusterId: string;
  readonly current: EndpointSet;
  readonly configured: readonly Endpoint[];
  /** Requests the leader from the given endpoints. Absent: any endpoint may be pinned. */
  readonly leader: ((set: EndpointSet) => Promise<AdvertisedMember>) | undefined;
  /** Requests the members from the given endpoints; resolves to the cluster's id. */
  readonly probe: (set: EndpointSet) => Promise<string>;
  readonly signal: AbortSignal | undefined;
}

/** The endpoints according to the membership: a new set, or undefined if nothing changes. */
export async function syncedEndpoints(input: SyncInput): Promise<EndpointSet | undefined> {
  const { members, current, configured, leader } = input;
  const advertised = usable(members, configured);
  if (advertised.length === 0) throw new ClusterError("ERR_NO_ENDPOINTS");
  const next = current.lists(advertised) ? advertised : await responding(advertised, input);
  if (leader !== undefined) return leaderSet(next, leader, input);
  return next.length === 0 || current.lists(next) ? undefined : shuffled(next, configured);
}

/** Client URLs that can be endpoints. If all configured endpoints are https, http would be a downgrade. */
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

/**
 * The advertised endpoints that respond as this cluster: a member's "localhost" may be another server here, or another
 * cluster's, and a server that appears at a dead address later would get the credentials. A configured endpoint that is
 * silent stays. Empty if not a single one responds.
 */
async function responding(
  advertised: readonly Endpoint[],
  { clusterId, configured, probe, signal }: SyncInput,
): Promise<readonly Endpoint[]> {
  const asked = await Promise.all(
    new EndpointSet(advertised).order().map(async (endpoint) => {
      try {
        const id = await probe(new EndpointSet([endpoint]));
        return { endpoint, is: id === "" || clusterId === "" || id === clusterId ? "member" : "stranger" };
      } catch (error) {
        throwIfAborted(signal);
        if (error instanceof ClusterError) return { endpoint, is: "silent" };
        if (error instanceof EtcdError || error instanceof ResponseError) return { endpoint, is: "stranger" };
        throw error;
      }
    }),
  );
  const isConfigured = (endpoint: Endpoint): boolean => configured.some(({ href }) => href === endpoint.href);
  const kept = asked.filter(({ endpoint, is }) => is === "member" || (is === "silent" && isConfigured(endpoint)));
  for (const { endpoint, is } of asked.filter((each) => !kept.includes(each))) {
    const why = is === "silent" ? "does not respond" : "does not respond as a member of this cluster";
    log.sync("left out %s: it %s", endpoint.label, why);
  }
  if (asked.some(({ is }) => is === "member")) return kept.map(({ endpoint }) => endpoint);
  log.sync("kept the list: none of the advertised endpoints responds");
  return [];
}

/** `list` pinned to the leader. If it is empty or none of it responds, the current list pinned to the leader. */
async function leaderSet(
  list: readonly Endpoint[],
  ask: NonNullable<SyncInput["leader"]>,
  { current, configured, signal }: SyncInput,
): Promise<EndpointSet> {
  const leaderOf = async (set: EndpointSet): Promise<AdvertisedMember> => {
    try {
      return await ask(set);
    } catch (error) {
      throwIfAborted(signal);
      throw asNoLeader(error);
    }
  };
  if (list.length > 0) {
    try {
      return pinLeader(new EndpointSet(list, 0, configured), await leaderOf(new EndpointSet(list)));
    } catch (error) {
      if (signal?.aborted === true || !isUnreachable(error)) throw error;
      log.sync("kept the list: none of the advertised endpoints responds");
    }
  }
  return pinLeader(current, await leaderOf(current));
}

function pinLeader(set: EndpointSet, leader: AdvertisedMember): EndpointSet {
  const endpoints = endpointsOf(leader);
  if (endpoints.length === 0) throw new ClusterError("ERR_NO_LEADER_ENDPOINT");
  const listed = endpoints.find((endpoint) => set.has(endpoint));
  return listed === undefined ? set : set.pinnedTo(listed);
}

/** Whether no endpoint responded, not even with a refusal. */
function isUnreachable(error: unknown): boolean {
  return (
    error instanceof ClusterError &&
    error.errors.length > 0 &&
    error.errors.every((attempt) => attempt instanceof EndpointError && attempt.status === undefined)
  );
}

/** Only for failures of the lookup itself: an abort or a closed client says nothing about the leader. */
function asNoLeader(error: unknown): unknown {
  if (error instanceof ClusterError && error.code === "ERR_CLUSTER_UNAVAILABLE")
    return new ClusterError("ERR_NO_LEADER_ENDPOINT", error.errors);
  return error instanceof EtcdError || error instanceof ResponseError
    ? new ClusterError("ERR_NO_LEADER_ENDPOINT", [error])
    : error;
}
