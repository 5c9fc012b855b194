import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { createInterface, type Interface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { atExit, ScriptError } from "../scripts/run.mjs";
import type {
  Closed,
  Decoded,
  DecodeTask,
  Followed,
  FollowTask,
  Idle,
  IdleTask,
  LoadTask,
  Measured,
  Seen,
  Task,
  WatchTask,
} from "./protocol.js";

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
