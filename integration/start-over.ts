// Clusters that start over behind the same URLs, as a whole or in part.
import { execFile } from "node:child_process";
import { randomBytes } from "node:crypto";
import { mkdtemp, rename, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { promisify } from "node:util";
import { Member, type Cluster } from "../scripts/servers/etcd.mjs";
import { findEtcd, findEtcdctl, versionOf } from "../scripts/servers/programs.mjs";
import { Client, MembersAPI } from "../src/core/index.js";
import { until } from "../src/test-kit/waiting.js";

/** Ends all members, deletes their data and starts them anew, at the same URLs. Their cluster has the same id as before. */
export async function wipe(cluster: Cluster): Promise<void> {
  await Promise.all(cluster.members.map((member) => member.kill()));
  await Promise.all(cluster.members.map(({ dataDir }) => rm(dataDir, { recursive: true, force: true })));
  await Promise.all(cluster.members.map((member) => member.start()));
}

/** Ends a member and starts one in its place, at its URLs, that has lost its data and believes that it is a cluster of its own. */
export async function replaceByStranger(t: TestContext, member: Member): Promise<Member> {
  await member.kill();
  const stranger = await memberLike(t, member, ["--initial-cluster-state=new"]);
  await stranger.start();
  return stranger;
}

/**
 * Restores a cluster as etcd's manual says: a backup of one member (`etcdctl backup`) becomes a cluster of one, with an id of
 * its own, and the other members join it with empty data. All at the same URLs. `lose` runs between backup and restore.
 */
export async function restoreFromBackup(t: TestContext, cluster: Cluster, lose: () => Promise<void>): Promise<void> {
  const [first, ...others] = cluster.members;
  if (first === undefined) throw new Error("a cluster without members");
  const folder = await scratchFolder(t);
  const backup = join(folder, "backup");
  await promisify(execFile)(findEtcdctl(), ["backup", `--data-dir=${first.dataDir}`, `--backup-dir=${backup}`], {
    env: { ETCDCTL_API: "2" },
  });
  await lose();
  await Promise.all(cluster.members.map((member) => member.kill()));

  const restored = await memberLike(t, first, ["--initial-cluster-state=new", "--force-new-cluster"]);
  await rename(backup, restored.dataDir);
  await restored.start();
  await using client = new Client({ endpoints: [restored.url] });
  const members = new MembersAPI(client);
  // a backup does not hold the member's peer URL
  const [self] = await members.list();
  if (self === undefined) throw new Error("a restored cluster without members");
  await members.update(self.id, [first.peerUrl]);
  const peers = [first];
  for (const other of others) {
    await until("the member can be added", () => members.add(other.peerUrl).catch(() => undefined));
    peers.push(other);
    const joining = await memberLike(t, other, ["--initial-cluster-state=existing"], peers);
    await joining.start();
  }
}

/** A member with the names and URLs of another one, and data of its own. Ends with the test. */
async function memberLike(
  t: TestContext,
  { name, url, peerUrl }: Member,
  flags: readonly string[],
  peers: readonly Pick<Member, "name" | "peerUrl">[] = [{ name, peerUrl }],
): Promise<Member> {
  const bin = await findEtcd();
  const folder = await scratchFolder(t);
  const args = [
    `--name=${name}`,
    `--data-dir=${join(folder, "data")}`,
    "--enable-v2=true",
    `--listen-client-urls=${url}`,
    `--advertise-client-urls=${url}`,
    `--listen-peer-urls=${peerUrl}`,
    `--initial-advertise-peer-urls=${peerUrl}`,
    `--initial-cluster=${peers.map((peer) => `${peer.name}=${peer.peerUrl}`).join(",")}`,
    `--initial-cluster-token=${randomBytes(4).toString("hex")}`,
    "--heartbeat-interval=100",
    "--election-timeout=1000",
    ...(versionOf("etcd", bin)?.startsWith("3.3.") ? [] : ["--logger=zap", "--log-level=warn"]),
    ...flags,
  ];
  const member = new Member({ name, url, peerUrl, folder, bin, tls: undefined, flags: () => args });
  t.after(() => member.kill());
  return member;
}

async function scratchFolder(t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "etcd2-start-over-"));
  t.after(() => rm(folder, { recursive: true, force: true, maxRetries: 10, retryDelay: 20 }));
  return folder;
}
