import { isLogLoaded, loadLog, log } from "../util/log.js";
import { curlLine } from "./curl.js";
import type { Exchange, RawResponse, RequestSpec } from "./exchange.js";
import { whenLoaded } from "./loading.js";

/**
 * Logs each request: as a curl line to `etcd2:curl`, and with its outcome to `etcd2:http`. Costs three tests when both are
 * off. The first request loads the log.
 */
export function withTrace(exchange: Exchange): Exchange {
  const traced: Exchange = (url, spec, signal) => {
    if (!isLogLoaded()) return first(url, spec, signal);
    // "%s": debug would take the percent signs of the line itself for formats
    if (log.curl.enabled) log.curl("%s", curlLine(url, spec));
    return log.http.enabled ? logged(exchange, url, spec, signal) : exchange(url, spec, signal);
  };
  const first: Exchange = async (url, spec, signal) => {
    await whenLoaded(loadLog(), url, spec, signal);
    return traced(url, spec, signal);
  };
  return traced;
}

/** Sends a request, and logs its outcome. A function of its own: what its closures refer to would cost each request that is not logged. */
function logged(
  exchange: Exchange,
  url: URL,
  spec: RequestSpec,
  signal: AbortSignal | undefined,
): Promise<RawResponse> {
  const what = `${spec.method} ${url.origin}${url.pathname}`;
  const started = performance.now();
  const done = (how: string): void => {
    log.http("%s", `${what} ${how} after ${(performance.now() - started).toFixed(1)} ms`);
  };
  return exchange(url, spec, signal).then(
    (raw) => {
      done(`${String(raw.status)}${raw.truncated === true ? " (ended early)" : ""}`);
      return raw;
    },
    (error: unknown) => {
      done(signal?.aborted === true ? "aborted" : "failed");
      throw error;
    },
  );
}
