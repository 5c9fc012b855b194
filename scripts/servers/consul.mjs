// A real Consul for tests: one server in development mode (nothing on disk), a plain process on 127.0.0.1.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { atExit } from "../run.mjs";
import { probe } from "./probe.mjs";
import { versionOf } from "./programs.mjs";
import { freePorts, ServerProcess, startOnFreePorts } from "./server-process.mjs";

export { findConsul } from "./programs.mjs";

/**
 * @typedef {object} ConsulOptions
 * @property {string} bin the consul to run, from findConsul
 * @property {string | undefined} [node] its node's name; default: "node1"
 * @property {readonly string[] | undefined} [args] further flags
 */

/**
 * Starts a Consul, and waits until it leads and its node is healthy.
 *
 * @param {ConsulOptions} options
 * @returns {Promise<Consul>}
 */
export function startConsul(options) {
  return startOnFreePorts(async () => {
    const consul = new Consul(options, await freePorts(4));
    return { start: () => consul.start().then(() => consul), giveUp: () => consul.stop() };
  });
}

/** One Consul. Ended by `stop`, by `await using`, and with this process. Its state is lost when it ends. */
export class Consul extends ServerProcess {
  #folder;
  #forget = atExit(() => {
    this.#remove();
  });

  /**
   * @param {ConsulOptions} options
   * @param {readonly number[]} ports
   */
  constructor({ bin, node = "node1", args = [] }, [http, server, serfLan, serfWan]) {
    const folder = mkdtempSync(join(tmpdir(), "etcd2-consul-"));
    const [major = 0, minor = 0] = (versionOf("consul", bin) ?? "").split(".").map(Number);
    const flags = [
      "agent",
      "-dev",
      "-bind=127.0.0.1",
      "-client=127.0.0.1",
      `-node=${node}`,
      "-log-level=warn",
      "-disable-host-node-id",
      `-http-port=${http}`,
      `-server-port=${server}`,
      `-serf-lan-port=${serfLan}`,
      `-serf-wan-port=${serfWan}`,
      "-dns-port=-1",
      "-grpc-port=-1",
      ...(major > 1 || minor >= 14 ? ["-grpc-tls-port=-1"] : []),
      "-hcl",
      "disable_update_check = true",
      ...args,
    ];
    super({ name: "consul", bin, args: () => flags, logFile: join(folder, "log") });
    this.#folder = folder;
    /** Base URL of its HTTP API. @readonly */
    this.url = `http://127.0.0.1:${http}`;
    /** The address at which servers of other datacenters join it. @readonly */
    this.wanAddress = `127.0.0.1:${serfWan}`;
    /** @readonly */
    this.node = node;
  }

  /** Sessions need a healthy node in the catalog, which there is a moment after the leader is elected. @override */
  async healthy() {
    try {
      const { status, body } = await probe(`${this.url}/v1/health/node/${this.node}`);
      if (status !== 200) return false;
      const checks = /** @type {{ CheckID: string, Status: string }[]} */ (JSON.parse(body));
      return checks.some(({ CheckID, Status }) => CheckID === "serfHealth" && Status === "passing");
    } catch {
      return false;
    }
  }

  /** Kills it, frozen or not, and removes its log. */
  async stop() {
    await this.kill();
    this.#remove();
    this.#forget();
  }

  async [Symbol.asyncDispose]() {
    await this.stop();
  }

  #remove() {
    this.signal("SIGKILL");
    rmSync(this.#folder, { recursive: true, force: true, maxRetries: 10, retryDelay: 20 });
  }
}
