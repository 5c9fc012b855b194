// Real etcd members for tests and the quick start: plain processes on 127.0.0.1, with their data in a temporary folder.
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { atExit, ScriptError } from "../run.mjs";
import { isHealthy, probe } from "./probe.mjs";
import { versionOf } from "./programs.mjs";
import { freePorts, healthTimeoutMs, pollMs, ServerProcess, startOnFreePorts } from "./server-process.mjs";

export { findEtcd } from "./programs.mjs";

/**
 * @typedef {object} TlsFiles paths of PEM files
 * @property {string} cert the server's
 * @property {string} key the server's
 * @property {string} ca checks client certificates
 * @property {boolean | undefined} [clientCertAuth] whether a client certificate is required; default: false
 * @property {string | undefined} [clientCert] sent with health checks; default: cert
 * @property {string | undefined} [clientKey] sent with health checks; default: key
 */

/**
 * @typedef {object} ClusterOptions
 * @property {string} bin the etcd to run, from findEtcd
 * @property {number | undefined} [size] default: 1
 * @property {boolean | undefined} [enableV2] default: true, but false when ETCD2_TEST_PROTOCOL is v3
 * @property {number | undefined} [heartbeatMs] default: 100
 * @property {number | undefined} [electionMs] default: 1000
 * @property {readonly string[] | undefined} [args] further flags for every member
 * @property {TlsFiles | undefined} [tls] absent: clients use plain HTTP, as members always do among themselves
 * @property {((member: { index: number, url: string }) => readonly string[]) | undefined} [advertiseClientUrls] the
 *   client URLs that a member advertises instead of its own, such as a proxy's
 * @property {((member: { index: number, peerUrl: string }) => string | Promise<string>) | undefined} [advertisePeerUrl] where
 *   the other members connect to it, if not where it listens, such as at a proxy
 * @property {import("../run.mjs").Log | undefined} [log] absent: prints nothing
 */

/**
 * Starts a cluster and waits until every member is healthy.
 *
 * @param {ClusterOptions} options
 * @returns {Promise<Cluster>}
 */
export function startCluster(options) {
  const { size = 1, log = () => undefined } = options;
  const startMs = performance.now();
  return startOnFreePorts(async () => {
    const cluster = new Cluster(options);
    return {
      start: async () => {
        for (let index = 0; index < size; index++) await cluster.addMember({ initialClusterState: "new" });
        await Promise.all(cluster.members.map((member) => member.start()));
        const seconds = ((performance.now() - startMs) / 1_000).toFixed(1);
        log(`etcd: ${size} healthy on ${cluster.endpoints.join(",")} in ${seconds} s`);
        return cluster;
      },
      giveUp: () => cluster.stop(),
    };
  });
}

/** One etcd process. Its name, ports and data remain while it is down. */
export class Member extends ServerProcess {
  #tls;

  /** @param {{ name: string, url: string, peerUrl: string, folder: string, bin: string, tls: TlsFiles | undefined, flags: () => readonly string[] }} spec */
  constructor({ name, url, peerUrl, folder, bin, tls, flags }) {
    super({ name: `etcd ${name}`, bin, args: flags, logFile: join(folder, "log") });
    this.#tls = tls;
    /** @readonly */
    this.name = name;
    /** Client URL. @readonly */
    this.url = url;
    /** The URL at which the other members connect to it. @readonly */
    this.peerUrl = peerUrl;
    /** @readonly */
    this.dataDir = join(folder, "data");
  }

