import { UsageError } from "../util/errors.js";
import { log } from "../util/log.js";
import { plainCause } from "../util/plain-cause.js";
import { badArgument } from "../util/validate.js";
import { Client } from "./client.js";
import type { ClientOptions } from "./client-options.js";

/** The variables of a process. An empty one counts as absent. */
export type Env = Readonly<Record<string, string | undefined>>;

/** The first of these that is set wins: ours, etcdctl's, and those of the discovery library. */
const endpointNames = ["ETCD_ENDPOINTS", "ETCDCTL_ENDPOINTS", "ETCDCTL_ENDPOINT", "ETCD_HOSTS", "ETCD_HOST"] as const;
/** Of etcdctl's v3 and v2 API. Both may hold "name:password". */
const userNames = ["ETCDCTL_USER", "ETCDCTL_USERNAME"] as const;
const caNames = ["ETCDCTL_CACERT", "ETCDCTL_CA_FILE", "ETCD_CACERT"] as const;
const certNames = ["ETCDCTL_CERT", "ETCDCTL_CERT_FILE", "ETCD_TLS_CERT"] as const;
const keyNames = ["ETCDCTL_KEY", "ETCDCTL_KEY_FILE", "ETCD_TLS_KEY"] as const;

const defaultEndpoint = "127.0.0.1:2379";

/**
 * Makes a client of the etcd that the environment describes. Of each row the first variable that is set wins:
 *
 * - endpoints, separated by commas: `ETCD_ENDPOINTS`, `ETCDCTL_ENDPOINTS`, `ETCDCTL_ENDPOINT`, `ETCD_HOSTS`, `ETCD_HOST`,
 *   else 127.0.0.1:2379. One without http:// or https:// gets https if there are files for TLS, else http
 * - credentials: `ETCDCTL_USER`, `ETCDCTL_USERNAME`, as "name" or "name:password"; else the password is `ETCDCTL_PASSWORD`
 * - path of the CA's certificates: `ETCDCTL_CACERT`, `ETCDCTL_CA_FILE`, `ETCD_CACERT`
 * - path of the client's certificate: `ETCDCTL_CERT`, `ETCDCTL_CERT_FILE`, `ETCD_TLS_CERT`
 * - path of its key: `ETCDCTL_KEY`, `ETCDCTL_KEY_FILE`, `ETCD_TLS_KEY`
 *
 * `DEBUG=etcd2:client` prints which variables were used. `ETCD_TLS_INMEMORY=true` says that ETCD_CACERT, ETCD_TLS_CERT
 * and ETCD_TLS_KEY hold PEM in base64 instead of paths.
 *
 * @param env default: `process.env`
 * @throws {UsageError} for a bad endpoint or option, and a file that cannot be read
 * @example
 * await using client = clientFromEnv();
 */
export function clientFromEnv(env: Env = process.env): Client {
  return new Client(clientOptionsFromEnv(env));
}

/**
 * The options of {@link clientFromEnv}, to change them first.
 *
 * @param env default: `process.env`
 * @throws {UsageError} for a file that cannot be read
 * @example
 * const client = new Client({ ...clientOptionsFromEnv(), retryForMs: 10_000 });
 */
export function clientOptionsFromEnv(env: Env = process.env): ClientOptions {
  const ca = pemOf(env, caNames);
  const cert = pemOf(env, certNames);
  const key = pemOf(env, keyNames);
  if ((cert === undefined) !== (key === undefined))
    badArgument(
      `${certNames.join(", ")}: a client certificate needs a key (${keyNames.join(", ")}), and a key needs it`,
    );
  const hasTls = ca !== undefined || cert !== undefined;
  const endpoints = first(env, endpointNames);
  const user = first(env, userNames);
  log.client(
    "from the environment: endpoints by %s, user by %s, CA by %s, certificate by %s",
    ...[endpoints, user, ca, cert].map((each) => each?.name ?? "default"),
  );
  return {
    endpoints: listOf(endpoints, hasTls ? "https" : "http"),
    ...(user !== undefined && credentialsOf(user.value, valueOf(env, "ETCDCTL_PASSWORD"))),
    ...(hasTls && { tls: { ca: ca?.value, cert: cert?.value, key: key?.value } }),
  };
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

function valueOf(env: Env, name: string): string | undefined {
  const value = env[name];
  return value === "" ? undefined : value;
}

function listOf(found: Found | undefined, scheme: "http" | "https"): readonly string[] {
  const endpoints = (found?.value ?? defaultEndpoint)
    .split(",")
    .map((endpoint) => endpoint.trim())
    .filter((endpoint) => endpoint !== "");
  if (endpoints.length === 0) badArgument(`${found?.name ?? ""} contains no endpoint`);
  return endpoints.map((endpoint) => (/^[a-z][a-z\d+.-]*:\/\//i.test(endpoint) ? endpoint : `${scheme}://${endpoint}`));
}

/** etcdctl splits at the first colon, too. */
function credentialsOf(user: string, password: string | undefined): Pick<ClientOptions, "username" | "password"> {
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
