import type { ParseArgsConfig } from "node:util";
import type { Client } from "../core/index.js";
import type { Io } from "./io.js";
import type { Output } from "./output.js";

/** The options of a command as `parseArgs` takes them. */
export type OptionTable = NonNullable<ParseArgsConfig["options"]>;

/** What was given on the command line, checked against the table. */
export type Values = Readonly<Record<string, string | boolean | (string | boolean)[] | undefined>>;

/** One of the commands: `etcd2 NAME ...`. */
export interface Command {
  /** One line for the list of commands. */
  readonly summary: string;
  /** What follows the name, for people: "[-r] DIR". */
  readonly usage: string;
  /** Its own options, each with a line of help. */
  readonly options: OptionTable;
  /** A line of help for each of its options. */
  readonly help: Readonly<Record<string, string>>;
  /** Command lines to learn from; at least one. */
  readonly examples: readonly string[];
  /** How many arguments it takes. */
  readonly args: { readonly min: number; readonly max: number };
  /**
   * Does it. What it returns is the exit code; without one it is 0.
   *
   * @throws {BadUsage} before anything was sent
   */
  readonly run: (context: Context) => Promise<number | undefined>;
}

/** What a command is given. */
export interface Context {
  readonly args: readonly string[];
  readonly values: Values;
  readonly io: Io;
  readonly out: Output;
  /** Ends when somebody interrupts the command. */
  readonly signal: AbortSignal;
  /** Makes the client that the common options describe; closed at the end. Asks for the password if need be. */
  readonly connect: () => Promise<Client>;
}
