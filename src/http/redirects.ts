import { EndpointError } from "../util/errors.js";
import { isSecret } from "./curl.js";
import type { Exchange, RawResponse, RequestSpec } from "./exchange.js";

/** The rules by which redirects are followed. */
export interface RedirectOptions {
  /** How many redirects to follow, at most 100; one more ends in `ERR_TOO_MANY_REDIRECTS`. */
  readonly limit: number;
  /** The user's own rule: throws to refuse. `via` counts the requests already made. Absent: nothing but safe redirects. */
  readonly check: ((via: number, location: URL) => void) | undefined;
  /** Whether credentials and values may go there: it is the origin of an endpoint. */
  readonly trusts: (url: URL) => boolean;
  /** Whether the transport presents a TLS client certificate. @default false */
  readonly presentsCertificate?: boolean | undefined;
}

/** More redirects are never followed, whatever the limit: a loop would not end. */
const maxHops = 100;

/** Sends a request where its first response, a redirect, leads. Resolves to the response from there. */
export type FollowRedirect = (
  first: RawResponse,
  url: URL,
  spec: RequestSpec,
  signal: AbortSignal | undefined,
) => Promise<RawResponse>;

/** Whether a response is a redirect that is followed. */
export function isRedirect({ status }: RawResponse): boolean {
  return redirectStatuses.has(status);
}

/**
 * Follows 301, 302, 307 and 308, keeping method and body: etcd itself returns 301 with a relative location to any
 * method. Each hop is one exchange, with limits of its own. Every server on the way refused, so nothing was applied
 * when it fails.
 *
 * To an origin that is not an endpoint it follows with a GET without credentials only, unless `check` allows more.
 */
export function redirectFollower(exchange: Exchange, options: RedirectOptions): FollowRedirect {
  return async (first, url, spec, signal) => {
    const rules: RedirectOptions = {
      ...options,
      limit: Math.min(options.limit, maxHops),
      // the origin of the first request stays trusted, even if the endpoints have been replaced meanwhile
      trusts: (to) => to.origin === url.origin || options.trusts(to),
    };
    for (let via = 1, here = url, raw = first; ; via++) {
      const { status } = raw;
      here = nextHop(here, raw, via, spec, rules);
      raw = await exchange(here, specFor(here, spec, rules), signal).catch((error: unknown) => {
        throw error instanceof EndpointError ? afterRedirect(url, status, error) : error;
      });
      if (!isRedirect(raw)) return raw;
    }
  };
}

/** An exchange that follows redirects as {@link redirectFollower} does. */
export function withRedirects(exchange: Exchange, options: RedirectOptions): Exchange {
  const follow = redirectFollower(exchange, options);
  return (url, spec, signal) =>
    exchange(url, spec, signal).then((first) => (isRedirect(first) ? follow(first, url, spec, signal) : first));
}

const redirectStatuses: ReadonlySet<number> = new Set([301, 302, 307, 308]);

function nextHop(from: URL, raw: RawResponse, via: number, spec: RequestSpec, rules: RedirectOptions): URL {
  const { limit, check } = rules;
  const fields = { endpoint: from.origin + from.pathname, outcome: "notApplied", status: raw.status } as const;
  const refuse = (why: string, cause?: unknown): EndpointError =>
    new EndpointError(
      "ERR_BAD_REDIRECT",
      `${fields.endpoint} answered ${String(raw.status)}: ${why}`,
      fields,
      cause === undefined ? undefined : { cause },
    );

  const { location } = raw.headers;
  if (location === undefined || location === "") throw refuse("location header not set");
  if (!URL.canParse(location, from.href)) throw refuse("location header not valid URL");
  const to = new URL(location, from.href);
  // the user's check may print the location: credentials in it are not ours to pass on
  to.username = to.password = to.hash = "";
  if (via > limit) {
    throw new EndpointError(
      "ERR_TOO_MANY_REDIRECTS",
      `${fields.endpoint}: too many redirects, stopped after ${String(limit)}`,
      fields,
    );
  }
  try {
    check?.(via, new URL(to));
  } catch (error) {
    throw refuse(`redirect to ${to.origin} refused by checkRedirect`, error instanceof Error ? error : undefined);
  }
  if (to.protocol !== "http:" && to.protocol !== "https:") throw refuse(`cannot follow to ${to.protocol}`);
  if (from.protocol === "https:" && to.protocol === "http:") throw refuse(`will not follow from https to ${to.origin}`);
  const secret = rules.trusts(to) ? undefined : withheld(to, spec, rules);
  if (secret !== undefined) throw refuse(`will not send ${secret} to ${to.origin}, which is not an endpoint`);
  return to;
}

/** What the request carries that must not reach an origin which is not an endpoint; undefined if nothing. */
function withheld(
  to: URL,
  { method, headers = {}, body, bytes, maskedBody }: RequestSpec,
  { check, presentsCertificate }: RedirectOptions,
): string | undefined {
  // not even when it is allowed
  if (maskedBody !== undefined) return "a password";
  if (check !== undefined) return undefined;
  if (body !== undefined || bytes !== undefined) return "a value";
  if (method !== "GET") return `a ${method}`;
  if (Object.keys(headers).some(isSecret)) return "credentials";
  return presentsCertificate === true && to.protocol === "https:" ? "the client certificate" : undefined;
}

/** The failure of a redirected request. `status` shows that the endpoint did respond, so something was sent. */
function afterRedirect(asked: URL, status: number, error: EndpointError): EndpointError {
  const message = `${asked.origin} answered ${String(status)}, and then: ${error.message}`;
  return new EndpointError(
    error.code,
    message,
    { endpoint: error.endpoint, outcome: error.outcome, status: error.status ?? status },
    { cause: error },
  );
}

/** The request without credentials, where they may not go. */
function specFor(url: URL, spec: RequestSpec, { trusts }: RedirectOptions): RequestSpec {
  const { headers } = spec;
  if (headers === undefined || trusts(url) || !Object.keys(headers).some(isSecret)) return spec;
  return { ...spec, headers: Object.fromEntries(Object.entries(headers).filter(([name]) => !isSecret(name))) };
}
