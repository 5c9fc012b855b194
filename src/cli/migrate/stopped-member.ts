import { EndpointError, type Exchange } from "../../core/index.js";
import { grpcCode, jsonOf, refusalIn } from "../../v3/gateway.js";

/**
 * For a client that sends to the gateway without `v3Protocol`. A member that is being stopped responds with 408 and code 1,
 * since its gateway is stopped first. That is a failure of the endpoint, as a status of 500 and above is, so that the client
 * goes on to the next one, or tries again.
 */
export function failWhenStopped(exchange: Exchange): Exchange {
  const send: Exchange = async (url, spec, signal) => {
    const raw = await exchange(url, spec, signal);
    if (raw.status !== 408) return raw;
    const refusal = refusalIn(jsonOf(raw.body), raw.status, spec.readOnly === true);
    if (refusal?.code !== grpcCode.canceled) return raw;
    const outcome = refusal.readOnly ? "notApplied" : "unknown";
    const fields = { endpoint: url.origin, outcome, status: raw.status, serverCause: refusal.message } as const;
    throw new EndpointError("ERR_SERVER", `endpoint ${url.origin} answered 408: ${refusal.message}`, fields);
  };
  return Object.assign(send, { close: () => exchange.close?.() });
}
