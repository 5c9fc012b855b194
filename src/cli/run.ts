import { parseArgs } from "node:util";
import type { Client } from "../core/index.js";
import type { Command, Values } from "./command.js";
import { commands } from "./commands.js";
import { commonOptions, connect, credentialsOf, protocolOf } from "./common.js";
import { exitCodeOf } from "./exit-code.js";
import { commandHelp, generalHelp } from "./help.js";
import { BadUsage, type Io } from "./io.js";
import { Output } from "./output.js";
import { packageVersion } from "./version.js";

/**
 * Runs one command line. Never rejects; what went wrong is one line on stderr.
 *
 * @param argv without the names of node and the program
 * @returns the exit code: 0 done, 1 the server refused, 2 wrong usage, 3 no endpoint answered, 128 + signal if interrupted
 */
export async function run(argv: readonly string[], io: Io): Promise<number> {
  try {
    return await dispatch(argv, io);
  } catch (error) {
    const reason: unknown = io.signal.aborted ? io.signal.reason : error;
    io.stderr.write(`etcd2: ${lineOf(reason)}\n`);
    return exitCodeOf(reason);
  }
}

async function dispatch(argv: readonly string[], io: Io): Promise<number> {
  const { name, rest } = splitCommand(argv);
  if (name === undefined) {
    const values = parse(rest, {}).values;
    if (values["version"] === true) io.stdout.write(`${packageVersion()}\n`);
    else if (values["help"] === true) io.stdout.write(generalHelp());
    else throw new BadUsage("no command was given; etcd2 --help lists them");
    return 0;
  }
  const command = commands.get(name);
  if (command === undefined) throw new BadUsage(`there is no command ${JSON.stringify(name)}; etcd2 --help lists them`);
  const { values, positionals } = parse(rest, command.options);
  if (values["version"] === true || values["help"] === true) {
    io.stdout.write(values["help"] === true ? commandHelp(name, command) : `${packageVersion()}\n`);
    return 0;
  }
  const { min, max } = command.args;
  if (positionals.length < min || positionals.length > max)
    throw new BadUsage(`usage: etcd2 ${name}${command.usage === "" ? "" : ` ${command.usage}`}`);
  return execute(command, positionals, values, io);
}

async function execute(command: Command, args: readonly string[], values: Values, io: Io): Promise<number> {
  const clients: Client[] = [];
  const protocol = protocolOf(values, io, command.protocol ?? "v2");
  const credentials = (): ReturnType<typeof credentialsOf> => credentialsOf(values, io);
  try {
    const code = await command.run({
      args,
      values,
      io,
      out: new Output(io, values["json"] === true),
      signal: io.signal,
      protocol,
      credentials,
      connect: async ({ anonymous = false, isPlain = false, client: more = {} } = {}) => {
        const nobody = (): Promise<undefined> => Promise.resolve(undefined);
        const spoken = isPlain ? undefined : protocol;
        const client = await connect(values, io, spoken, anonymous ? nobody : credentials, more);
        clients.push(client);
        return client;
      },
    });
    return code ?? 0;
  } finally {
    await Promise.all(clients.map((client) => client.close()));
  }
}

/** Finds the command: the first argument that is not an option or the value of one. */
function splitCommand(argv: readonly string[]): {
  readonly name: string | undefined;
  readonly rest: readonly string[];
} {
  const { tokens } = parseArgs({
    args: [...argv],
    options: commonOptions,
    strict: false,
    allowPositionals: true,
    tokens: true,
  });
  const token = tokens.find(({ kind }) => kind === "positional");
  if (token === undefined) return { name: undefined, rest: argv };
  return { name: argv[token.index], rest: argv.filter((_, i) => i !== token.index) };
}

/** @throws {BadUsage} */
function parse(argv: readonly string[], own: Command["options"]): { values: Values; positionals: readonly string[] } {
  try {
    return parseArgs({ args: [...argv], options: { ...commonOptions, ...own }, allowPositionals: true });
  } catch (error) {
    // Node's text goes on with hints about its own rules
    const [text = ""] = (error instanceof Error ? error.message : "").split(". ");
    throw new BadUsage(text);
  }
}

/** The message of an error, on one line. */
function lineOf(error: unknown): string {
  const text = error instanceof Error ? error.message : "something that is not an error was thrown";
  return text.replace(/\s*[\r\n]+\s*/g, " ");
}
