import type { Administered } from "../core/keys-store.js";
import type { EtcdVersion } from "../server/messages.js";
import type { MemberStore } from "./member-store.js";
import { AdminError } from "./refusal.js";
import type { Store } from "./store.js";

const versions = { "3.3": "3.3.25", "3.4": "3.4.23", "3.5": "3.5.16" } as const;

export function versionOf(version: EtcdVersion): object {
  return { etcdserver: versions[version], etcdcluster: `${version}.0` };
}

/** A member that knows a leader checks that the cluster still commits entries. */
export async function healthOf(store: MemberStore): Promise<Administered> {
  const { cluster, replica, options } = store;
  const withReason = options.version === "3.5";
  if (cluster.leaderOf(replica) === undefined)
    return { status: 503, json: { health: "false", reason: withReason ? "RAFT NO LEADER" : undefined } };
  const done = await store.propose(() => undefinedResult);
  return done === undefined
    ? { status: 503, json: { health: "false", reason: withReason ? "QGET ERROR" : undefined } }
    : { status: 200, json: { health: "true", reason: withReason ? "" : undefined } };
}

/** What a proposal without an effect leads to. */
const undefinedResult = { action: "get", path: "/", index: 0, node: {} } as const;

export function selfStats({ cluster, replica }: MemberStore): object {
  const { name, id } = replica.identity;
  const leader = cluster.leaderOf(replica);
  return {
    name,
    id,
    state: leader === replica ? "StateLeader" : "StateFollower",
    startTime: cluster.startTime,
    leaderInfo: {
      leader: leader?.identity.id ?? "",
      uptime: `${String((cluster.clock.now() - Date.parse(cluster.startTime)) / 1000)}s`,
      startTime: cluster.startTime,
    },
    recvAppendRequestCnt: 0,
    sendAppendRequestCnt: 0,
  };
}

/** Only the leader has any. */
export function leaderStats({ cluster, replica }: MemberStore): object {
  if (cluster.leaderOf(replica) !== replica) throw new AdminError(403, "not current leader");
  const followers = cluster.voters.filter((voter) => voter !== replica && voter.connected);
  return {
    leader: replica.identity.id,
    followers: Object.fromEntries(followers.map(({ identity }) => [identity.id, followerStats])),
  };
}

const followerStats = {
  latency: { current: 0, average: 0, standardDeviation: 0, minimum: 0, maximum: 0 },
  counts: { fail: 0, success: 0 },
};

export function storeStats(store: Store): object {
  return { ...store.counters, watchers: store.hub.count };
}
