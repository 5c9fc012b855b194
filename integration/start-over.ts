// Clusters that start over behind the same URLs, as a whole or in part.
import { execFile } from "node:child_process";
import { randomBytes } from "node:crypto";
import { mkdtemp, rename, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { promisify } from "node:util";
import { Member, type Cluster } from "./test-kit/etcd.js";
import { find, versionOf } from "../scripts/servers/programs.mjs";
import { Client, MembersAPI } from "../src/core/index.js";
import { until } from "../src/test-kit/waiting.js";
import { isOverV3 } from "./support.js";

/**
 * Ends all members, deletes their data and starts them again, at the same URLs. Their cluster has the same id as
 * before.
 */
export async function wipe(cluster: Cluster): Promise<void> {
  await Promise.all(cluster.members.map((member) => member.kill()));
  await Promise.all(cluster.members.map(({ dataDir }) => rm(dataDir, { recursive: true, force: true })));
  await Promise.all(cluster.members.map((member) => member.start()));
}

/** Ends a member and starts one in its place, at its URLs, that has lost its data and forms another cluster. */
export async function replaceByStranger(t: TestContext, member: Member): Promise<Member> {
  await member.kill();
  const stranger = await memberLike(t, member, ["--initial-cluster-state=new"]);
  await stranger.start();
  return stranger;
}

/**
 * Restores a cluster as etcd's manual says, at the same URLs, with a new id. `lose` runs between backup and restore.
 *
 * - v2: a backup of one member (`etcdctl backup`) becomes a cluster of one, and the other members join it with empty data
 * - v3 (`ETCD2_TEST_PROTOCOL`): all members start with one snapshot
 */
export function restoreFromBackup(t: TestContext, cluster: Cluster, lose: () => Promise<void>): Promise<void> {
  return isOverV3 ? restoreSnapshot(t, cluster, lose) : restoreBackup(t, cluster, lose);
}

async function restoreSnapshot(t: TestContext, cluster: Cluster, lose: () => Promise<void>): Promise<void> {
  const { members } = cluster;
  const file = join(await scratchFolder(t), "snapshot");
  await etcdctl("3", `--endpoints=${members[0]?.url ?? ""}`, "snapshot", "save", file);
  await lose();
  await Promise.all(members.map((member) => member.kill()));
  const token = randomBytes(4).toString("hex");
  const starting = members.map(async (member) => {
    const flags = ["--initial-cluster-state=new", `--initial-cluster-token=${token}`];
    const restored = await memberLike(t, member, flags, members);
    await etcdctl(
      "3",
      "snapshot",
      "restore",
      file,
      `--name=${member.name}`,
      `--data-dir=${restored.dataDir}`,
      `--initial-advertise-peer-urls=${member.peerUrl}`,
      `--initial-cluster=${initialCluster(members)}`,
      `--initial-cluster-token=${token}`,
    );
    await restored.start();
  });
  await Promise.all(starting);
}

async function restoreBackup(t: TestContext, cluster: Cluster, lose: () => Promise<void>): Promise<void> {
  const [first, ...others] = cluster.members;
  if (first === undefined) throw new Error("a cluster without members");
  const folder = await scratchFolder(t);
  const backup = join(folder, "backup");
  await etcdctl("2", "backup", `--data-dir=${first.dataDir}`, `--backup-dir=${backup}`);
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
  const bin = find("etcd");
  const folder = await scratchFolder(t);
  const args = [
    `--name=${name}`,
    `--data-dir=${join(folder, "data")}`,
    `--enable-v2=${String(!isOverV3)}`,
    `--listen-client-urls=${url}`,
    `--advertise-client-urls=${url}`,
    `--listen-peer-urls=${peerUrl}`,
    `--initial-advertise-peer-urls=${peerUrl}`,
    `--initial-cluster=${initialCluster(peers)}`,
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

function initialCluster(peers: readonly Pick<Member, "name" | "peerUrl">[]): string {
  return peers.map((peer) => `${peer.name}=${peer.peerUrl}`).join(",");
}

async function etcdctl(api: "2" | "3", ...args: readonly string[]): Promise<void> {
  await promisify(execFile)(find("etcdctl"), args, { env: { ETCDCTL_API: api } });
}

async function scratchFolder(t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "etcd2-start-over-"));
  t.after(() => rm(folder, { recursive: true, force: true, maxRetries: 10, retryDelay: 20 }));
  return folder;
}
