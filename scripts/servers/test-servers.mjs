// The programs that integration tests run against, found or fetched once for all of them.
import { findConsul } from "./find-consul.mjs";
import { findEtcd } from "./find-etcd.mjs";
import { findNginx } from "./find-nginx.mjs";
import { findOnPath } from "./packages.mjs";
import { say, ScriptError } from "../run.mjs";

/**
 * What the tests' environment must name. Only Consul may be missing: its tests then say which of them were not run.
 *
 * @param {{ etcd?: string | undefined }} [options] absent: whichever is found
 * @returns {Promise<{ ETCD_BIN: string, NGINX_BIN: string, CONSUL_BIN: string }>}
 * @throws {ScriptError} when there is none: one line with the remedy
 */
export async function findTestServers({ etcd } = {}) {
  if (findOnPath("openssl") === undefined)
    throw new ScriptError(
      "no openssl found, which makes the certificates of the TLS tests: install it (apt-get install openssl)",
    );
  const servers = { ETCD_BIN: etcd ?? (await findEtcd()), NGINX_BIN: findNginx(), CONSUL_BIN: findConsul() ?? "none" };
  for (const [name, bin] of Object.entries(servers)) say(`${name}=${bin}`);
  return servers;
}
