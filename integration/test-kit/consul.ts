// A real Consul for tests: one server in development mode (nothing on disk), a plain process on 127.0.0.1.
import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { probe } from "../../scripts/servers/probe.mjs";
import { versionOf } from "../../scripts/servers/programs.mjs";
import { freePorts, ServerInFolder, startOnFreePorts } from "./server-process.js";

export interface ConsulOptions {
  /** The consul to run, from `find`. */
  readonly bin: string;
  /** Its node's name. @default "node1" */
  readonly node?: string | undefined;
  /** Further flags. */
  readonly args?: readonly string[] | undefined;
}

/** Starts a Consul, and waits until it leads and its node is healthy. */
export function startConsul(options: ConsulOptions): Promise<Consul> {
  return startOnFreePorts(async () => {
    const consul = new Consul(options, await freePorts(4));
    return { start: () => consul.start().then(() => consul), giveUp: () => consul.stop() };
  });
}

/** One Consul. Ended by `stop`, by `await using`, and with this process. Its state is lost when it ends. */
export class Consul extends ServerInFolder {
  /** Base URL of its HTTP API. */
  readonly url: string;
  /** The address at which servers of other datacenters join it. */
  readonly wanAddress: string;
  readonly node: string;

  constructor({ bin, node = "node1", args = [] }: ConsulOptions, ports: readonly number[]) {
    const folder = mkdtempSync(join(tmpdir(), "etcd2-consul-"));
    const [http, server, serfLan, serfWan] = ports.map(String);
    const [major = 0, minor = 0] = (versionOf("consul", bin) ?? "").split(".").map(Number);
    const flags = [
      "agent",
      "-dev",
      "-bind=127.0.0.1",
      "-client=127.0.0.1",
      `-node=${node}`,
      "-log-level=warn",
      "-disable-host-node-id",
      `-http-port=${http ?? ""}`,
      `-server-port=${server ?? ""}`,
      `-serf-lan-port=${serfLan ?? ""}`,
      `-serf-wan-port=${serfWan ?? ""}`,
      "-dns-port=-1",
      "-grpc-port=-1",
      ...(major > 1 || minor >= 14 ? ["-grpc-tls-port=-1"] : []),
      "-hcl",
      "disable_update_check = true",
      ...args,
    ];
    super({ name: "consul", bin, args: () => flags, logFile: join(folder, "log") }, folder);
    this.url = `http://127.0.0.1:${http ?? ""}`;
    this.wanAddress = `127.0.0.1:${serfWan ?? ""}`;
    this.node = node;
  }

  /** Sessions need a healthy node in the catalog, which there is a moment after the leader is elected. */
  override async healthy(): Promise<boolean> {
    try {
      const { status, body } = await probe(`${this.url}/v1/health/node/${this.node}`);
      if (status !== 200) return false;
      const checks = JSON.parse(body) as readonly { readonly CheckID: string; readonly Status: string }[];
      return checks.some(({ CheckID, Status }) => CheckID === "serfHealth" && Status === "passing");
    } catch {
      return false;
    }
  }
}
