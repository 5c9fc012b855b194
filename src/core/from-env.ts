import { allNames, optionsFromEnv, type Env } from "../util/env.js";
import { Client } from "./client.js";
import type { ClientOptions } from "./client-options.js";

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
  return optionsFromEnv(env, allNames, "127.0.0.1:2379");
}
