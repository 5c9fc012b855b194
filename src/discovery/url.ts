import { isIPv6 } from "node:net";
import { DiscoveryError } from "./errors.js";

/** Which port speaks which scheme, e.g. `{ http: "80" }`. */
export type Ports = Readonly<Record<string, string>>;

/** How to build a URL. */
export interface UrlOptions {
  /** Concatenate the parts as they are, as the Go library does, without escapes and brackets. @default false */
  readonly raw?: boolean | undefined;
}

/** What a URL is built from. */
export interface UrlParts {
  /** A name or an IP address, without brackets. */
  readonly hostname: string;
  /** Which port speaks which scheme. */
  readonly ports: Ports;
  /** Absent or "": no credentials. */
  readonly user?: string | undefined;
  /** Absent: an empty one. */
  readonly password?: string | undefined;
}

/**
 * Builds a URL.
 *
 * @param scheme one of the ports; "" for http, else https
 * @throws {DiscoveryError} `ERR_UNKNOWN_SCHEME`
 */
export function urlOf(parts: UrlParts, scheme: string, path: string, options: UrlOptions = {}): string {
  const { hostname, ports, user = "", password = "" } = parts;
  const wanted = scheme === "" ? ["http", "https"] : [scheme];
  const found = wanted.find((each) => Object.hasOwn(ports, each));
  const port = found === undefined ? undefined : ports[found];
  if (found === undefined || port === undefined) {
    throw new DiscoveryError(
      "ERR_UNKNOWN_SCHEME",
      `${JSON.stringify(hostname)} has no port for ${wanted.join(" or ")}`,
    );
  }
  const raw = options.raw === true;
  const encode = raw ? (text: string): string => text : encodeURIComponent;
  const userinfo = user === "" ? "" : `${encode(user)}:${encode(password)}@`;
  return `${found}://${userinfo}${raw ? hostname : bracketed(hostname)}:${port}${raw ? path : rooted(path)}`;
}

function bracketed(hostname: string): string {
  return isIPv6(hostname) ? `[${hostname.replace("%", "%25")}]` : hostname;
}

function rooted(path: string): string {
  return path === "" || /^[/?#]/.test(path) ? path : `/${path}`;
}
