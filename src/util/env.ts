import { UsageError } from "./errors.js";
import { log } from "./log.js";
import { plainCause } from "./plain-cause.js";
import { badArgument } from "./validate.js";

/** The variables of a process. An empty one counts as absent. */
export type Env = Readonly<Record<string, string | undefined>>;

/** Which variables are read. Of each list the first that is set wins. */
export interface EnvNames {
  /** Endpoints, separated by commas. */
  readonly endpoints: readonly string[];
  /** The user, as "name" or "name:password". */
  readonly user: readonly string[];
  /** Path of the CA's certificates. */
  readonly ca: readonly string[];
  /** Path of the client's certificate. */
  readonly cert: readonly string[];
  /** Path of its key. */
  readonly key: readonly string[];
}

/** The names of the discovery library. With `ETCD_TLS_INMEMORY=true` its last three hold PEM in base64 instead of paths. */
export const discoveryNames: EnvNames = {
  endpoints: ["ETCD_HOSTS", "ETCD_HOST"],
  user: [],
  ca: ["ETCD_CACERT"],
  cert: ["ETCD_TLS_CERT"],
  key: ["ETCD_TLS_KEY"],
};

/** Our own names, those of etcdctl for the v3 and v2 API, and those of the discovery library. */
export const allNames: EnvNames = {
  endpoints: ["ETCD_ENDPOINTS", "ETCDCTL_ENDPOINTS", "ETCDCTL_ENDPOINT", ...discoveryNames.endpoints],
  user: ["ETCDCTL_USER", "ETCDCTL_USERNAME"],
  ca: ["ETCDCTL_CACERT", "ETCDCTL_CA_FILE", ...discoveryNames.ca],
  cert: ["ETCDCTL_CERT", "ETCDCTL_CERT_FILE", ...discoveryNames.cert],
  key: ["ETCDCTL_KEY", "ETCDCTL_KEY_FILE", ...discoveryNames.key],
};

/** The client options found in the environment. */
export interface EnvOptions {
  readonly endpoints: readonly string[];
  readonly username?: string;
  readonly password?: string;
  /** Absent: there is no variable for it. PEM. */
  readonly tls?: {
    readonly ca: string | undefined;
    readonly cert: string | undefined;
    readonly key: string | undefined;
  };
}

/**
 * Reads the environment; the debug log says which variables were used.
 *
 * @param defaultEndpoint the endpoint if no variable names one
 * @throws {UsageError} for contradictions, and for a file that cannot be read
 */
export function optionsFromEnv(env: Env, names: EnvNames, defaultEndpoint: string): EnvOptions {
  requireEnv(env);
  const ca = pemOf(env, names.ca);
  const cert = pemOf(env, names.cert);
  const key = pemOf(env, names.key);
  if ((cert === undefined) !== (key === undefined)) {
    const [has, needs] = cert === undefined ? [names.key, names.cert] : [names.cert, names.key];
    badArgument(`${(cert ?? key)?.name ?? has.join(", ")} is set, but none of ${needs.join(", ")} is`);
  }
  const hasTls = ca !== undefined || cert !== undefined;
  const endpoints = first(env, names.endpoints);
  const user = first(env, names.user);
  log.client(
    "from the environment: endpoints by %s, user by %s, CA by %s, certificate by %s",
    ...[endpoints, user, ca, cert].map((each) => each?.name ?? "default"),
  );
  return {
    endpoints: listOf(endpoints, defaultEndpoint, hasTls ? "https" : "http"),
    ...(user !== undefined && credentialsOf(user.value, valueOf(env, "ETCDCTL_PASSWORD"))),
    ...(hasTls && { tls: { ca: ca?.value, cert: cert?.value, key: key?.value } }),
  };
}

/** Refuses what is not an object. */
export function requireEnv(env: unknown): void {
  if (typeof env !== "object" || env === null) badArgument("env must be an object, such as process.env");
}

/** The value of a variable; undefined if it is empty or not set. */
export function valueOf(env: Env, name: string): string | undefined {
  const value = env[name];
  return value === "" ? undefined : value;
}

interface Found {
  readonly name: string;
  readonly value: string;
}

function first(env: Env, names: readonly string[]): Found | undefined {
  for (const name of names) {
    const value = valueOf(env, name);
    if (value !== undefined) return { name, value };
  }
  return undefined;
}

function listOf(found: Found | undefined, otherwise: string, scheme: "http" | "https"): readonly string[] {
  const endpoints = (found?.value ?? otherwise)
    .split(",")
    .map((endpoint) => endpoint.trim())
    .filter((endpoint) => endpoint !== "");
  if (endpoints.length === 0) badArgument(`${found?.name ?? ""} contains no endpoint`);
  return endpoints.map((endpoint) => (/^[a-z][a-z\d+.-]*:\/\//i.test(endpoint) ? endpoint : `${scheme}://${endpoint}`));
}

/** etcdctl splits at the first colon, too. */
function credentialsOf(user: string, password: string | undefined): Pick<EnvOptions, "username" | "password"> {
  const colon = user.indexOf(":");
  if (colon === -1) return { username: user, ...(password !== undefined && { password }) };
  return { username: user.slice(0, colon), password: user.slice(colon + 1) };
}

function pemOf(env: Env, names: readonly string[]): Found | undefined {
  const found = first(env, names);
  if (found === undefined) return undefined;
  const { name, value } = found;
  if (!name.startsWith("ETCDCTL_") && env["ETCD_TLS_INMEMORY"] === "true") {
    const pem = Buffer.from(value, "base64").toString();
    if (!pem.includes("-----BEGIN ")) badArgument(`${name} is not PEM in base64`);
    return { name, value: pem };
  }
  // not imported, since few need it: see lazy.ts
  const { readFileSync } = process.getBuiltinModule("node:fs");
  try {
    return { name, value: readFileSync(value, "utf8") };
  } catch (error) {
    throw new UsageError("ERR_ARGUMENT", `the file named by ${name} cannot be read`, { cause: plainCause(error) });
  }
}
