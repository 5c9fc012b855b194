// Real etcd members for tests and the quick start: plain processes on 127.0.0.1, with their data in a temporary folder.
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { atExit, ScriptError, type Log } from "../../scripts/run.mjs";
import { isHealthy, probe, type ProbeOptions } from "../../scripts/servers/probe.mjs";
import { versionOf } from "../../scripts/servers/programs.mjs";
import { freePorts, healthTimeoutMs, pollMs, ServerProcess, startOnFreePorts } from "./server-process.js";

/** Paths of PEM files. */
export interface TlsFiles {
  /** The server's. */
  readonly cert: string;
  /** The server's. */
  readonly key: string;
  /** Checks client certificates. */
  readonly ca: string;
  /** Whether a client certificate is required. @default false */
  readonly clientCertAuth?: boolean | undefined;
  /** Sent with health checks. @default `cert` */
  readonly clientCert?: string | undefined;
  /** Sent with health checks. @default `key` */
  readonly clientKey?: string | undefined;
}

export interface ClusterOptions {
  /** The etcd to run, from `find`. */
  readonly bin: string;
  /** @default 1 */
  readonly size?: number | undefined;
  /** @default true, but false if ETCD2_TEST_PROTOCOL is v3 */
  readonly enableV2?: boolean | undefined;
  /** @default 100 */
  readonly heartbeatMs?: number | undefined;
  /** @default 1000 */
  readonly electionMs?: number | undefined;
  /** Further flags for every member. */
  readonly args?: readonly string[] | undefined;
  /** Absent: clients use plain HTTP, as members always do among themselves. */
  readonly tls?: TlsFiles | undefined;
  /** The client URLs that a member advertises instead of its own, such as a proxy's. */
  readonly advertiseClientUrls?: ((member: { index: number; url: string }) => readonly string[]) | undefined;
  /** Where the other members connect to it, if not where it listens, such as at a proxy. */
  readonly advertisePeerUrl?: ((member: { index: number; peerUrl: string }) => string | Promise<string>) | undefined;
  /** Absent: prints nothing. */
  readonly log?: Log | undefined;
}

/** Starts a cluster and waits until every member is healthy. */
export function startCluster(options: ClusterOptions): Promise<Cluster> {
  const { size = 1, log = () => undefined } = options;
  const startMs = performance.now();
  return startOnFreePorts(() => {
    const cluster = new Cluster(options);
    return {
      start: async () => {
        for (let index = 0; index < size; index++) await cluster.addMember({ initialClusterState: "new" });
        await Promise.all(cluster.members.map((member) => member.start()));
        const seconds = ((performance.now() - startMs) / 1_000).toFixed(1);
        log(`etcd: ${String(size)} healthy on ${cluster.endpoints.join(",")} in ${seconds} s`);
        return cluster;
      },
      giveUp: () => cluster.stop(),
    };
  });
}

interface MemberSpec {
  readonly name: string;
  readonly url: string;
  readonly peerUrl: string;
  readonly folder: string;
  readonly bin: string;
  readonly tls: TlsFiles | undefined;
  readonly flags: () => readonly string[];
}

/** One etcd process. Its name, ports and data remain while it is down. */
export class Member extends ServerProcess {
  readonly name: string;
  /** Client URL. */
  readonly url: string;
  /** The URL at which the other members connect to it. */
  readonly peerUrl: string;
  readonly dataDir: string;
  readonly #tls: TlsFiles | undefined;

  constructor({ name, url, peerUrl, folder, bin, tls, flags }: MemberSpec) {
    super({ name: `etcd ${name}`, bin, args: flags, logFile: join(folder, "log") });
    this.name = name;
    this.url = url;
    this.peerUrl = peerUrl;
    this.dataDir = join(folder, "data");
    this.#tls = tls;
  }

