// What one etcd says about itself: asked with plain node:http, so that no script depends on what it is there to test.
import http from "node:http";
import https from "node:https";

/**
 * @typedef {object} ProbeOptions
 * @property {{ ca?: string | Buffer, cert?: string | Buffer, key?: string | Buffer } | undefined} [tls] for https, PEM
 * @property {number | undefined} [timeoutMs] connecting included; default: 1000
 */

/**
 * One GET, no connection kept. Rejects when there is no answer.
 *
 * @param {string} url
 * @param {ProbeOptions} [options]
 * @returns {Promise<{ status: number, body: string }>}
 */
export function probe(url, options = {}) {
  const { tls, timeoutMs = 1_000 } = options;
  // A timer of our own: /health hangs while there is no leader, and a frozen member accepts connections in silence.
  const common = { agent: false, signal: AbortSignal.timeout(timeoutMs) };
  return new Promise((resolve, reject) => {
    /** @param {http.IncomingMessage} response */
    const read = (response) => {
      let body = "";
      response.setEncoding("utf8");
      response.on("data", (/** @type {string} */ part) => {
        body += part;
      });
      response.on("end", () => {
        resolve({ status: response.statusCode ?? 0, body });
      });
      response.on("error", reject);
    };
    // rejectUnauthorized: false, since tests start members with certificates that are wrong on purpose
    const request = url.startsWith("https:")
      ? https.get(url, { ...common, ...tls, rejectUnauthorized: false }, read)
      : http.get(url, common, read);
    request.on("error", reject);
  });
}

/**
 * Whether the server at `endpoint` answers and has a cluster leader.
 *
 * @param {string} endpoint
 * @param {ProbeOptions} [options]
 */
export async function isHealthy(endpoint, options = {}) {
  try {
    const { body } = await probe(`${endpoint}/health`, options);
    // 3.3 to 3.5 answer {"health":"true"}, older ones {"health":true}
    return String(/** @type {{ health?: unknown }} */ (JSON.parse(body)).health) === "true";
  } catch {
    return false;
  }
}
