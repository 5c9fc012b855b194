// A real Consul for tests: one server in development mode (it keeps nothing on disk), a plain process on 127.0.0.1.
import { spawn } from "node:child_process";
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { freePorts } from "./etcd.mjs";
import { consulVersion } from "./find-consul.mjs";
import { probe } from "./probe.mjs";
import { atExit, ScriptError } from "../run.mjs";

export { findConsul } from "./find-consul.mjs";

const readyTimeoutMs = 30_000;
const pollMs = 50;
/** Longest it may take to end on SIGTERM. */
const terminateTimeoutMs = 10_000;

/**
 * @typedef {object} ConsulOptions
 * @property {string} bin the consul to run, as findConsul gives it
 * @property {string | undefined} [node] its node's name; default: "node1"
 * @property {readonly string[] | undefined} [args] further flags
 */

/**
 * Starts a Consul, and waits until it leads and its node is healthy.
 *
 * @param {ConsulOptions} options
 * @returns {Promise<Consul>}
 */
export async function startConsul(options) {
  for (let attempt = 1; ; attempt++) {
    const [http, server, serfLan, serfWan] = /** @type {[number, number, number, number]} */ (await freePorts(4));
    const consul = new Consul(options, { http, server, serfLan, serfWan });
    try {
      await consul.start();
      return consul;
    } catch (error) {
      await consul.stop();
      // somebody else may take a port between our look and its bind
      if (attempt === 5 || !(error instanceof ScriptError) || !error.message.includes("address already in use"))
        throw error;
    }
  }
}

/** One Consul. Ended by `stop`, by `await using`, and with this process. Its state ends with the process. */
export class Consul {
  #flags;
  #bin;
  #folder = mkdtempSync(join(tmpdir(), "etcd2-consul-"));
  #forget = atExit(() => {
    this.#remove();
  });
  /** @type {{ process: import("node:child_process").ChildProcess, ended: Promise<void> } | undefined} */
  #running;

  /**
   * @param {ConsulOptions} options
   * @param {{ http: number, server: number, serfLan: number, serfWan: number }} ports
   */
  constructor({ bin, node = "node1", args = [] }, ports) {
    this.#bin = bin;
    /** Base URL of its HTTP API. @readonly */
    this.url = `http://127.0.0.1:${ports.http}`;
    /** @readonly */
    this.node = node;
    /** Everything that it wrote, of all starts. @readonly */
    this.logFile = join(this.#folder, "log");
    const [major = 0, minor = 0] = (consulVersion(bin) ?? "").split(".").map(Number);
    this.#flags = [
      "agent",
      "-dev",
      "-bind=127.0.0.1",
      "-client=127.0.0.1",
      `-node=${node}`,
      "-log-level=warn",
      "-disable-host-node-id",
      `-http-port=${ports.http}`,
      `-server-port=${ports.server}`,
      `-serf-lan-port=${ports.serfLan}`,
      `-serf-wan-port=${ports.serfWan}`,
      "-dns-port=-1",
      "-grpc-port=-1",
      ...(major > 1 || minor >= 14 ? ["-grpc-tls-port=-1"] : []),
      "-hcl",
      "disable_update_check = true",
      ...args,
    ];
  }

  /** Undefined while it is down. @returns {number | undefined} */
  get pid() {
    return this.#running?.process.pid;
  }

  /** Starts it, again on the same ports if it ran before, and waits until sessions and services can be made. */
  async start() {
    if (this.#running !== undefined) throw new Error("it is running already");
    const log = openSync(this.logFile, "a");
    // nothing of our environment but the PATH: it takes CONSUL_* variables for settings
    const child = spawn(this.#bin, this.#flags, { env: { PATH: process.env["PATH"] }, stdio: ["ignore", log, log] });
    closeSync(log);
    const running = {
      process: child,
      ended: new Promise((/** @type {(value: void) => void} */ resolve) => {
        child.once("exit", () => resolve());
        child.once("error", () => resolve());
      }).then(() => {
        if (this.#running === running) this.#running = undefined;
      }),
    };
    this.#running = running;
    const deadlineMs = performance.now() + readyTimeoutMs;
    do {
      await Promise.race([sleep(pollMs), running.ended]);
      if (this.#running !== running) throw new ScriptError(`consul ended while it started${this.#lastLogLines()}`);
      if (performance.now() > deadlineMs) {
        await this.kill();
        throw new ScriptError(`consul was not ready after ${readyTimeoutMs / 1_000} s${this.#lastLogLines()}`);
      }
    } while (!(await this.#ready()));
  }

  /** Asks it to end and waits; killed when it takes longer than 10 s. */
  async terminate() {
    const running = this.#running;
    this.signal("SIGTERM");
    this.signal("SIGCONT");
    const timer = setTimeout(() => running?.process.kill("SIGKILL"), terminateTimeoutMs);
    await running?.ended;
    clearTimeout(timer);
  }

  /** Ends it without warning and waits until it is gone. */
  async kill() {
    const running = this.#running;
    this.signal("SIGKILL");
    await running?.ended;
  }

  /** Stops its clock: it accepts connections and says nothing. */
  freeze() {
    this.signal("SIGSTOP");
  }

  thaw() {
    this.signal("SIGCONT");
  }

  /**
   * Does nothing while it is down.
   *
   * @param {NodeJS.Signals} signal
   */
  signal(signal) {
    this.#running?.process.kill(signal);
  }

  /** Ends it, frozen or not, and removes its log. */
  async stop() {
    await this.kill();
    this.#remove();
    this.#forget();
  }

  async [Symbol.asyncDispose]() {
    await this.stop();
  }

  /** Sessions need a node that the catalog knows, and that is healthy: a moment after there is a leader. */
  async #ready() {
    try {
      const { status, body } = await probe(`${this.url}/v1/health/node/${this.node}`);
      if (status !== 200) return false;
      const checks = /** @type {{ CheckID: string, Status: string }[]} */ (JSON.parse(body));
      return checks.some(({ CheckID, Status }) => CheckID === "serfHealth" && Status === "passing");
    } catch {
      return false;
    }
  }

  #lastLogLines() {
    const log = readFileSync(this.logFile, "utf8").trimEnd();
    const complaint = /^.*address already in use.*$/m.exec(log)?.[0];
    return `; the end of its log:\n${complaint ?? log.split("\n").slice(-5).join("\n")}`;
  }

  #remove() {
    this.signal("SIGKILL");
    rmSync(this.#folder, { recursive: true, force: true, maxRetries: 10, retryDelay: 20 });
  }
}
