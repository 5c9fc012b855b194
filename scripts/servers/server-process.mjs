// A server that tests start, kill and freeze: one plain process on 127.0.0.1, and what stays of it while it is down.
import { spawn } from "node:child_process";
import { closeSync, existsSync, mkdirSync, openSync, readFileSync } from "node:fs";
import { createServer } from "node:net";
import { dirname } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { ScriptError } from "../run.mjs";

/** Longest a server may take to become healthy, in ms; 3 s is much already. */
export const healthTimeoutMs = 30_000;
export const pollMs = 50;
/** Longest it may take to end on SIGTERM, in ms; etcd 3.5 takes 5 s with a watch open. */
const terminateTimeoutMs = 10_000;

/**
 * @typedef {object} ServerSpec
 * @property {string} name for messages
 * @property {string} bin
 * @property {() => readonly string[]} args read at each start
 * @property {string} logFile everything that it writes, of all starts
 */

export class ServerProcess {
  #spec;
  /** @type {{ process: import("node:child_process").ChildProcess, ended: Promise<void> } | undefined} */
  #running;
  /** @protected */
  frozen = false;

  /** @param {ServerSpec} spec */
  constructor(spec) {
    this.#spec = spec;
    /** Everything that it wrote, of all starts. @readonly */
    this.logFile = spec.logFile;
  }

  /** Undefined while it is down. @returns {number | undefined} */
  get pid() {
    return this.#running?.process.pid;
  }

  /** Whether it can be used. @returns {Promise<boolean>} */
  async healthy() {
    return this.pid !== undefined;
  }

  /** Starts it, again on the same ports if it ran before, and waits until it is healthy. */
  async start() {
    const { name, bin, args } = this.#spec;
    if (this.#running !== undefined) throw new Error(`${name} is running already`);
    mkdirSync(dirname(this.logFile), { recursive: true });
    const log = openSync(this.logFile, "a");
    // Only the PATH of our environment: etcd and Consul take variables of theirs for flags.
    const child = spawn(bin, args(), { env: { PATH: process.env["PATH"] }, stdio: ["ignore", log, log] });
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
    this.frozen = false;
    const deadlineMs = performance.now() + healthTimeoutMs;
    do {
      await Promise.race([sleep(pollMs), running.ended]);
      if (failure !== undefined) throw new ScriptError(`cannot run ${bin}: ${String(failure)}`);
      if (this.#running !== running) throw new ScriptError(`${name} ended while it started${this.#lastLogLines()}`);
      if (performance.now() > deadlineMs) {
        await this.kill();
        throw new ScriptError(`${name} was not healthy after ${healthTimeoutMs / 1_000} s${this.#lastLogLines()}`);
      }
    } while (!(await this.healthy()));
  }

  /** Asks it to end (a cluster leader hands over first) and waits; kills it after 10 s. */
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

  /** Stops the process: it accepts connections and does not respond. */
  freeze() {
    this.frozen = true;
    this.signal("SIGSTOP");
  }

  thaw() {
    this.frozen = false;
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

  #lastLogLines() {
    if (!existsSync(this.logFile)) return "";
    const log = readFileSync(this.logFile, "utf8").trimEnd();
    // These two may stand far above the end: before the usage text, or before what follows on a failed start.
    const complaint = /^.*(flag provided but not defined|address already in use).*$/m.exec(log)?.[0];
    return `; the end of its log:\n${complaint ?? log.split("\n").slice(-5).join("\n")}`;
  }
}

/**
 * Starts with new ports until no other process took one between our look and the server's bind: five times at most.
 *
 * @template T
 * @param {() => Promise<{ start: () => Promise<T>, giveUp: () => Promise<void> }>} prepare
 * @returns {Promise<T>}
 */
export async function startOnFreePorts(prepare) {
  for (let attempt = 1; ; attempt++) {
    const { start, giveUp } = await prepare();
    try {
      return await start();
    } catch (error) {
      await giveUp();
      const taken = error instanceof ScriptError && error.message.includes("address already in use");
      if (!taken || attempt === 5) throw error;
    }
  }
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
      throw new ScriptError("no free port below 32768 on 127.0.0.1: end a program that listens there");
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
