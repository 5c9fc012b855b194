// The state of one etcd. Uses plain node:http, so that no script depends on the code it tests.
import http from "node:http";
import https from "node:https";
import { text } from "node:stream/consumers";
import { setTimeout as sleep } from "node:timers/promises";
import { say, ScriptError } from "../run.mjs";

/**
 * @typedef {object} ProbeOptions
 * @property {{ ca?: string | Buffer, cert?: string | Buffer, key?: string | Buffer } | undefined} [tls] for https, PEM
 */

/**
 * Sends one GET on a connection of its own. Rejects when there is no response within 1 s.
 *
 * @param {string} url
 * @param {ProbeOptions} [options]
 * @returns {Promise<{ status: number, body: string }>}
 */
export function probe(url, { tls } = {}) {
  // The limit is needed: /health hangs while there is no leader, and a frozen member accepts connections in silence.
  const common = { agent: false, signal: AbortSignal.timeout(1_000) };
  return new Promise((resolve, reject) => {
    /** @param {http.IncomingMessage} response */
    const read = (response) =>
      text(response).then((body) => resolve({ status: response.statusCode ?? 0, body }), reject);
    // rejectUnauthorized: false, since tests start members with wrong certificates on purpose
    const request = url.startsWith("https:")
      ? https.get(url, { ...common, ...tls, rejectUnauthorized: false }, read)
      : http.get(url, common, read);
    request.on("error", reject);
  });
}

/**
 * Whether the server at `endpoint` responds and has a cluster leader.
 *
 * @param {string} endpoint
 * @param {ProbeOptions} [options]
 */
export async function isHealthy(endpoint, options = {}) {
  try {
    const { body } = await probe(`${endpoint}/health`, options);
    // 3.3 to 3.5 send {"health":"true"}, older ones {"health":true}
    return String(/** @type {{ health?: unknown }} */ (JSON.parse(body)).health) === "true";
  } catch {
    return false;
  }
}

const waitMs = 60_000;

/**
 * Waits until every endpoint is healthy and serves the v2 API. Prints each change in one line.
 *
 * @param {readonly string[]} endpoints
 */
export async function waitForCluster(endpoints) {
  const deadlineMs = performance.now() + waitMs;
  /** @type {Map<string, string>} */
  const states = new Map();
  for (;;) {
    const now = await Promise.all(endpoints.map(endpointState));
    for (const [index, endpoint] of endpoints.entries()) {
      const state = now[index] ?? "";
      if (states.get(endpoint) !== state) say(`${endpoint}: ${state}`);
      states.set(endpoint, state);
    }
    const bad = endpoints.find((endpoint) => states.get(endpoint) !== "ready");
    if (bad === undefined) return;
    // A longer wait would not change its flags.
    if (now.includes(withoutV2))
      throw new ScriptError(`a healthy etcd does not serve the v2 API: start it with --enable-v2 (3.3 to 3.5 can)`);
    if (performance.now() > deadlineMs) {
      throw new ScriptError(
        `${bad}: ${states.get(bad)}, after ${waitMs / 1_000} s: start the cluster, or name another in ETCD_ENDPOINTS`,
      );
    }
    await sleep(250);
  }
}

/** The comma-separated endpoints of ETCD_ENDPOINTS; none when it is not set. */
export function endpointsFromEnv() {
  return (process.env["ETCD_ENDPOINTS"] ?? "")
    .split(",")
    .map((endpoint) => endpoint.trim().replace(/\/+$/, ""))
    .filter((endpoint) => endpoint !== "");
}

const withoutV2 = "healthy, but without the v2 API";

/**
 * @param {string} endpoint
 * @returns {Promise<string>} "ready", or what is missing
 */
export async function endpointState(endpoint) {
  if (!URL.canParse(endpoint))
    throw new ScriptError(`"${endpoint}" is not a URL: an endpoint looks like http://127.0.0.1:2379`);
  try {
    if (!(await isHealthy(endpoint))) {
      await probe(`${endpoint}/version`);
      return "responds, but is not healthy";
    }
    // 404 in plain text: the path is not served. With auth on, a 401 shows that it is.
    return (await probe(`${endpoint}/v2/keys/`)).status === 404 ? withoutV2 : "ready";
  } catch (error) {
    const code = /** @type {NodeJS.ErrnoException} */ (error).code;
    return `no response (${code === undefined || code === "ABORT_ERR" ? "timeout" : code})`;
  }
}
