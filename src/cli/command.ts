import type { ParseArgsConfig } from "node:util";
import type { Client, ClientOptions, Credentials } from "../core/index.js";
import type { Io } from "./io.js";
import type { Output } from "./output.js";

/** The options of a command as `parseArgs` takes them. */
export type OptionTable = NonNullable<ParseArgsConfig["options"]>;

/** The options of a command line, checked against the table. */
export type Values = Readonly<Record<string, string | boolean | (string | boolean)[] | undefined>>;

/** The API by which a command speaks to the servers. */
export type ProtocolName = "v2" | "v3";

/** One of the commands: `etcd2 NAME ...`. */
export interface Command {
  /** One line for the list of commands. */
  readonly summary: string;
  /** The API to use if neither `--protocol` nor `ETCD_PROTOCOL` names one. @default "v2" */
  readonly protocol?: ProtocolName;
  /** What follows the name in the usage line: "[-r] DIR". */
  readonly usage: string;
  /** Its own options, each with a line of help. */
  readonly options: OptionTable;
  /** A line of help for each of its options, and for common options that have another meaning here. */
  readonly help: Readonly<Record<string, string>>;
  /** Command lines to learn from; at least one. */
  readonly examples: readonly string[];
  /** How many arguments it takes. */
  readonly args: { readonly min: number; readonly max: number };
  /**
   * Runs the command. Resolves to the exit code; undefined is 0.
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
  /** Aborts when the command is interrupted. */
  readonly signal: AbortSignal;
  /** The API to use. */
  readonly protocol: ProtocolName;
  /** Makes the client that the common options describe. Asks for a missing password. The client is closed when the command ends. */
  readonly connect: (options?: ConnectOptions) => Promise<Client>;
  /** The user that the common options name. Asks for a missing password. Undefined: they name no user. */
  readonly credentials: () => Promise<Credentials | undefined>;
}

/** How to connect. */
export interface ConnectOptions {
  /** Leaves out the user that the common options name. @default false */
  readonly anonymous?: boolean;
  /** Speaks the v2 API, or the one that the command itself chooses, whatever the common options name. @default false */
  readonly isPlain?: boolean;
  /** What goes before the common options. Absent: nothing. */
  readonly client?: Partial<ClientOptions>;
}
