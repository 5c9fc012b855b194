import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { createInterface, type Interface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { atExit, ScriptError } from "../scripts/run.mjs";
import type { FakeTimes } from "./fake.js";

/** A request to a worker process, one line of JSON, as are its responses. The worker in Go speaks the same protocol. */
export type Task =
  LoadTask | WatchTask | FollowTask | DecodeTask | IdleTask | { readonly kind: "mark" | "stop" | "close" };

/** Run `concurrency` operations at a time, without a pause, for `ms`. The response is {@link Measured}. */
export interface LoadTask {
  /** `ttl` is a PUT with a TTL; `connect` a GET on a new connection of a new client. */
  readonly kind: "get" | "put" | "ttl" | "list" | "connect";
  readonly key: string;
  readonly concurrency: number;
  readonly ms: number;
  /** Pass one long-lived `AbortSignal` to each call. For the SDK only. */
  readonly signal?: boolean;
}

/**
 * Open `watchers` watchers of one key. The worker sends {@link Seen} for each event once every watcher has it. The first
 * `warmUps` events are not measured. "stop" ends the task; its response is {@link Measured}, where an operation is one
 * event at one watcher.
 */
export interface WatchTask {
  readonly kind: "watch";
  readonly key: string;
  readonly afterIndex: number;
  readonly watchers: number;
  readonly warmUps: number;
  /** Whether they watch everything below the key. */
  readonly recursive?: boolean;
}

/**
 * Follow everything below a key that many writes change. The response is {@link Seen} after `warmUps` events.
 * "mark" begins measuring, "stop" ends it; its response is {@link Followed}, where an operation is one event.
 */
export interface FollowTask {
  readonly kind: "follow" | "mirror";
  readonly key: string;
  readonly warmUps: number;
}

/** Compare the decoding of a recursive read with `JSON.parse` of the same body. The response is {@link Decoded}. For the SDK only. */
export interface DecodeTask {
  readonly kind: "decode";
  readonly key: string;
  /** How often each of the two is done in one turn, and how many turns there are. */
  readonly times: number;
  readonly turns: number;
}

/**
 * Open `watchers` watchers, each of its own key, which never see an event. The response is {@link Idle}. "close" closes
 * them; its response is {@link Closed}.
 */
export interface IdleTask {
  readonly kind: "idle";
  readonly key: string;
  readonly watchers: number;
}

/** The result of one task. Times are in µs, memory in bytes. */
export interface Measured {
  readonly operations: number;
  readonly perSecond: number;
  readonly p50: number;
  readonly p99: number;
  /** User and system time of this process alone. */
  readonly cpuPerOperation: number;
  readonly rss: number;
}

/** What following a busy directory cost. */
export interface Followed extends Measured {
  /** How often etcd's history ran out, so that everything had to be read again. */
  readonly cleared: number;
  /** How often a mirror has read everything again. */
  readonly lists: number;
}

/** CPU in µs for one body, of each turn, and wall time in ms. */
export interface Decoded {
  /** Of `JSON.parse`, decoding UTF-8 included. */
  readonly parseCpu: readonly number[];
  /** Of the same and everything that makes a `KeysResponse` of it. */
  readonly decodeCpu: readonly number[];
  /** How long `JSON.parse` alone takes. */
  readonly parseMs: readonly number[];
  /** The longest time for which the event loop stood still during a read over the network, for each read. */
  readonly stallMs: readonly number[];
}

/** One event has arrived at every watcher. */
export interface Seen {
  /** Events so far, warm-ups included. */
  readonly seen: number;
}

/** How much the memory of the process grew by all watchers together, in bytes. */
export interface Idle {
  readonly rss: number;
  readonly heap: number;
}

/** How long closing all watchers took. */
export interface Closed {
  readonly closeMs: number;
}

/** Connections are opened this many at a time, with a pause in between: more at once would overflow the server's queue. */
export const openAtOnce = 100;
export const openPauseMs = 5;

/** A measurement of one subject in one round. Absolute figures depend on what else the machine does: compare within a round. */
export interface Taken {
  readonly round: number;
  /** Name of a subject, with {@link withSignal} appended when it was given a signal. */
  readonly subject: string;
}

/** What follows the name of a subject that was given a signal with each call. */
export const withSignal = ", with a signal";

/** One scenario, measured once. */
export interface Round extends Taken {
  readonly scenario: string;
  readonly measured: Measured & Partial<Followed>;
}

/** The comparison of one body's decoding with `JSON.parse`. */
export interface DecodedBody extends Decoded {
  readonly keys: number;
}

/** Bytes per watcher, and ms for closing all of them. */
export interface IdleRound extends Taken {
  readonly rss: number;
  readonly heap: number;
  readonly closeMs: number;
}

/** How long a process that has just started takes, in ms above bare Node. */
export interface ImportTimes {
  readonly name: string;
  /** Of each run. */
  readonly importMs: readonly number[];
  /** Of each run, import included. */
  readonly firstGetMs: readonly number[];
}

/** The size of an install on the disk. */
export interface Size {
  readonly name: string;
  readonly packages: number;
  readonly bytes: number;
}

/** Results under another version of Node. When there is no such Node, `problem` says why and there are no rounds. */
export interface OtherNodeResults {
  readonly major: number;
  readonly version?: string;
  readonly problem?: string;
  readonly rounds: readonly Round[];
}

/** Everything that the report shows. */
export interface Results {
  readonly environment: string;
  /** The version of Node that most of it was measured on. */
  readonly node: string;
  readonly rounds: readonly Round[];
  readonly decoded: readonly DecodedBody[];
  readonly otherNodes: readonly OtherNodeResults[];
  readonly idleWatchers: number;
  readonly idle: readonly IdleRound[];
  readonly imports: readonly ImportTimes[];
  readonly sizes: readonly Size[];
  readonly fake: FakeTimes;
}

/** How long a worker may take to send a line, in ms. */
const responseTimeoutMs = 60_000;

/** A subject's process. It takes one task at a time. It is killed on dispose, and when this process ends. */
export class WorkerProcess implements AsyncDisposable {
  readonly #child: ChildProcess;
  readonly #lines: AsyncIterator<string>;
  readonly #reader: Interface;
  readonly #name: string;
  readonly #forget: () => void;

  constructor(name: string, command: string, args: readonly string[]) {
    this.#name = name;
    const child = spawn(command, args, { stdio: ["pipe", "pipe", "inherit"] });
    this.#child = child;
    this.#forget = atExit(() => {
      child.kill("SIGKILL");
    });
    // a failed start and a dead process both end the lines, which #receive reports
    child.on("error", () => undefined);
    child.stdin.on("error", () => undefined);
    this.#reader = createInterface({ input: child.stdout });
    this.#lines = this.#reader[Symbol.asyncIterator]();
  }

  /** Runs a load and resolves to its figures. */
  load(task: LoadTask): Promise<Measured> {
    this.#send(task);
    return this.#receive<Measured>();
  }

  /** Opens the watchers, and calls `write` for one event after the other: the warm-ups, then more until `ms` have passed. */
  async watch(task: WatchTask, ms: number, write: () => Promise<unknown>): Promise<Measured> {
    this.#send(task);
    let endMs = Infinity;
    for (let written = 0; performance.now() < endMs; written++) {
      if (written === task.warmUps) endMs = performance.now() + ms;
      await write();
      await this.#receive<Seen>();
    }
    this.#send({ kind: "stop" });
    return this.#receive<Measured>();
  }

  /** Follows a busy directory: warms up, and measures for `ms`. `write` writes until its signal aborts. */
  async follow(task: FollowTask, ms: number, write: (ended: AbortSignal) => Promise<void>): Promise<Followed> {
    const end = new AbortController();
    this.#send(task);
    const writing = write(end.signal);
    try {
      await this.#receive<Seen>();
      this.#send({ kind: "mark" });
      await sleep(ms);
      this.#send({ kind: "stop" });
      return await this.#receive<Followed>();
    } finally {
      end.abort();
      await writing;
    }
  }

  /** Compares decoding with `JSON.parse`. */
  decode(task: DecodeTask): Promise<Decoded> {
    this.#send(task);
    return this.#receive<Decoded>();
  }

  /** Opens idle watchers, measures their memory, and closes them. */
  async idle(task: IdleTask): Promise<Idle & Closed> {
    this.#send(task);
    const idle = await this.#receive<Idle>();
    this.#send({ kind: "close" });
    return { ...idle, ...(await this.#receive<Closed>()) };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#reader.close();
    const { pid, exitCode, signalCode } = this.#child;
    if (pid !== undefined && exitCode === null && signalCode === null) {
      const ended = once(this.#child, "exit");
      this.#child.kill("SIGKILL");
      await ended;
    }
    this.#forget();
  }

  #send(task: Task): void {
    this.#child.stdin?.write(`${JSON.stringify(task)}\n`);
  }

  async #receive<T>(): Promise<T> {
    const timer = setTimeout(() => this.#child.kill("SIGKILL"), responseTimeoutMs);
    const next = await this.#lines.next();
    clearTimeout(timer);
    if (next.done === true)
      throw new ScriptError(
        `bench: the process of ${this.#name} ended, or sent nothing for ${String(responseTimeoutMs / 1_000)} s`,
      );
    return JSON.parse(next.value) as T;
  }
}
