import type { RequestSpec } from "../../http/exchange.js";
import { badArgument, kindOf } from "../../util/validate.js";

/** Base URL of one etcd server, taken apart once. */
export interface Endpoint {
  /** Canonical form: what `Client.endpoints` shows, and what endpoints are compared by. */
  readonly href: string;
  /** `href` without its query, for messages and logs. */
  readonly label: string;
  readonly origin: string;
  /** Without a trailing slash; "" for none. */
  readonly basePath: string;
  /** The endpoint's own query, sent with every request; "" for none. */
  readonly query: string;
  readonly secure: boolean;
}

/** Reads a base URL: http or https, a path and a query are kept, a fragment is dropped. */
export function parseEndpoint(input: string | URL): Endpoint {
  if (typeof input !== "string" && !isUrl(input))
    badArgument(`an endpoint must be a string or a URL, got ${kindOf(input)}`);
  const url = toUrl(String(input));
  if (url === undefined) {
    const several = String(input).includes(",") ? ", one string for each endpoint" : "";
    badArgument(`endpoint ${quote(input)} is not a URL; it should look like "http://127.0.0.1:2379"${several}`);
  }
  if (url.protocol !== "http:" && url.protocol !== "https:") {
    badArgument(`endpoint ${quote(input)} must begin with http:// or https://, as in "http://127.0.0.1:2379"`);
  }
  if (url.username !== "" || url.password !== "") {
    badArgument(`endpoint ${quote(input)} contains credentials: pass them as username and password of the client`);
  }
  const basePath = url.pathname.replace(/\/+$/, "");
  if (/\/v2(?:\/(?:keys|members|auth|stats|machines)(?:\/.*)?)?$/.test(basePath)) {
    badArgument(
      `endpoint ${quote(input)} must not contain the path of the v2 API: leave out ${JSON.stringify(/\/v2.*/.exec(basePath)?.[0])}`,
    );
  }
  const label = url.origin + basePath;
  return {
    href: label + url.search,
    label,
    origin: url.origin,
    basePath,
    query: url.search.slice(1),
    secure: url.protocol === "https:",
  };
}

/** The URL of a request at this endpoint. */
export function requestUrl(endpoint: Endpoint, spec: RequestSpec): URL {
  return new URL(endpoint.origin + requestTarget(endpoint, spec));
}

/**
 * etcd reads at most 4096 bytes to find the request line of the first request on a plaintext connection, and resets the
 * connection when it is longer; behind TLS there is no such limit (3.4). Refused here, since a reset tells the caller nothing.
 */
export function requireRequestLine(endpoints: readonly Endpoint[], spec: RequestSpec): void {
  for (const endpoint of endpoints) {
    if (endpoint.secure) continue;
    const bytes = requestLineLength(endpoint, spec);
    if (bytes > maxRequestLine) {
      badArgument(
        `the request line would have ${String(bytes)} bytes, etcd takes ${String(maxRequestLine)} without TLS: ` +
          "shorten the key, compare by prevIndex instead of prevValue, or use TLS",
      );
    }
  }
}

const maxRequestLine = 4096;

/** Counted, not built: every request is checked. */
function requestLineLength(endpoint: Endpoint, { method, path, query = "" }: RequestSpec): number {
  return (
    method.length +
    " ".length +
    endpoint.basePath.length +
    path.length +
    queryLength(endpoint.query) +
    queryLength(query) +
    " HTTP/1.1\r\n".length
  );
}

/** With the question mark before it. */
function queryLength(query: string): number {
  return query === "" ? 0 : 1 + query.length;
}

function requestTarget(endpoint: Endpoint, spec: RequestSpec): string {
  const query = endpoint.query === "" ? (spec.query ?? "") : mergedQuery(endpoint.query, spec.query ?? "");
  return endpoint.basePath + spec.path + (query === "" ? "" : `?${query}`);
}

/** Sorted, as Go sends it. A field of the request replaces the endpoint's field of the same name. */
function mergedQuery(own: string, asked: string): string {
  const fields = new Map(
    [own, asked].flatMap((query) => query.split("&").filter(Boolean)).map((field) => [field.split("=", 1)[0], field]),
  );
  return [...fields.values()].sort().join("&");
}

/** A URL of any realm. */
function isUrl(value: unknown): value is URL {
  return typeof value === "object" && value !== null && "href" in value && "origin" in value;
}

function toUrl(text: string): URL | undefined {
  try {
    return new URL(text);
  } catch {
    return undefined;
  }
}

/** Never the whole text where it may hold credentials, or a token in its query. */
function quote(input: string | URL): string {
  const [text = ""] = String(input).split("?");
  return /@|%40/.test(text) ? "(not shown: it contains an @)" : JSON.stringify(text);
}
