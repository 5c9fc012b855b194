// Elections and locks when the store itself changes: it is emptied or restored, or another cluster replaces a member.
import assert from "node:assert/strict";
import { once } from "node:events";
import { cpSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, test, type TestContext } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { Member, type Cluster } from "./test-kit/etcd.js";
import { find } from "../scripts/servers/programs.mjs";
import { Client, KeysAPI } from "../src/core/index.js";
import { newKey } from "../src/election/test-kit/lock-ground.js";
import { createEtcdCandidate, type EtcdCandidate, type LeaderSession } from "../src/election/index.js";
import { createLocks } from "../src/lock/index.js";
import { noiseMs, until } from "../src/test-kit/waiting.js";
import { untilAborted } from "../src/util/signals.js";
import { fastCluster } from "./fast-cluster.js";
import { isOverV3, ownMember, watchesAt } from "./support.js";

const config = { ttlMs: 3_000, lockDelayMs: 300, cooldownMs: 100, stepDownTimeoutMs: 500 } as const;

/** How a store starts over. */
const restarts = [
  ["emptied", empty],
  ["restored from a backup", restoreBackup],
] as const;

describe("elections on a store that starts over", { concurrency: true }, () => {
  for (const [what, change] of restarts) {
    test(`election: when the cluster is ${what}, a live leader leads again, and a waiting candidate still follows (FF2)`, async (t) => {
      await using cluster = await ownMember();
      const [member] = cluster.members;
      assert.ok(member);
      backUp(member);
      await aged(t, cluster);
      const key = newKey();
      const [a, b] = [candidateFor(t, cluster), candidateFor(t, cluster)];
      let [leading, most] = [0, 0];
      const count = (by: number): void => {
        leading += by;
        most = Math.max(most, leading);
      };
      const first = await participate(t, a, key, "a", count);
      await until("the first leads", () => first.isLeader);
      const second = await participate(t, b, key, "b", count);
      await watchers(member, 2);
      await member.kill();
      change(member);
      await member.start();
      const startedMs = performance.now();
      const held = async (): Promise<string | undefined> => await first.current().catch(() => undefined);
      const [leader, waiting] = await until("one of them leads in the new store", async () => {
        const holder = await held();
        if (holder === "a" && first.isLeader && !second.isLeader) return [first, second] as const;
        return holder === "b" && second.isLeader && !first.isLeader && ([second, first] as const);
      });
      assert.ok(performance.now() - startedMs < 3_000 + config.ttlMs + noiseMs, "soon");
      await leader.close();
      await until("the other one leads", () => waiting.isLeader);
      assert.equal(most, 1, "one at a time");
    });

    test(`election: when the cluster is ${what}, a candidate waiting for a dead holder leads (FF2)`, async (t) => {
      await using cluster = await ownMember();
      const [member] = cluster.members;
      assert.ok(member);
      backUp(member);
      const keys = await aged(t, cluster);
      const key = newKey();
      await keys.set(key, "a holder that never comes back");
      const session = await participate(t, candidateFor(t, cluster), key, "a");
      await watchers(member, 1);
      await member.kill();
      change(member);
      await member.start();
      const startedMs = performance.now();
      await until("it leads", () => session.isLeader);
      assert.ok(performance.now() - startedMs < 15_000 + noiseMs, `after ${String(performance.now() - startedMs)} ms`);
    });

    test(`locks: when the cluster is ${what}, the lock is lost, and the next waiter gets it (FF2)`, async (t) => {
      await using cluster = await ownMember();
      const [member] = cluster.members;
      assert.ok(member);
      backUp(member);
      await aged(t, cluster);
      const key = newKey();
      const [a, b] = [clientFor(t, cluster), clientFor(t, cluster)].map((client) => createLocks({ client }));
      const first = await a?.acquire(key, { ttlMs: config.ttlMs });
      const waiting = b?.acquire(key, { ttlMs: config.ttlMs });
      // the watch of the holder, for its own entry, and that of the waiter
      await watchers(member, 2);
      await member.kill();
      change(member);
      await member.start();
      const startedMs = performance.now();
      const second = await waiting;
      assert.ok(performance.now() - startedMs < 15_000 + noiseMs);
      assert.equal(first?.signal.aborted, true);
      await first.release();
      assert.equal(second?.signal.aborted, false);
      assert.equal(await second.release(), true);
    });
  }
});

