import { readFileSync } from "node:fs";
import { Client, type ClientOptions } from "../core/index.js";
import { v3Protocol } from "../v3/index.js";
import type { OptionTable, Values } from "./command.js";
import { BadUsage, type Io } from "./io.js";
import { askPassword } from "./password.js";
import { numberOf, textOf } from "./values.js";

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
  protocol: "v2 or v3: the API that is spoken (ETCD_PROTOCOL; v2)",
  namespace: "v3: a prefix of all keys, such as /app",
  directories: "v3: kept or implied (kept)",
  user: "NAME for basic auth (ETCD_USER); its password comes from ETCD_PASSWORD, or is asked for",
  cacert: "FILE with the CAs to trust (ETCD_CACERT)",
  cert: "FILE with the client certificate (ETCD_CERT)",
  key: "FILE with its key (ETCD_KEY)",
  timeout: "SECONDS that one request may take (5)",
  json: "print one JSON object a line",
  help: "print this help",
  version: "print the version",
};

/** Makes the client that the common options and the environment describe. @throws {BadUsage} */
export async function connect(values: Values, io: Io): Promise<Client> {
  const { env } = io;
  const endpoints = (textOf(values, "endpoints") ?? env["ETCD_ENDPOINTS"] ?? "http://127.0.0.1:2379")
    .split(",")
    .map((endpoint) => endpoint.trim())
    .filter((endpoint) => endpoint !== "");
  const options: ClientOptions = {
    endpoints,
    ...protocolOf(values, env),
    ...timeoutOf(values),
    tls: {
      ca: fileOf(values, env, "cacert"),
      cert: fileOf(values, env, "cert"),
      key: fileOf(values, env, "key"),
    },
  };
  // checked before anybody has to type a password
  await new Client(options).close();
  return new Client({ ...options, ...(await credentials(values, io)) });
}

async function credentials(values: Values, io: Io): Promise<Pick<ClientOptions, "username" | "password">> {
  const username = textOf(values, "user") ?? io.env["ETCD_USER"];
  if (username === undefined || username === "") return {};
  // others on the machine can read a command line
  if (username.includes(":")) throw new BadUsage("--user takes a name only: put the password into ETCD_PASSWORD");
  return { username, password: io.env["ETCD_PASSWORD"] ?? (await askPassword(`password of ${username}: `, io)) };
}

function protocolOf(values: Values, env: Io["env"]): Pick<ClientOptions, "protocol"> {
  const protocol = textOf(values, "protocol") ?? env["ETCD_PROTOCOL"] ?? "v2";
  const namespace = textOf(values, "namespace");
  const directories = textOf(values, "directories");
  if (protocol === "v2") {
    if (namespace !== undefined || directories !== undefined)
      throw new BadUsage("--namespace and --directories need --protocol v3");
    return {};
  }
  if (protocol !== "v3") throw new BadUsage(`--protocol must be v2 or v3, got ${protocol}`);
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
  if (path === undefined || path === "") return undefined;
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    throw new BadUsage(`--${name}: ${error instanceof Error ? error.message : "cannot be read"}`);
  }
}
