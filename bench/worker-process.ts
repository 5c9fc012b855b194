import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { createInterface, type Interface } from "node:readline";
import { atExit, ScriptError } from "../scripts/run.mjs";
import type { Closed, Idle, IdleTask, LoadTask, Measured, Seen, Task, WatchTask } from "./protocol.js";

/** Longest wait for one line of a worker. */
const answerMs = 60_000;

/** A subject's process, and the way to give it tasks, one at a time. Ends when it is disposed of, and with this process. */
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
    // that it could not be started, or is gone, is seen by the end of its lines
    child.on("error", () => undefined);
    child.stdin.on("error", () => undefined);
    this.#reader = createInterface({ input: child.stdout });
    this.#lines = this.#reader[Symbol.asyncIterator]();
  }

  load(task: LoadTask): Promise<Measured> {
    this.#send(task);
    return this.#receive<Measured>();
  }

  /** `write` is called for each event that the watchers shall see: the warm-ups, then until `ms` are over. */
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
    const timer = setTimeout(() => this.#child.kill("SIGKILL"), answerMs);
    const next = await this.#lines.next();
    clearTimeout(timer);
    if (next.done === true)
      throw new ScriptError(
        `bench: the process of ${this.#name} ended, or was silent for ${String(answerMs / 1_000)} s`,
      );
    return JSON.parse(next.value) as T;
  }
}
