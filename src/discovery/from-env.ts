import { Client, keysOf, UsageError, type ClientOptions, type KeysAPI } from "../core/index.js";
import { discoveryNames, optionsFromEnv, requireEnv, valueOf, type Env } from "../util/env.js";
import { plainCause } from "../util/plain-cause.js";
import { DiscoveryError } from "./errors.js";

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
  requireEnv(env);
  try {
    const { endpoints, tls } = optionsFromEnv(env, discoveryNames, linkedHost(env) ?? "localhost:2379");
    if (tls === undefined) return { endpoints };
    return { endpoints: endpoints.map((endpoint) => endpoint.replace(/^http:\/\//i, "https://")), tls };
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    const { message, cause } = error;
    throw new DiscoveryError("ERR_CONFIG", message, cause === undefined ? undefined : { cause });
  }
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

/** The host that Docker's links describe. */
function linkedHost(env: Env): string | undefined {
  const host = valueOf(env, "ETCD_1_PORT_2379_TCP_ADDR");
  return host && `${host}:${valueOf(env, "ETCD_1_PORT_2379_TCP_PORT") ?? "2379"}`;
}
