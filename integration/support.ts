import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { after, before } from "node:test";
import { SuiteServer } from "../src/test-kit/suite-server.js";
import { startCluster, type Cluster } from "./test-kit/etcd.js";
import { find } from "../scripts/servers/programs.mjs";
import { endpointsFromEnv } from "../scripts/servers/probe.mjs";
import { findEtcdWithV3 } from "../scripts/servers/programs.mjs";
import {
  Client,
  ClusterError,
  EndpointError,
  EtcdError,
  EtcdErrorCode,
  KeysAPI,
  type ClientOptions,
  type GetOptions,
} from "../src/core/index.js";

/** Whether the tests run over `v3Protocol()`, on members without the v2 API: their clients then speak v3 by default. */
export const isOverV3 = process.env["ETCD2_TEST_PROTOCOL"] === "v3";

/** How many members the cluster of a test file has. `ETCD2_TEST_MEMBERS` sets it; tests that harm members start their own. */
export const memberCount = Number(process.env["ETCD2_TEST_MEMBERS"] ?? 1);

/** Of several members one may lag behind: a plain read may not see what another client has just written. */
function sharedClient(endpoints: readonly string[], options: Partial<ClientOptions> = {}): Client {
  return new Client({ endpoints, quorumReads: memberCount > 1, ...options });
}

/** A cluster for all tests of a suite, which harm no member. */
export function etcdOfSuite(): SuiteServer<Cluster, Client> {
  return new SuiteServer(
    () => unharmedCluster(),
    ({ endpoints }) => sharedClient(endpoints),
  );
}

/** What the tests of one file share: a cluster, its client, and a directory that no other file uses. */
export interface SharedCluster {
  readonly endpoints: readonly string[];
  readonly client: Client;
  readonly keys: KeysAPI;
  /** The directory, which is removed at the end. */
  readonly dir: string;
}

/**
 * A cluster for the tests of the calling file, from its first test to its last: the one that `ETCD_ENDPOINTS` names, else
 * one of its own. Must be called once, before any test.
 *
 * @param v3 whether tests speak v3, too: then it is not an etcd 3.3. @default false
 */
export function clusterForTests(file: string, { v3 = false }: { readonly v3?: boolean } = {}): SharedCluster {
  let own: Cluster | undefined;
  let shared: SharedCluster | undefined;
  before(async () => {
    const given = endpointsFromEnv();
    const named = v3 && !(await haveV3(given)) ? [] : given;
    if (named.length === 0) own = await unharmedCluster(v3 ? { bin: findEtcdWithV3() } : {});
    const endpoints = own?.endpoints ?? named;
    // tests that are about a timeout have clients of their own
    const client = sharedClient(endpoints, { headerTimeoutMs: 60_000 });
    shared = { endpoints, client, keys: new KeysAPI(client), dir: `/test-${file}-${randomBytes(4).toString("hex")}` };
  });
  after(async () => {
    if (own === undefined) await shared?.keys.delete(shared.dir, { recursive: true }).catch(() => undefined);
    await shared?.client.close();
    await own?.stop();
  });
  const ready = (): SharedCluster => {
    if (shared === undefined) throw new Error("the cluster exists only while tests run");
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
  options: { readonly bin?: string; readonly enableV2?: boolean; readonly args?: readonly string[] } = {},
): Promise<Cluster> {
  // alone it elects itself: a longer timeout would only make each start longer
  return startCluster({ bin: find("etcd"), heartbeatMs: 20, electionMs: 200, ...options });
}

/** A cluster of {@link memberCount} members for tests that harm none of them; `await using` ends it. */
function unharmedCluster(options: { readonly bin?: string } = {}): Promise<Cluster> {
  if (memberCount === 1) return ownMember(options);
  // several members keep their leader on a busy machine: other tests are about a change of the leader
  return startCluster({ bin: find("etcd"), size: memberCount, heartbeatMs: 100, electionMs: 1_000, ...options });
}

async function haveV3(endpoints: readonly string[]): Promise<boolean> {
  const [first] = endpoints;
  if (first === undefined) return false;
  const { etcdserver } = (await (await fetch(`${first}/version`)).json()) as { readonly etcdserver: string };
  return !etcdserver.startsWith("3.3.");
}

/**
 * Makes etcd forget all events up to now: by more writes below `dir` than its history holds, over v3 by a compaction. A
 * client over v3 that keeps a watch stream still has the events of that stream.
 */
export async function clearHistory(
  { keys, endpoints }: { readonly keys: KeysAPI; readonly endpoints: readonly string[] },
  dir = "",
): Promise<void> {
  const noise = (count: number): Promise<unknown> =>
    Promise.all(Array.from({ length: count }, (_, i) => keys.set(`${dir}/noise/${String(i % 50)}`, String(i))));
  for (let i = 0; !isOverV3 && i < 11; i++) await noise(100);
  if (!isOverV3) return;
  await noise(2);
  const { index } = await keys.set(`${dir}/noise/last`, "");
  const body = JSON.stringify({ revision: String(index) });
  const { status } = await fetch(`${endpoints[0] ?? ""}/v3/kv/compaction`, { method: "POST", body });
  assert.equal(status, 200);
}

/**
 * Counts the refreshes of a key, as far as reads can tell. To be called often.
 *
 * - v2: each takes an index
 * - v3: it moves no index, but the time that is left grows
 */
export function refreshCounter(
  keys: KeysAPI,
  key: string,
  // another member than the one that wrote the key may not have it yet
  options: GetOptions = { quorum: true },
): () => Promise<number> {
  let [first, last, rises] = [0, Infinity, 0];
  return async () => {
    const { modifiedIndex, ttl = Infinity } = (await keys.get(key, options)).node;
    first ||= modifiedIndex;
    if (ttl > last) rises++;
    last = ttl;
    return isOverV3 ? rises : modifiedIndex - first;
  };
}

/** How many watches a member has: long polls of v2, streams of v3. */
export async function watchesAt(url: string, protocol = isOverV3 ? "v3" : "v2"): Promise<number> {
  if (protocol === "v3") {
    const metrics = await (await fetch(`${url}/metrics`)).text();
    return Number(/^etcd_debugging_mvcc_watcher_total (\d+)$/m.exec(metrics)?.[1] ?? NaN);
  }
  const stats = (await (await fetch(`${url}/v2/stats/store`)).json()) as { readonly watchers: number };
  return stats.watchers;
}

/** A member that refuses every call of the keys API: without the v2 API, over v3 without the gateway. */
export function ownMemberWithoutApi(): Promise<Cluster> {
  return ownMember({ enableV2: false, args: isOverV3 ? ["--enable-grpc-gateway=false"] : [] });
}

/** Gives a directory a new TTL if the server can: 3.5 returns 500 "Not a file", v3 refuses, and nothing changes. */
export async function renewDirectory(keys: KeysAPI, key: string, ttl: number): Promise<void> {
  try {
    await keys.update(key, "", { dir: true, ttl });
  } catch (error) {
    if (isOverV3 && error instanceof EtcdError && error.errorCode === EtcdErrorCode.invalidField) return;
    if (
      !(error instanceof ClusterError) ||
      !error.errors.every((each) => each instanceof EndpointError && each.errorCode === 300)
    )
      throw error;
  }
}
