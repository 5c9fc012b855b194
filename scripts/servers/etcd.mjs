// Real etcd members for tests and the quick start: plain processes on 127.0.0.1, with data in a temporary folder.
import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { etcdVersion } from "./find-etcd.mjs";
import { healthTimeoutMs, Member, pollMs } from "./member.mjs";
import { atExit, ScriptError } from "../run.mjs";

export { findEtcd } from "./find-etcd.mjs";
export { Member } from "./member.mjs";

/**
 * @typedef {object} ClusterOptions
 * @property {string} bin the etcd to run, as findEtcd gives it
 * @property {number | undefined} [size] default: 1
 * @property {boolean | undefined} [enableV2] default: true
 * @property {number | undefined} [heartbeatMs] default: 100
 * @property {number | undefined} [electionMs] default: 1000
 * @property {readonly string[] | undefined} [args] further flags for every member
 * @property {import("./member.mjs").TlsFiles | undefined} [tls] absent: clients speak plain HTTP. Members always do among themselves.
 * @property {((member: { index: number, url: string }) => readonly string[]) | undefined} [advertiseClientUrls] what a
 *   member lists as its client URLs, when not its own; a proxy's, say
 * @property {((member: { index: number, peerUrl: string }) => string | Promise<string>) | undefined} [advertisePeerUrl] where the
 *   other members find a member, when not where it listens; a proxy's URL, say
 * @property {import("../run.mjs").Log | undefined} [log] absent: silence
 */

/**
 * Starts a cluster and waits until every member is healthy.
 *
 * @param {ClusterOptions} options
 * @returns {Promise<Cluster>}
 */
export async function startCluster(options) {
  const { size = 1, log = () => undefined } = options;
  const startMs = performance.now();
  for (let attempt = 1; ; attempt++) {
    const cluster = new Cluster(options);
    try {
      for (let index = 0; index < size; index++) await cluster.addMember({ initialClusterState: "new" });
      await Promise.all(cluster.members.map((member) => member.start()));
      log(
        `etcd: ${size} healthy on ${cluster.endpoints.join(",")} in ${((performance.now() - startMs) / 1_000).toFixed(1)} s`,
      );
      return cluster;
    } catch (error) {
      await cluster.stop();
      // Somebody else may take a port between our look and etcd's bind.
      if (attempt === 5 || !(error instanceof ScriptError) || !error.message.includes("address already in use"))
        throw error;
    }
  }
}

/** Members that belong together. Ended by `stop`, by `await using`, and with this process. */
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

  /** Client URLs of all members, those that are down included. */
  get endpoints() {
    return this.#members.map((member) => member.url);
  }

  /**
   * The cluster leader. Waits for one, up to 30 s. Needs the v2 API.
   *
   * @returns {Promise<Member>}
   */
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
   * Prepares one more member: name, ports, folder. For a running cluster POST its `peerUrl` to /v2/members, then `start` it.
   *
   * @param {{ initialClusterState?: "existing" | "new" | undefined, among?: readonly Member[] | undefined }} [options] `among`:
   *   the members that it will find besides itself; default: all there are when it starts
   * @returns {Promise<Member>}
   */
  async addMember({ initialClusterState = "existing", among } = {}) {
    const {
      bin,
      enableV2 = true,
      heartbeatMs = 100,
      electionMs = 1_000,
      args = [],
      tls,
      advertiseClientUrls,
      advertisePeerUrl,
    } = this.#options;
    const index = this.#members.length;
    const [clientPort, peerPort] = await freePorts(2);
    const url = `${tls === undefined ? "http" : "https"}://127.0.0.1:${clientPort}`;
    const listenPeerUrl = `http://127.0.0.1:${peerPort}`;
    const peerUrl = (await advertisePeerUrl?.({ index, peerUrl: listenPeerUrl })) ?? listenPeerUrl;
    const name = `m${index + 1}`;
    const folder = join(this.#folder, name);
    /** @type {Member} */
    const member = new Member({
      name,
      url,
      peerUrl,
      folder,
      bin,
      tls,
      // read at each start, since the other members may not be known yet
      flags: () => [
        "--name",
        name,
        "--data-dir",
        member.dataDir,
        `--enable-v2=${enableV2}`,
        "--listen-client-urls",
        url,
        "--advertise-client-urls",
        (advertiseClientUrls?.({ index, url }) ?? [url]).join(","),
        "--listen-peer-urls",
        listenPeerUrl,
        "--initial-advertise-peer-urls",
        peerUrl,
        "--initial-cluster",
        [...new Set([...(among ?? this.#members), member])].map((each) => `${each.name}=${each.peerUrl}`).join(","),
        "--initial-cluster-state",
        initialClusterState,
        // of our own, so that members of another cluster that once had our ports are refused
        "--initial-cluster-token",
        basename(this.#folder),
        "--heartbeat-interval",
        String(heartbeatMs),
        "--election-timeout",
        String(electionMs),
        ...logFlags(bin),
        ...(tls === undefined
          ? []
          : [
              "--cert-file",
              tls.cert,
              "--key-file",
              tls.key,
              "--trusted-ca-file",
              tls.ca,
              `--client-cert-auth=${tls.clientCertAuth ?? false}`,
            ]),
        ...args,
      ],
    });
    this.#members.push(member);
    return member;
  }

  /** Ends every member, frozen ones too, and removes their data. */
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
    // retries: a process that was just killed may still be writing
    rmSync(this.#folder, { recursive: true, force: true, maxRetries: 10, retryDelay: 20 });
  }
}

/** @type {Map<string, string[]>} */
const logFlagsByBin = new Map();

/** @param {string} bin */
function logFlags(bin) {
  let flags = logFlagsByBin.get(bin);
  if (flags === undefined) {
    // 3.3 has neither flag and ends with its usage text
    flags = etcdVersion(bin)?.startsWith("3.3.") ? [] : ["--logger=zap", "--log-level=warn"];
    logFlagsByBin.set(bin, flags);
  }
  return flags;
}

/** Each process starts in a hundred ports of its own, so that test files side by side do not meet. */
let nextPort = 10_000 + (process.pid % 220) * 100;

/**
 * Ports that nobody listens on. Below 32768, where systems begin to take ports for outgoing connections, and none twice
 * in a process: those of a member that is down stay its own.
 *
 * @param {number} count
 */
export async function freePorts(count) {
  /** @type {number[]} */
  const ports = [];
  for (let looked = 0; ports.length < count; looked++) {
    if (looked > 20_000)
      throw new ScriptError("no free port below 32768 on 127.0.0.1: end something that listens there");
    const port = nextPort;
    nextPort = port === 32_767 ? 10_000 : port + 1;
    if (await isFree(port)) ports.push(port);
  }
  return ports;
}

/**
 * @param {number} port
 * @returns {Promise<boolean>}
 */
function isFree(port) {
  return new Promise((resolve) => {
    const server = createServer();
    server.once("error", () => resolve(false));
    server.listen(port, "127.0.0.1", () => server.close(() => resolve(true)));
  });
}
