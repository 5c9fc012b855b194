import { randomBytes } from "node:crypto";
import { after, before } from "node:test";
import { findEtcd, startCluster, type Cluster } from "../scripts/servers/etcd.mjs";
import { endpointsFromEnv } from "../scripts/servers/probe.mjs";
import { Client, ClusterError, EndpointError, KeysAPI } from "../src/core/index.js";

/** What the tests of one file share: a cluster, its client, and a directory that no other file uses. */
export interface SharedCluster {
  readonly endpoints: readonly string[];
  readonly client: Client;
  readonly keys: KeysAPI;
  /** The directory, which is removed at the end. */
  readonly dir: string;
}

/**
 * A cluster for the tests of the calling file, from its first test to its last: the one that `ETCD_ENDPOINTS` names, else a
 * member of its own. Must be called once, before any test.
 */
export function clusterForTests(file: string): SharedCluster {
  let own: Cluster | undefined;
  let shared: SharedCluster | undefined;
  before(async () => {
    const named = endpointsFromEnv();
    if (named.length === 0) own = await ownMember();
    const endpoints = own?.endpoints ?? named;
    const client = new Client({ endpoints });
    shared = { endpoints, client, keys: new KeysAPI(client), dir: `/test-${file}-${randomBytes(4).toString("hex")}` };
  });
  after(async () => {
    if (own === undefined) await shared?.keys.delete(shared.dir, { recursive: true }).catch(() => undefined);
    await shared?.client.close();
    await own?.stop();
  });
  const ready = (): SharedCluster => {
    if (shared === undefined) throw new Error("the cluster is there only while tests run");
    return shared;
  };
  return {
    get endpoints() {
      return ready().endpoints;
    },
    get client() {
      return ready().client;
    },
    get keys() {
      return ready().keys;
    },
    get dir() {
      return ready().dir;
    },
  };
}

/** A single member that the test may do anything to; `await using` ends it. */
export async function ownMember(
  options: { readonly enableV2?: boolean; readonly args?: readonly string[] } = {},
): Promise<Cluster> {
  // alone it elects itself: a longer timeout would only make each start longer
  return startCluster({ bin: await findEtcd(), heartbeatMs: 20, electionMs: 200, ...options });
}

/** Gives a directory a new TTL if the server can: 3.5 returns 500 "Not a file" and changes nothing. */
export async function renewDirectory(keys: KeysAPI, key: string, ttl: number): Promise<void> {
  try {
    await keys.update(key, "", { dir: true, ttl });
  } catch (error) {
    if (
      !(error instanceof ClusterError) ||
      !error.errors.every((each) => each instanceof EndpointError && each.errorCode === 300)
    )
      throw error;
  }
}
