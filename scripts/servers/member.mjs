// One etcd process of a cluster that etcd.mjs starts.
import { spawn } from "node:child_process";
import { closeSync, existsSync, mkdirSync, openSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { isHealthy, probe } from "./probe.mjs";
import { ScriptError } from "../run.mjs";

/** Longest a member may take to become healthy; 3 s is much already. */
export const healthTimeoutMs = 30_000;
export const pollMs = 50;
/** Longest a member may take to end on SIGTERM; 3.5 takes 5 s with a watch open. */
const terminateTimeoutMs = 10_000;

/**
 * @typedef {object} TlsFiles paths of PEM files
 * @property {string} cert the server's
 * @property {string} key the server's
 * @property {string} ca what client certificates are checked with
 * @property {boolean | undefined} [clientCertAuth] whether a client certificate is wanted; default: no
 * @property {string | undefined} [clientCert] what we ask for health with; default: cert
 * @property {string | undefined} [clientKey] what we ask for health with; default: key
 */

/** One etcd process, and what stays of it while it is down: its name, ports and data. */
export class Member {
  #spec;
  /** @type {{ process: import("node:child_process").ChildProcess, ended: Promise<void> } | undefined} */
  #running;
  #frozen = false;

  /** @param {{ name: string, url: string, peerUrl: string, folder: string, bin: string, tls: TlsFiles | undefined, flags: () => string[] }} spec */
  constructor(spec) {
    this.#spec = spec;
    /** @readonly */
    this.name = spec.name;
    /** Client URL. @readonly */
    this.url = spec.url;
    /** Where the other members find it. @readonly */
    this.peerUrl = spec.peerUrl;
    /** @readonly */
    this.dataDir = join(spec.folder, "data");
    /** Everything that etcd wrote, of all starts. @readonly */
    this.logFile = join(spec.folder, "log");
  }

  /** Undefined while it is down. @returns {number | undefined} */
  get pid() {
    return this.#running?.process.pid;
  }

  healthy() {
    return isHealthy(this.url, this.#probeOptions());
  }

  /** Whether it is the cluster leader: it says so, and is healthy; a cut-off former leader goes on saying it. */
  async leads() {
    try {
      // of a frozen one the answer would take until the timeout, and be no
      if (this.pid === undefined || this.#frozen) return false;
      const { body } = await probe(`${this.url}/v2/stats/self`, this.#probeOptions());
      return /** @type {{ state?: string }} */ (JSON.parse(body)).state === "StateLeader" && (await this.healthy());
    } catch {
      return false;
    }
  }

  /** Starts it, again on the same data and ports if it ran before, and waits until it is healthy. */
  async start() {
    if (this.#running !== undefined) throw new Error(`${this.name} is running already`);
    mkdirSync(this.#spec.folder, { recursive: true });
    const log = openSync(this.logFile, "a");
    // Nothing of our environment but the PATH: etcd takes every ETCD_* variable for a flag.
    const child = spawn(this.#spec.bin, this.#spec.flags(), {
      env: { PATH: process.env["PATH"] },
      stdio: ["ignore", log, log],
    });
    closeSync(log);
    /** @type {unknown} */
    let failure;
    const running = {
      process: child,
      ended: new Promise((/** @type {(value: void) => void} */ resolve) => {
        child.once("exit", () => resolve());
        child.once("error", (error) => {
          failure = error;
          resolve();
        });
      }).then(() => {
        if (this.#running === running) this.#running = undefined;
      }),
    };
    this.#running = running;
    this.#frozen = false;
    const deadlineMs = performance.now() + healthTimeoutMs;
    do {
      await Promise.race([sleep(pollMs), running.ended]);
      if (failure !== undefined) throw new ScriptError(`cannot run ${this.#spec.bin}: ${String(failure)}`);
      if (this.#running !== running)
        throw new ScriptError(`etcd ${this.name} ended while it started${this.#lastLogLines()}`);
      if (performance.now() > deadlineMs) {
        await this.kill();
        throw new ScriptError(
          `etcd ${this.name} was not healthy after ${healthTimeoutMs / 1_000} s${this.#lastLogLines()}`,
        );
      }
    } while (!(await this.healthy()));
  }

  /** Asks it to end (a cluster leader hands over first) and waits; killed when it takes longer than 10 s. */
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
    this.#frozen = true;
    this.signal("SIGSTOP");
  }

  thaw() {
    this.#frozen = false;
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

  #probeOptions() {
    const { tls } = this.#spec;
    if (tls === undefined) return {};
    return {
      tls: {
        ca: readFileSync(tls.ca),
        cert: readFileSync(tls.clientCert ?? tls.cert),
        key: readFileSync(tls.clientKey ?? tls.key),
      },
    };
  }

  #lastLogLines() {
    if (!existsSync(this.logFile)) return "";
    const log = readFileSync(this.logFile, "utf8").trimEnd();
    // These two may stand far above the end: before the usage text, or before what follows on a failed start.
    const complaint = /^.*(flag provided but not defined|address already in use).*$/m.exec(log)?.[0];
    return `; the end of its log:\n${complaint ?? log.split("\n").slice(-5).join("\n")}`;
  }
}
