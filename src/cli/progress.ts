import { clearLine, cursorTo } from "node:readline";
import type { Io } from "./io.js";

/** Between two updates, in ms: on a terminal, as JSON, and elsewhere. */
const terminalMs = 100;
const jsonMs = 1_000;
const logMs = 10_000;

/** Further figures about a command's progress; undefined ones are left out. */
export interface ProgressDetails {
  /** How many there are in all. */
  readonly total?: number | undefined;
  /** How many changes are waiting. */
  readonly lag?: number | undefined;
  /** How many keys could not be written because another writer had written them. */
  readonly conflicts?: number | undefined;
}

export interface ProgressOptions {
  /** What is being done: "export". */
  readonly phase: string;
  /** Where JSON goes; undefined: progress is text on stderr. */
  readonly json: NodeJS.WritableStream | undefined;
  /** Asked at each update. */
  readonly details?: () => ProgressDetails;
}

/** Shows how far a long command is: one line that is redrawn on a terminal, a line now and then elsewhere. */
export class Progress {
  readonly #io: Io;
  readonly #options: ProgressOptions;
  readonly #beganMs = performance.now();
  readonly #isTerminal: boolean;
  #shownMs = performance.now();
  #done = 0;
  #at: string | undefined;

  constructor(io: Io, options: ProgressOptions) {
    this.#io = io;
    this.#options = options;
    this.#isTerminal = options.json === undefined && io.stderr.isTTY === true;
  }

  /** How many are done. */
  get done(): number {
    return this.#done;
  }

  /** One more is done. @param at the key, for people */
  step(at: string): void {
    this.#done++;
    this.#at = at;
    this.update();
  }

  /** Shows the progress, unless that was done just now. */
  update(): void {
    const nowMs = performance.now();
    const everyMs = this.#options.json !== undefined ? jsonMs : this.#isTerminal ? terminalMs : logMs;
    if (nowMs - this.#shownMs < everyMs) return;
    this.#shownMs = nowMs;
    this.#show();
  }

  /** Clears the line on a terminal, so that other text can follow. */
  clear(): void {
    if (!this.#isTerminal) return;
    cursorTo(this.#io.stderr, 0);
    clearLine(this.#io.stderr, 0);
  }

  /** Reports how it ended. @param exit the exit code; absent: the command goes on with something else */
  end(exit?: number): void {
    this.clear();
    const { phase, json } = this.#options;
    const seconds = ((performance.now() - this.#beganMs) / 1_000).toFixed(1);
    if (json === undefined) this.#io.stderr.write(`${phase}: ${this.#text()} in ${seconds} s\n`);
    else json.write(`${JSON.stringify({ phase, done: this.#done, ...this.#details(), exit })}\n`);
  }

  #details(): ProgressDetails {
    return this.#options.details?.() ?? {};
  }

  #show(): void {
    const { phase, json } = this.#options;
    const at = this.#at;
    if (json !== undefined) {
      json.write(`${JSON.stringify({ phase, done: this.#done, ...this.#details(), at })}\n`);
      return;
    }
    const line = `${phase}: ${this.#text()}${at === undefined ? "" : `, at ${printable(at)}`}`;
    this.clear();
    this.#io.stderr.write(this.#isTerminal ? line : `${line}\n`);
  }

  #text(): string {
    const { total, lag, conflicts } = this.#details();
    const of = total === undefined ? "" : ` of ${String(total)}`;
    const waiting = lag === undefined ? "" : `, ${String(lag)} waiting`;
    const kept = conflicts === undefined || conflicts === 0 ? "" : `, ${String(conflicts)} conflicts`;
    return `${String(this.#done)}${of} keys${waiting}${kept}`;
  }
}

/** A key on one line of at most 60 columns, without control characters. */
export function printable(key: string): string {
  const plain = key.replace(/\p{C}/gu, "?");
  return plain.length <= 60 ? plain : `...${plain.slice(-57)}`;
}