test("election: if another cluster replaces a member, at most one of eight candidates leads (FF12)", async (t) => {
  await using cluster = await fastCluster();
  const [lost] = cluster.members;
  assert.ok(lost);
  await lost.kill();
  await using _stranger = await Stranger.start(lost);
  const key = newKey();
  let [running, terms] = [0, 0];
  let most = 0;
  const sessions = await Promise.all(
    Array.from({ length: 8 }, async () => {
      const session = await candidateFor(t, cluster).participate(
        { ...config, ttlMs: 8_000, key, contactInfo: "" },
        async ({ signal }) => {
          running++;
          terms++;
          most = Math.max(most, running);
          await untilAborted(signal);
          running--;
        },
      );
      t.after(() => session.close());
      return session;
    }),
  );
  const endMs = performance.now() + 8_000;
  while (performance.now() < endMs || terms < 5) {
    await sleep(200);
    await Promise.all(sessions.map((session) => session.abdicate()));
  }
  await Promise.all(sessions.map((session) => session.close()));
  assert.equal(most, 1, `${String(most)} of ${String(terms)} terms at a time`);
});

/** An etcd of another cluster under a member's URL. */
class Stranger implements AsyncDisposable {
  readonly url: string;
  readonly #member: Member;
  readonly #folder: string;

  static async start({ url, peerUrl }: Member): Promise<Stranger> {
    const folder = mkdtempSync(join(tmpdir(), "etcd2-stranger-"));
    const flags = (): readonly string[] => [
      "--name=stranger",
      `--data-dir=${join(folder, "data")}`,
      `--enable-v2=${String(!isOverV3)}`,
      `--listen-client-urls=${url}`,
      `--advertise-client-urls=${url}`,
      `--listen-peer-urls=${peerUrl}`,
      `--initial-advertise-peer-urls=${peerUrl}`,
      `--initial-cluster=stranger=${peerUrl}`,
    ];
    const bin = find("etcd");
    const member = new Member({ name: "stranger", url, peerUrl, folder, bin, tls: undefined, flags });
    const stranger = new Stranger(member, folder);
    await member.start();
    return stranger;
  }

  private constructor(member: Member, folder: string) {
    this.#member = member;
    this.#folder = folder;
    this.url = member.url;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#member.kill();
    rmSync(this.#folder, { recursive: true, force: true, maxRetries: 10, retryDelay: 20 });
  }
}

/** Waits until a member has that many watches: then every waiter has seen that the lock is taken. */
async function watchers({ url }: Member, count: number): Promise<void> {
  await until(`${String(count)} watch`, async () => (await watchesAt(url)) >= count);
}

/** Backs up a member while it runs: etcd's writes are small, and complete once they are flushed. */
function backUp({ dataDir }: Member): void {
  cpSync(dataDir, `${dataDir}-backup`, { recursive: true });
}

function empty({ dataDir }: Member): void {
  rmSync(dataDir, { recursive: true });
}

function restoreBackup({ dataDir }: Member): void {
  rmSync(dataDir, { recursive: true });
  cpSync(`${dataDir}-backup`, dataDir, { recursive: true });
}

/** Moves the index on, so that a store that starts over is behind. */
async function aged(t: TestContext, cluster: Cluster): Promise<KeysAPI> {
  const keys = new KeysAPI(clientFor(t, cluster));
  for (let i = 0; i < 50; i++) await keys.set("/aged", String(i));
  return keys;
}

function clientFor(t: TestContext, cluster: Cluster): Client {
  const client = new Client({ endpoints: cluster.endpoints });
  t.after(() => client.close());
  return client;
}

function candidateFor(t: TestContext, cluster: Cluster): EtcdCandidate {
  return createEtcdCandidate({ client: clientFor(t, cluster) });
}

async function participate(
  t: TestContext,
  candidate: EtcdCandidate,
  key: string,
  contactInfo: string,
  count: (by: number) => void = () => undefined,
): Promise<LeaderSession> {
  const session = await candidate.participate({ ...config, key, contactInfo }, async ({ signal }) => {
    count(1);
    if (!signal.aborted) await once(signal, "abort");
    count(-1);
  });
  t.after(() => session.close());
  return session;
}
