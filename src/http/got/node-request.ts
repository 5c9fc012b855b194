import http, { type ClientRequest, type RequestOptions } from "node:http";
import https from "node:https";

/**
 * A request of Node's, from the few fields that ours have: given a URL, Node would take it apart and copy it field by field,
 * for a tenth of all that a request costs (see bench/).
 */
export function nodeRequest(
  url: URL,
  { agent, method, headers }: Pick<RequestOptions, "agent" | "method" | "headers">,
): ClientRequest {
  const { protocol, hostname, port, pathname, search } = url;
  // brackets are the URL's, not the address's
  const host = hostname.startsWith("[") ? hostname.slice(1, -1) : hostname;
  const request = protocol === "https:" ? https.request : http.request;
  return request({ protocol, host, port, path: pathname + search, agent, method, headers });
}
