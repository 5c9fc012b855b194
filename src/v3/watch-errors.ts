import { EndpointError } from "../util/errors.js";

/** The server closed the stream before it confirmed the watch. */
export function endedEarly(endpoint: string): EndpointError {
  const message = `endpoint ${endpoint} closed the stream of a watch before it confirmed the watch`;
  return new EndpointError("ERR_NETWORK", message, { endpoint, outcome: "notApplied" });
}

/** The server did not confirm the watch in time, in ms. */
export function notConfirmed(endpoint: string, ms: number): EndpointError {
  const message = `endpoint ${endpoint} did not confirm a watch within ${String(ms)} ms: a proxy in front of it may buffer responses (nginx: proxy_buffering off), or the transport does not call onPart`;
  return new EndpointError("ERR_HEADER_TIMEOUT", message, { endpoint, outcome: "notApplied" });
}
