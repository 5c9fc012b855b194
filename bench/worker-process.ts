import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { createInterface, type Interface } from "node:readline";
import type { Closed, Idle, Measured, Ready, Seen, Task } from "./protocol.js";

/** A subject's process, and the way to give it tasks, one at a time. */
export class WorkerProcess implements AsyncDisposable {
  readonly #child: ChildProcess;
  readonly #lines: AsyncIterator<string>;
  readonly #reader: Interface;
  readonly #name: string;

  constructor(name: string, command: string, args: readonly string[]) {
    this.#name = name;
    const child = spawn(command, args, { stdio: ["pipe", "pipe", "inherit"] });
    this.#child = child;
    this.#reader = createInterface({ input: child.stdout });
    this.#lines = this.#reader[Symbol.asyncIterator]();
  }

  load(task: Extract<Task, { kind: "get" | "put" | "list" }>): Promise<Measured> {
    this.#send(task);
    return this.#receive<Measured>();
  }

  /** `write` is called for each event that the watchers shall see, until `ms` are over. */
  async watch(task: Extract<Task, { kind: "watch" }>, ms: number, write: () => Promise<void>): Promise<Measured> {
    this.#send(task);
    await this.#receive<Ready>();
    const endMs = performance.now() + ms;
    while (performance.now() < endMs) {
      await write();
      await this.#receive<Seen>();
    }
    this.#send({ kind: "stop" });
    return this.#receive<Measured>();
  }

  async idle(key: string, watchers: number): Promise<Idle & Closed> {
    this.#send({ kind: "idle", key, watchers });
    const idle = await this.#receive<Idle>();
    this.#send({ kind: "close" });
    return { ...idle, ...(await this.#receive<Closed>()) };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#reader.close();
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const ended = once(this.#child, "exit");
    this.#child.kill("SIGKILL");
    await ended;
  }

  #send(task: Task): void {
    this.#child.stdin?.write(`${JSON.stringify(task)}\n`);
  }

  async #receive<T>(): Promise<T> {
    const next = await this.#lines.next();
    if (next.done === true) throw new Error(`the process of ${this.#name} ended`);
    return JSON.parse(next.value) as T;
  }
}