  override healthy(): Promise<boolean> {
    return isHealthy(this.url, this.#probeOptions());
  }

  /** Whether it is the cluster leader: it reports that and is healthy. An isolated former leader still reports it. */
  async leads(): Promise<boolean> {
    try {
      // a frozen member would only run into the timeout
      if (this.pid === undefined || this.frozen) return false;
      const { status, body } = await probe(`${this.url}/v2/stats/self`, this.#probeOptions());
      if (status === 404) return await this.#leadsByV3();
      return (JSON.parse(body) as { readonly state?: string }).state === "StateLeader" && (await this.healthy());
    } catch {
      return false;
    }
  }

  /** The same on a member without the v2 API. */
  async #leadsByV3(): Promise<boolean> {
    const options = { method: "POST", body: "{}", signal: AbortSignal.timeout(1_000) };
    const status = (await (await fetch(`${this.url}/v3/maintenance/status`, options)).json()) as {
      readonly leader?: string;
      readonly header: { readonly member_id: string };
    };
    return status.leader === status.header.member_id && (await this.healthy());
  }

  #probeOptions(): ProbeOptions {
    if (this.#tls === undefined) return {};
    const { ca, cert, key, clientCert = cert, clientKey = key } = this.#tls;
    return { tls: { ca: readFileSync(ca), cert: readFileSync(clientCert), key: readFileSync(clientKey) } };
  }
}

/** The members of one cluster. Ended by `stop`, by `await using`, and with this process. */
export class Cluster {
  readonly #options: ClusterOptions;
  readonly #folder = mkdtempSync(join(tmpdir(), "etcd2-cluster-"));
  readonly #forget = atExit(() => {
    this.#killAll();
  });
  readonly #members: Member[] = [];

  constructor(options: ClusterOptions) {
    this.#options = options;
  }

  get members(): Member[] {
    return [...this.#members];
  }

  /** Client URLs of all members, including those that are down. */
  get endpoints(): string[] {
    return this.#members.map((member) => member.url);
  }

  /** The cluster leader. Waits for one, up to 30 s. */
  async leader(): Promise<Member> {
    const deadlineMs = performance.now() + healthTimeoutMs;
    while (performance.now() < deadlineMs) {
      const leads = await Promise.all(this.#members.map((member) => member.leads()));
      const leader = this.#members[leads.indexOf(true)];
      if (leader !== undefined) return leader;
      await sleep(pollMs);
    }
    throw new ScriptError(`no leader among ${this.endpoints.join(",")} after ${String(healthTimeoutMs / 1_000)} s`);
  }

  /**
   * Prepares one more member with its name, ports and folder. In a running cluster, POST its `peerUrl` to /v2/members, then
   * `start` it.
   *
   * @param options.among the other members of its initial cluster; default: all that exist when it starts
   */
  async addMember({
    initialClusterState = "existing",
    among,
  }: {
    readonly initialClusterState?: "existing" | "new" | undefined;
    readonly among?: readonly Member[] | undefined;
  } = {}): Promise<Member> {
    const {
      bin,
      enableV2 = process.env["ETCD2_TEST_PROTOCOL"] !== "v3",
      heartbeatMs = 100,
      electionMs = 1_000,
      args = [],
      tls,
    } = this.#options;
    const index = this.#members.length;
    const [clientPort = "", peerPort = ""] = (await freePorts(2)).map(String);
    const url = `${tls === undefined ? "http" : "https"}://127.0.0.1:${clientPort}`;
    const listenPeerUrl = `http://127.0.0.1:${peerPort}`;
    const peerUrl = (await this.#options.advertisePeerUrl?.({ index, peerUrl: listenPeerUrl })) ?? listenPeerUrl;
    const name = `m${String(index + 1)}`;
    const clientUrls = (): readonly string[] => this.#options.advertiseClientUrls?.({ index, url }) ?? [url];
    const others = (): readonly Member[] => [...new Set([...(among ?? this.#members), member])];
    // computed at each start, since other members may be added later
    const flags = (): readonly string[] => [
      `--name=${name}`,
      `--data-dir=${member.dataDir}`,
      `--enable-v2=${String(enableV2)}`,
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
      `--heartbeat-interval=${String(heartbeatMs)}`,
      `--election-timeout=${String(electionMs)}`,
      // 3.3 has neither flag and exits with its usage text
      ...(versionOf("etcd", bin)?.startsWith("3.3.") ? [] : ["--logger=zap", "--log-level=warn"]),
      ...(tls === undefined ? [] : tlsFlags(tls)),
      ...args,
    ];
    const member: Member = new Member({ name, url, peerUrl, folder: join(this.#folder, name), bin, tls, flags });
    this.#members.push(member);
    return member;
  }

  /** Kills every member, frozen ones too, and removes their data. */
  async stop(): Promise<void> {
    await Promise.all(this.#members.map((member) => member.kill()));
    this.#killAll();
    this.#forget();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  #killAll(): void {
    for (const member of this.#members) member.signal("SIGKILL");
    // with retries, since a process that was just killed may still be writing
    rmSync(this.#folder, { recursive: true, force: true, maxRetries: 10, retryDelay: 20 });
  }
}

function tlsFlags({ cert, key, ca, clientCertAuth = false }: TlsFiles): readonly string[] {
  return [
    `--cert-file=${cert}`,
    `--key-file=${key}`,
    `--trusted-ca-file=${ca}`,
    `--client-cert-auth=${String(clientCertAuth)}`,
  ];
}
