// node scripts/wait-for-cluster.mjs [endpoint ...]     waits until every endpoint (or those of ETCD_ENDPOINTS) is ready
import { setTimeout as sleep } from "node:timers/promises";
import { isHealthy, probe } from "./probe.mjs";
import { runMain, say, ScriptError } from "../run.mjs";

const pollMs = 250;

/**
 * Waits until every endpoint is healthy and serves the v2 API; says each change in one line.
 *
 * @param {readonly string[]} endpoints
 * @param {{ timeoutMs?: number | undefined, log?: import("../run.mjs").Log | undefined }} [options] `timeoutMs`: default 60 s
 */
export async function waitForCluster(endpoints, options = {}) {
  const { timeoutMs = 60_000, log = say } = options;
  const deadlineMs = performance.now() + timeoutMs;
  /** @type {Map<string, string>} */
  const states = new Map();
  for (;;) {
    const now = await Promise.all(endpoints.map(endpointState));
    for (const [index, endpoint] of endpoints.entries()) {
      const state = now[index] ?? "";
      if (states.get(endpoint) !== state) log(`${endpoint}: ${state}`);
      states.set(endpoint, state);
    }
    const bad = endpoints.find((endpoint) => states.get(endpoint) !== "ready");
    if (bad === undefined) return;
    // Waiting turns no flag on.
    if (now.includes(withoutV2))
      throw new ScriptError(`a healthy etcd does not serve the v2 API: start it with --enable-v2 (3.3 to 3.5 can)`);
    if (performance.now() > deadlineMs) {
      throw new ScriptError(
        `${bad}: ${states.get(bad)}, after ${timeoutMs / 1_000} s: start the cluster, or name another in ETCD_ENDPOINTS`,
      );
    }
    await sleep(pollMs);
  }
}

/** Endpoints of ETCD_ENDPOINTS, comma separated; none when it is not set. */
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
    throw new ScriptError(`"${endpoint}" is no URL: an endpoint looks like http://127.0.0.1:2379`);
  try {
    if (!(await isHealthy(endpoint))) {
      await probe(`${endpoint}/version`);
      return "answers, but is not healthy";
    }
    // 404 in plain text: the path is not served. With auth on, a 401 is served well enough.
    return (await probe(`${endpoint}/v2/keys/`)).status === 404 ? withoutV2 : "ready";
  } catch (error) {
    const code = /** @type {NodeJS.ErrnoException} */ (error).code;
    return `no answer (${code === undefined || code === "ABORT_ERR" ? "timeout" : code})`;
  }
}

runMain(import.meta.url, async () => {
  const named = process.argv.slice(2);
  const endpoints = named.length > 0 ? named : endpointsFromEnv();
  if (endpoints.length === 0)
    throw new ScriptError("no endpoints: give them as arguments, or comma separated in ETCD_ENDPOINTS");
  await waitForCluster(endpoints);
});
