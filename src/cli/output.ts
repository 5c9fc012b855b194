import { once } from "node:events";
import { styleText } from "node:util";
import type { Io } from "./io.js";

type Colour = Parameters<typeof styleText>[0];

/** Writes results to stdout, as text or as one JSON object a line. */
export class Output {
  /** Whether results are JSON. */
  readonly json: boolean;
  readonly #io: Io;
  readonly #isColoured: boolean;

  constructor(io: Io, json: boolean) {
    this.json = json;
    this.#io = io;
    this.#isColoured = io.stdout.isTTY === true && (io.env["NO_COLOR"] ?? "") === "" && io.env["TERM"] !== "dumb";
  }

  /** Writes one result. Waits for a slow reader. */
  async line(text: string, fields: object): Promise<void> {
    await this.raw(`${this.json ? JSON.stringify(fields) : text}\n`);
  }

  /** Writes text as it is. */
  async raw(text: string): Promise<void> {
    if (!this.#io.stdout.write(text)) await once(this.#io.stdout, "drain", { signal: this.#io.signal });
  }

  /** Colours text, if stdout is a terminal and `NO_COLOR` is not set. */
  coloured(colour: Colour, text: string): string {
    return this.#isColoured && !this.json ? styleText(colour, text) : text;
  }
}
