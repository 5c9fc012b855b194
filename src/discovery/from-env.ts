import { readFileSync } from "node:fs";
import { Client, keysOf, type ClientOptions, type KeysAPI, type TlsOptions } from "../core/index.js";
import { badArgument } from "../util/validate.js";
import { plainCause } from "../util/plain-cause.js";
import { DiscoveryError } from "./errors.js";

/** Environment variables, such as `process.env`. */
export type Env = Readonly<Record<string, string | undefined>>;

/**
 * Makes a client of the etcd that the environment describes, as the Go library does. Endpoints: ETCD_HOSTS, else ETCD_HOST,
 * else a Docker link, else http://localhost:2379. TLS: ETCD_CACERT, ETCD_TLS_CERT and ETCD_TLS_KEY, paths of files or, with
 * ETCD_TLS_INMEMORY=true, PEM in base64. An empty variable counts as unset.
 *
 * @param env default: `process.env`
 * @throws {DiscoveryError} `ERR_CONFIG`
 */
export function clientFromEnv(env: Env = process.env): Client {
  const options = clientOptionsFromEnv(env);
  try {
    return new Client(options);
  } catch (error) {
    throw new DiscoveryError("ERR_CONFIG", "the environment does not describe usable etcd endpoints", {
      cause: plainCause(error),
    });
  }
}

/** The options that {@link clientFromEnv} makes its client with, to change them first. @throws {DiscoveryError} `ERR_CONFIG` */
export function clientOptionsFromEnv(env: Env = process.env): ClientOptions {
  if (typeof env !== "object" || (env as unknown) === null) badArgument("env must be an object, such as process.env");
  const tls = tlsOf(env);
  const endpoints = hostsOf(env).map((host) => (tls === undefined ? host : host.replace(/^http:\/\//i, "https://")));
  return tls === undefined ? { endpoints } : { endpoints, tls };
}

let shared: Client | undefined;

/** The client that the environment of the process describes: made by the first call, and the same from then on. @throws {DiscoveryError} `ERR_CONFIG` */
export function client(): Client {
  return (shared ??= clientFromEnv());
}

/** The keys of {@link client}. @throws {DiscoveryError} `ERR_CONFIG` */
export function kapi(): KeysAPI {
  return keysOf(client());
}

function hostsOf(env: Env): readonly string[] {
  const linked = valueOf(env, "ETCD_1_PORT_2379_TCP_ADDR");
  const link =
    linked === undefined ? undefined : `http://${linked}:${valueOf(env, "ETCD_1_PORT_2379_TCP_PORT") ?? "2379"}`;
  const hosts = valueOf(env, "ETCD_HOSTS")?.split(",") ?? [
    valueOf(env, "ETCD_HOST") ?? link ?? "http://localhost:2379",
  ];
  const trimmed = hosts.map((host) => host.trim()).filter((host) => host !== "");
  if (trimmed.length === 0) throw new DiscoveryError("ERR_CONFIG", "ETCD_HOSTS or ETCD_HOST contains no endpoint");
  return trimmed.map((host) => (/^[a-z][a-z\d+.-]*:\/\//i.test(host) ? host : `http://${host}`));
}

/** undefined for plain HTTP: no variable for TLS is set. */
function tlsOf(env: Env): TlsOptions | undefined {
  const inMemory = env["ETCD_TLS_INMEMORY"] === "true";
  const ca = pemOf(env, "ETCD_CACERT", inMemory);
  const cert = pemOf(env, "ETCD_TLS_CERT", inMemory);
  const key = pemOf(env, "ETCD_TLS_KEY", inMemory);
  if ((cert === undefined) !== (key === undefined))
    throw new DiscoveryError("ERR_CONFIG", "ETCD_TLS_CERT and ETCD_TLS_KEY must both be set, or neither");
  if (cert === undefined && ca === undefined) return undefined;
  return { ca, cert, key };
}

function pemOf(env: Env, name: string, inMemory: boolean): string | undefined {
  const value = valueOf(env, name);
  if (value === undefined) return undefined;
  if (inMemory) {
    const pem = Buffer.from(value, "base64").toString();
    if (!pem.includes("-----BEGIN ")) throw new DiscoveryError("ERR_CONFIG", `${name} is not PEM in base64`);
    return pem;
  }
  try {
    return readFileSync(value, "utf8");
  } catch (error) {
    throw new DiscoveryError("ERR_CONFIG", `the file named by ${name} cannot be read`, { cause: plainCause(error) });
  }
}

function valueOf(env: Env, name: string): string | undefined {
  const value = env[name];
  return value === "" ? undefined : value;
}
