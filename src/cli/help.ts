import type { Command, OptionTable } from "./command.js";
import { commands } from "./commands.js";
import { commonHelp, commonOptions, protocolHelp } from "./common.js";

/** The help of the whole program. */
export function generalHelp(): string {
  return [
    "Usage: etcd2 [OPTIONS] COMMAND [ARGUMENTS]",
    "",
    "Commands:",
    ...[...commands].map(([name, { summary }]) => `  ${name.padEnd(10)} ${summary}`),
    "",
    "Options of all commands (the environment and the default in brackets):",
    ...optionLines(commonOptions, commonHelp),
    "",
    "Exit codes: 0 done; 1 the server refused; 2 wrong usage, nothing was sent; 3 no endpoint answered, try again; 130 interrupted",
    "",
    "Example: etcd2 --endpoints http://127.0.0.1:2379 ls /     Help of a command: etcd2 ls --help",
    "",
  ].join("\n");
}

/** The help of one command. */
export function commandHelp(name: string, command: Command): string {
  const { summary, usage, options, help, examples, protocol } = command;
  const own = optionLines(options, help);
  return [
    `Usage: etcd2 [OPTIONS] ${name}${usage === "" ? "" : ` ${usage}`}`,
    "",
    `  ${summary}`,
    ...(own.length === 0 ? [] : ["", "Options:", ...own]),
    "",
    "Options of all commands:",
    ...optionLines(commonOptions, { ...commonHelp, ...(protocol && { protocol: protocolHelp(protocol) }), ...help }),
    "",
    examples.length === 1 ? "Example:" : "Examples:",
    ...examples.map((example) => `  ${example}`),
    "",
  ].join("\n");
}

function optionLines(options: OptionTable, help: Readonly<Record<string, string>>): readonly string[] {
  const rows = Object.entries(options).map(([name, { short }]) => {
    return [short === undefined ? `    --${name}` : `-${short}, --${name}`, help[name] ?? ""] as const;
  });
  const width = Math.max(18, ...rows.map(([names]) => names.length));
  return rows.map(([names, text]) => `  ${names.padEnd(width)} ${text}`);
}
