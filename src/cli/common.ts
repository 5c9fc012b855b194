import { Client, type ClientOptions, type Credentials } from "../core/index.js";
import { v3Protocol } from "../v3/index.js";
import type { OptionTable, ProtocolName, Values } from "./command.js";
import { BadUsage, type Io } from "./io.js";
import { askPassword } from "./password.js";
import { numberOf, readOption, textOf } from "./values.js";

/** The options that every command has. */
export const commonOptions = {
  endpoints: { type: "string" },
  protocol: { type: "string" },
  namespace: { type: "string" },
  directories: { type: "string" },
  user: { type: "string" },
  cacert: { type: "string" },
  cert: { type: "string" },
  key: { type: "string" },
  timeout: { type: "string" },
  json: { type: "boolean" },
  help: { type: "boolean", short: "h" },
  version: { type: "boolean" },
} as const satisfies OptionTable;

/** A line of help for each of them. */
export const commonHelp: Readonly<Record<keyof typeof commonOptions, string>> = {
  endpoints: "URL,... of the servers (ETCD_ENDPOINTS; http://127.0.0.1:2379)",
  protocol: protocolHelp("v2"),
  namespace: "v3: a prefix of all keys, such as /app",
  directories: "v3: kept or implied (kept)",
  user: "NAME for basic auth (ETCD_USER); its password comes from ETCD_PASSWORD, or is asked for",
  cacert: "FILE with the CAs to trust (ETCD_CACERT)",
  cert: "FILE with the client certificate (ETCD_CERT)",
  key: "FILE with its key (ETCD_KEY)",
  timeout: "SECONDS until a request times out (5)",
  json: "print one JSON object a line",
  help: "print this help",
  version: "print the version",
};

/** The line of help for `--protocol`. */
export function protocolHelp(byDefault: ProtocolName): string {
  return `v2 or v3: the API of the servers to use (ETCD_PROTOCOL; ${byDefault})`;
}

/**
 * Makes the client that the common options and the environment describe, with these credentials.
 *
 * @param protocol undefined: v2, and the options for v3 are not this client's
 * @param more goes before the common options
 * @throws {BadUsage}
 */
export async function connect(
  values: Values,
  { env }: Io,
  protocol: ProtocolName | undefined,
  credentials: () => Promise<Credentials | undefined>,
  more: Partial<ClientOptions>,
): Promise<Client> {
  const options: ClientOptions = {
    endpoints: endpointsIn(textOf(values, "endpoints") ?? env["ETCD_ENDPOINTS"] ?? "http://127.0.0.1:2379"),
    ...(protocol !== undefined && protocolOption(values, protocol)),
    ...timeoutOf(values),
    tls: {
      ca: fileOf(values, env, "cacert"),
      cert: fileOf(values, env, "cert"),
      key: fileOf(values, env, "key"),
    },
    ...more,
  };
  // checked before anybody types a password
  await new Client(options).close();
  return new Client({ ...options, ...(await credentials()) });
}

/** The URLs in a list with commas. */
export function endpointsIn(text: string): readonly string[] {
  return text
    .split(",")
    .map((endpoint) => endpoint.trim())
    .filter((endpoint) => endpoint !== "");
}

/** The user of the common options and the environment; undefined if they name none. @throws {BadUsage} */
export function credentialsOf(values: Values, io: Io): Promise<Credentials | undefined> {
  return userOf("user", textOf(values, "user") ?? io.env["ETCD_USER"], ["ETCD_PASSWORD"], io);
}

/**
 * A user with the password of the first of these variables that is set. Asks for it if none is.
 *
 * @param option that names the user, without the dashes
 * @returns undefined without a user
 * @throws {BadUsage}
 */
export async function userOf(
  option: string,
  username: string | undefined,
  variables: readonly [string, ...string[]],
  io: Io,
): Promise<Credentials | undefined> {
  if (username === undefined || username === "") return undefined;
  const [variable] = variables;
  // others on the machine can read a command line
  if (username.includes(":")) throw new BadUsage(`--${option} takes a name only: put the password into ${variable}`);
  const known = variables.map((name) => io.env[name]).find((password) => password !== undefined);
  return { username, password: known ?? (await askPassword(`password of ${username}: `, io, variable)) };
}

/** The API that the common options and the environment name. @throws {BadUsage} */
export function protocolOf(values: Values, { env }: Io, byDefault: ProtocolName): ProtocolName {
  const protocol = textOf(values, "protocol") ?? env["ETCD_PROTOCOL"] ?? byDefault;
  if (protocol !== "v2" && protocol !== "v3") throw new BadUsage(`--protocol must be v2 or v3, got ${protocol}`);
  return protocol;
}

function protocolOption(values: Values, protocol: ProtocolName): Pick<ClientOptions, "protocol"> {
  const namespace = textOf(values, "namespace");
  const directories = textOf(values, "directories");
  if (protocol === "v2") {
    if (namespace !== undefined || directories !== undefined)
      throw new BadUsage("--namespace and --directories need --protocol v3");
    return {};
  }
  if (directories !== undefined && directories !== "kept" && directories !== "implied")
    throw new BadUsage(`--directories must be kept or implied, got ${directories}`);
  return { protocol: v3Protocol({ namespace, directories }) };
}

function timeoutOf(values: Values): Pick<ClientOptions, "headerTimeoutMs"> {
  const seconds = numberOf(values, "timeout");
  if (seconds === undefined) return {};
  if (seconds <= 0) throw new BadUsage("--timeout must be a number of seconds above 0");
  return { headerTimeoutMs: seconds * 1_000 };
}

function fileOf(values: Values, env: Io["env"], name: "cacert" | "cert" | "key"): string | undefined {
  const path = textOf(values, name) ?? env[`ETCD_${name.toUpperCase()}`];
  return path === undefined || path === "" ? undefined : readOption(name, path);
}