  /** @override */
  healthy() {
    return isHealthy(this.url, this.#probeOptions());
  }

  /** Whether it is the cluster leader: it says so and is healthy. An isolated former leader still says so. */
  async leads() {
    try {
      // a frozen member would only run into the timeout
      if (this.pid === undefined || this.frozen) return false;
      const { status, body } = await probe(`${this.url}/v2/stats/self`, this.#probeOptions());
      if (status === 404) return await this.#leadsByV3();
      return /** @type {{ state?: string }} */ (JSON.parse(body)).state === "StateLeader" && (await this.healthy());
    } catch {
      return false;
    }
  }

  /** The same on a member without the v2 API. */
  async #leadsByV3() {
    const options = { method: "POST", body: "{}", signal: AbortSignal.timeout(1_000) };
    const status = /** @type {{ leader?: string, header: { member_id: string } }} */ (
      await (await fetch(`${this.url}/v3/maintenance/status`, options)).json()
    );
    return status.leader === status.header.member_id && (await this.healthy());
  }

  #probeOptions() {
    if (this.#tls === undefined) return {};
    const { ca, cert, key, clientCert = cert, clientKey = key } = this.#tls;
    return { tls: { ca: readFileSync(ca), cert: readFileSync(clientCert), key: readFileSync(clientKey) } };
  }
}

/** The members of one cluster. Ended by `stop`, by `await using`, and with this process. */
export class Cluster {
  #options;
  #folder = mkdtempSync(join(tmpdir(), "etcd2-cluster-"));
  #forget = atExit(() => {
    this.#killAll();
  });
  /** @type {Member[]} */
  #members = [];

  /** @param {ClusterOptions} options */
  constructor(options) {
    this.#options = options;
  }

  get members() {
    return [...this.#members];
  }

  /** Client URLs of all members, including those that are down. */
  get endpoints() {
    return this.#members.map((member) => member.url);
  }

  /** The cluster leader. Waits for one, up to 30 s. @returns {Promise<Member>} */
  async leader() {
    const deadlineMs = performance.now() + healthTimeoutMs;
    while (performance.now() < deadlineMs) {
      const leads = await Promise.all(this.#members.map((member) => member.leads()));
      const leader = this.#members[leads.indexOf(true)];
      if (leader !== undefined) return leader;
      await sleep(pollMs);
    }
    throw new ScriptError(`no leader among ${this.endpoints.join(",")} after ${healthTimeoutMs / 1_000} s`);
  }

  /**
   * Prepares one more member with its name, ports and folder. In a running cluster, POST its `peerUrl` to /v2/members, then
   * `start` it.
   *
   * @param {{ initialClusterState?: "existing" | "new" | undefined, among?: readonly Member[] | undefined }} [options] `among`:
   *   the other members of its initial cluster; default: all that exist when it starts
   * @returns {Promise<Member>}
   */
  async addMember({ initialClusterState = "existing", among } = {}) {
    const {
      bin,
      enableV2 = process.env["ETCD2_TEST_PROTOCOL"] !== "v3",
      heartbeatMs = 100,
      electionMs = 1_000,
      args = [],
      tls,
    } = this.#options;
    const index = this.#members.length;
    const [clientPort, peerPort] = await freePorts(2);
    const url = `${tls === undefined ? "http" : "https"}://127.0.0.1:${clientPort}`;
    const listenPeerUrl = `http://127.0.0.1:${peerPort}`;
    const peerUrl = (await this.#options.advertisePeerUrl?.({ index, peerUrl: listenPeerUrl })) ?? listenPeerUrl;
    const name = `m${index + 1}`;
    const clientUrls = () => this.#options.advertiseClientUrls?.({ index, url }) ?? [url];
    const others = () => [...new Set([...(among ?? this.#members), member])];
    // computed at each start, since other members may be added later
    const flags = () => [
      `--name=${name}`,
      `--data-dir=${member.dataDir}`,
      `--enable-v2=${enableV2}`,
      `--listen-client-urls=${url}`,
      `--advertise-client-urls=${clientUrls().join(",")}`,
      `--listen-peer-urls=${listenPeerUrl}`,
      `--initial-advertise-peer-urls=${peerUrl}`,
      `--initial-cluster=${others()
        .map((each) => `${each.name}=${each.peerUrl}`)
        .join(",")}`,
      `--initial-cluster-state=${initialClusterState}`,
      // unique, so that members of another cluster that had our ports before are refused
      `--initial-cluster-token=${basename(this.#folder)}`,
      `--heartbeat-interval=${heartbeatMs}`,
      `--election-timeout=${electionMs}`,
      // 3.3 has neither flag and exits with its usage text
      ...(versionOf("etcd", bin)?.startsWith("3.3.") ? [] : ["--logger=zap", "--log-level=warn"]),
      ...(tls === undefined ? [] : tlsFlags(tls)),
      ...args,
    ];
    /** @type {Member} */
    const member = new Member({ name, url, peerUrl, folder: join(this.#folder, name), bin, tls, flags });
    this.#members.push(member);
    return member;
  }

  /** Kills every member, frozen ones too, and removes their data. */
  async stop() {
    await Promise.all(this.#members.map((member) => member.kill()));
    this.#killAll();
    this.#forget();
  }

  async [Symbol.asyncDispose]() {
    await this.stop();
  }

  #killAll() {
    for (const member of this.#members) member.signal("SIGKILL");
    // with retries, since a process that was just killed may still be writing
    rmSync(this.#folder, { recursive: true, force: true, maxRetries: 10, retryDelay: 20 });
  }
}

/** @param {TlsFiles} tls */
function tlsFlags({ cert, key, ca, clientCertAuth = false }) {
  return [
    `--cert-file=${cert}`,
    `--key-file=${key}`,
    `--trusted-ca-file=${ca}`,
    `--client-cert-auth=${clientCertAuth}`,
  ];
}
