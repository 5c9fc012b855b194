import { clearLine, cursorTo } from "node:readline";
import type { Io } from "./io.js";

/** Between two updates, in ms: on a terminal, as JSON, and elsewhere. */
const terminalMs = 100;
const jsonMs = 1_000;
const logMs = 10_000;

export interface ProgressOptions {
  /** What is being done: "exporting". */
  readonly phase: string;
  /** Where JSON goes; undefined: progress is text on stderr. */
  readonly json: NodeJS.WritableStream | undefined;
}

/** Shows how far a long command is: one line that is redrawn on a terminal, a line now and then elsewhere. */
export class Progress {
  readonly #io: Io;
  readonly #options: ProgressOptions;
  readonly #beganMs = performance.now();
  readonly #isTerminal: boolean;
  #shownMs = performance.now();
  #done = 0;

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
    const nowMs = performance.now();
    const everyMs = this.#options.json !== undefined ? jsonMs : this.#isTerminal ? terminalMs : logMs;
    if (nowMs - this.#shownMs < everyMs) return;
    this.#shownMs = nowMs;
    this.#show(at);
  }

  /** Clears the line on a terminal, so that other text can follow. */
  clear(): void {
    if (!this.#isTerminal) return;
    cursorTo(this.#io.stderr, 0);
    clearLine(this.#io.stderr, 0);
  }

  /** Says how it ended. @param exit the exit code */
  end(exit: number): void {
    this.clear();
    const { phase, json } = this.#options;
    const seconds = ((performance.now() - this.#beganMs) / 1_000).toFixed(1);
    if (json === undefined) this.#io.stderr.write(`${phase}: ${String(this.#done)} keys in ${seconds} s\n`);
    else json.write(`${JSON.stringify({ phase, done: this.#done, exit })}\n`);
  }

  #show(at: string): void {
    const { phase, json } = this.#options;
    if (json !== undefined) json.write(`${JSON.stringify({ phase, done: this.#done, at })}\n`);
    else if (this.#isTerminal) {
      this.clear();
      this.#io.stderr.write(`${phase}: ${String(this.#done)} keys, at ${printable(at)}`);
    } else this.#io.stderr.write(`${phase}: ${String(this.#done)} keys, at ${printable(at)}\n`);
  }
}

/** A key on one line of at most 60 columns, without control characters. */
function printable(key: string): string {
  const plain = key.replace(/\p{C}/gu, "?");
  return plain.length <= 60 ? plain : `...${plain.slice(-57)}`;
}
