// A server that tests start, kill, freeze and restart: one plain process on 127.0.0.1.
import { spawn, type ChildProcess } from "node:child_process";
import { closeSync, existsSync, mkdirSync, openSync, readFileSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { dirname } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { atExit, ScriptError, watchExit } from "../../scripts/run.mjs";

/** How long a server may take to become healthy, in ms. It rarely takes 3 s. */
export const healthTimeoutMs = 30_000;
export const pollMs = 50;
/** How long it may take to end after SIGTERM, in ms. etcd 3.5 takes 5 s with a watch open. */
const terminateTimeoutMs = 10_000;

export interface ServerSpec {
  /** For messages. */
  readonly name: string;
  readonly bin: string;
  /** Called at each start. */
  readonly args: () => readonly string[];
  /** Receives all output, of every start. */
  readonly logFile: string;
}

export class ServerProcess {
  readonly #spec: ServerSpec;
  #running: { readonly process: ChildProcess; readonly ended: Promise<void> } | undefined;
  protected frozen = false;
  /** Its output, of every start. */
  readonly logFile: string;

  constructor(spec: ServerSpec) {
    this.#spec = spec;
    this.logFile = spec.logFile;
  }

  /** Undefined while it is down. */
  get pid(): number | undefined {
    return this.#running?.process.pid;
  }

  /** Whether it can be used. */
  healthy(): Promise<boolean> {
    return Promise.resolve(this.pid !== undefined);
  }

  /** Starts it, again on the same ports if it ran before, and waits until it is healthy. */
  async start(): Promise<void> {
    const { name, bin, args } = this.#spec;
    if (this.#running !== undefined) throw new Error(`${name} is running already`);
    mkdirSync(dirname(this.logFile), { recursive: true });
    const log = openSync(this.logFile, "a");
    // Only the PATH is passed on: etcd and Consul read flags from environment variables.
    const child = spawn(bin, args(), { env: { PATH: process.env["PATH"] }, stdio: ["ignore", log, log] });
    closeSync(log);
    const forget = atExit(() => child.kill("SIGKILL"));
    let failure: Error | undefined;
    const ended = new Promise<void>((resolve) => {
      child.once("exit", () => {
        resolve();
      });
      child.once("error", (error) => {
        failure = error;
        resolve();
      });
    }).then(() => {
      forget();
      if (this.#running === running) this.#running = undefined;
    });
    const running = { process: child, ended };
    this.#running = running;
    this.frozen = false;
    const deadlineMs = performance.now() + healthTimeoutMs;
    do {
      await Promise.race([sleep(pollMs), ended]);
      if (failure !== undefined) throw new ScriptError(`cannot run ${bin}: ${String(failure)}`);
      if (this.#running !== running) throw new ScriptError(`${name} ended while it started${this.#lastLogLines()}`);
      if (performance.now() > deadlineMs) {
        await this.kill();
        throw new ScriptError(
          `${name} was not healthy after ${String(healthTimeoutMs / 1_000)} s${this.#lastLogLines()}`,
        );
      }
    } while (!(await this.healthy()));
  }

  /** Sends SIGTERM (a cluster leader hands over first) and waits for the end. Kills it after 10 s. */
  async terminate(): Promise<void> {
    const running = this.#running;
    this.signal("SIGTERM");
    this.signal("SIGCONT");
    const timer = setTimeout(() => running?.process.kill("SIGKILL"), terminateTimeoutMs);
    await running?.ended;
    clearTimeout(timer);
  }

  /** Kills it and waits until it has ended. */
  async kill(): Promise<void> {
    const running = this.#running;
    this.signal("SIGKILL");
    await running?.ended;
  }

  /** Suspends the process: it accepts connections and does not respond. */
  freeze(): void {
    this.frozen = true;
    this.signal("SIGSTOP");
  }

  /** Resumes the process. */
  thaw(): void {
    this.frozen = false;
    this.signal("SIGCONT");
  }

  /** Does nothing while it is down. */
  signal(signal: NodeJS.Signals): void {
    this.#running?.process.kill(signal);
  }

  #lastLogLines(): string {
    if (!existsSync(this.logFile)) return "";
    const log = readFileSync(this.logFile, "utf8").trimEnd();
    // These two errors may be far above the end of the log.
    const complaint = /^.*(flag provided but not defined|address already in use).*$/m.exec(log)?.[0];
    return `; the end of its log:\n${complaint ?? log.split("\n").slice(-5).join("\n")}`;
  }
}

/** A server with a temporary folder. Ended by `stop`, by `await using`, and with this process. Its state is lost when it ends. */
export class ServerInFolder extends ServerProcess implements AsyncDisposable {
  readonly folder: string;
  readonly #forget = atExit(() => {
    this.end();
    this.#remove();
  });

  constructor(spec: ServerSpec, folder: string) {
    super(spec);
    this.folder = folder;
  }

  /** Kills it, frozen or not, and removes its folder. */
  async stop(): Promise<void> {
    await this.kill();
    this.#remove();
    this.#forget();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  /** Ends it without waiting. */
  protected end(): void {
    this.signal("SIGKILL");
  }

  #remove(): void {
    // with retries, since a process that was just killed may still be writing
    rmSync(this.folder, { recursive: true, force: true, maxRetries: 10, retryDelay: 20 });
  }
}

interface Attempt<T> {
  readonly start: () => Promise<T>;
  readonly giveUp: () => Promise<void>;
}

/** Starts a server. If another process has taken one of its ports meanwhile, tries again with new ones, up to five times in all. */
export async function startOnFreePorts<T>(prepare: () => Attempt<T> | Promise<Attempt<T>>): Promise<T> {
  // before anything is made that must be removed
  watchExit();
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

/**
 * Hundreds of ports, below 32768, where the ports for outgoing connections begin. A process listens on the first port of each
 * hundred that it uses, until it ends: so test files that run side by side have ports of their own, also while a member is down.
 */
const hundreds = 227;
let nextHundred = process.pid % hundreds;
/** Ports of hundreds that this process has claimed, which it has not used yet. */
let unused: number[] = [];

/** Ports without a listener. A process never gets the same port twice, so a member that is down keeps its ports. */
export async function freePorts(count: number): Promise<readonly number[]> {
  const ports: number[] = [];
  while (ports.length < count) {
    if (unused.length === 0) unused = await claimHundred();
    const port = unused.shift();
    if (port !== undefined && (await isFree(port))) ports.push(port);
  }
  return ports;
}

async function claimHundred(): Promise<number[]> {
  for (let looked = 0; looked < hundreds; looked++) {
    const first = 10_000 + 100 * nextHundred;
    nextHundred = (nextHundred + 1) % hundreds;
    if (await isClaimed(first)) return Array.from({ length: 99 }, (_, i) => first + 1 + i);
  }
  throw new ScriptError("all ports from 10000 to 32699 are in use on 127.0.0.1: end the programs that listen there");
}

/** Listens on a port as long as this process lives. Resolves to false if another one does. */
function isClaimed(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer().unref();
    server.once("error", () => {
      resolve(false);
    });
    server.listen(port, "127.0.0.1", () => {
      resolve(true);
    });
  });
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once("error", () => {
      resolve(false);
    });
    server.listen(port, "127.0.0.1", () => {
      server.close(() => {
        resolve(true);
      });
    });
  });
}
