import { readFileSync } from "node:fs";
import { Client, keysOf, type ClientOptions, type KeysAPI, type TlsOptions } from "../core/index.js";
import { plainCause } from "../util/plain-cause.js";
import { DiscoveryError } from "./errors.js";

type Env = Readonly<Record<string, string | undefined>>;

/**
 * A client of the etcd that the environment describes, as for the Go library: ETCD_HOSTS, else ETCD_HOST, else a docker
 * link, else http://localhost:2379; ETCD_CACERT, ETCD_TLS_CERT and ETCD_TLS_KEY, files or, with ETCD_TLS_INMEMORY=true,
 * base64 of PEM. Empty is unset.
 *
 * @param env @default process.env
 * @throws {DiscoveryError} `CONFIG`
 */
export function clientFromEnv(env: Env = process.env): Client {
  const options = clientOptionsFromEnv(env);
  try {
    return new Client(options);
  } catch (error) {
    throw new DiscoveryError("CONFIG", "the environment gives no usable etcd endpoints", { cause: plainCause(error) });
  }
}

/** What {@link clientFromEnv} makes its client with; to be changed first. @throws {DiscoveryError} `CONFIG` */
export function clientOptionsFromEnv(env: Env = process.env): ClientOptions {
  const tls = tlsOf(env);
  const endpoints = hostsOf(env).map((host) => (tls === undefined ? host : host.replace(/^http:\/\//i, "https://")));
  return tls === undefined ? { endpoints } : { endpoints, tls };
}

let shared: Client | undefined;

/** The client that the process's environment describes; made at the first call, the same ever after. @throws {DiscoveryError} `CONFIG` */
export function client(): Client {
  return (shared ??= clientFromEnv());
}

/** The keys of {@link client}. @throws {DiscoveryError} `CONFIG` */
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
  if (trimmed.length === 0) throw new DiscoveryError("CONFIG", "ETCD_HOSTS or ETCD_HOST holds no endpoint");
  return trimmed.map((host) => (/^[a-z][a-z\d+.-]*:\/\//i.test(host) ? host : `http://${host}`));
}

/** undefined for plain HTTP, which it is only where nothing asks for TLS. */
function tlsOf(env: Env): TlsOptions | undefined {
  const inMemory = env["ETCD_TLS_INMEMORY"] === "true";
  const ca = pemOf(env, "ETCD_CACERT", inMemory);
  const cert = pemOf(env, "ETCD_TLS_CERT", inMemory);
  const key = pemOf(env, "ETCD_TLS_KEY", inMemory);
  if ((cert === undefined) !== (key === undefined))
    throw new DiscoveryError("CONFIG", "ETCD_TLS_CERT and ETCD_TLS_KEY go together, and one is not set");
  if (cert === undefined && ca === undefined) return undefined;
  return { ca, cert, key };
}

function pemOf(env: Env, name: string, inMemory: boolean): string | undefined {
  const value = valueOf(env, name);
  if (value === undefined) return undefined;
  if (inMemory) {
    const pem = Buffer.from(value, "base64").toString();
    if (!pem.includes("-----BEGIN ")) throw new DiscoveryError("CONFIG", `${name} is not base64 of PEM text`);
    return pem;
  }
  try {
    return readFileSync(value, "utf8");
  } catch (error) {
    throw new DiscoveryError("CONFIG", `the file that ${name} names cannot be read`, { cause: plainCause(error) });
  }
}

function valueOf(env: Env, name: string): string | undefined {
  const value = env[name];
  return value === "" ? undefined : value;
}
