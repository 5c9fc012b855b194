import { EndpointError } from "../util/errors.js";
import type { Exchange, RawResponse, RequestSpec } from "./exchange.js";

export interface RedirectOptions {
  /** How many redirects to follow; one more ends in `ERR_TOO_MANY_REDIRECTS`. */
  readonly limit: number;
  /** The user's own say: throws to refuse. `via` counts the requests already made. */
  readonly check: ((via: number, location: URL) => void) | undefined;
  /** Whether that host may see credentials. */
  readonly trusts: (url: URL) => boolean;
}

/**
 * Follows 301, 302, 307 and 308, keeping method and body: etcd itself answers 301 with a relative location to any method.
 * Each hop is one exchange, with limits of its own. Every server on the way refused, so nothing was applied when it fails.
 */
export function withRedirects(exchange: Exchange, options: RedirectOptions): Exchange {
  return (url, spec, signal) =>
    exchange(url, spec, signal).then((first) =>
      // the common case, and all that is done for it
      redirectStatuses.has(first.status) ? follow(exchange, options, first, url, spec, signal) : first,
    );
}

async function follow(
  exchange: Exchange,
  options: RedirectOptions,
  first: RawResponse,
  url: URL,
  spec: RequestSpec,
  signal: AbortSignal | undefined,
): Promise<RawResponse> {
  // who was asked in the first place stays trusted, even if the endpoints have been replaced meanwhile
  const rules = { ...options, trusts: (to: URL) => to.origin === url.origin || options.trusts(to) };
  for (let via = 1, here = url, raw = first; ; via++) {
    const { status } = raw;
    here = nextHop(here, raw, via, spec, rules);
    raw = await exchange(here, specFor(here, spec, rules), signal).catch((error: unknown) => {
      throw error instanceof EndpointError ? afterRedirect(url, status, error) : error;
    });
    if (!redirectStatuses.has(raw.status)) return raw;
  }
}

const redirectStatuses: ReadonlySet<number> = new Set([301, 302, 307, 308]);

function nextHop(
  from: URL,
  raw: RawResponse,
  via: number,
  spec: RequestSpec,
  { limit, check, trusts }: RedirectOptions,
): URL {
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
  // the caller may look at the location, and print it: credentials in it are not ours to pass on
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
  if (spec.maskedBody !== undefined && !trusts(to))
    throw refuse(`will not send a password to ${to.origin}, which is no endpoint`);
  return to;
}

/** What became of a redirected request: `status` tells that the endpoint did answer, so something was sent. */
function afterRedirect(asked: URL, status: number, error: EndpointError): EndpointError {
  const message = `${asked.origin} answered ${String(status)}, and then: ${error.message}`;
  return new EndpointError(
    error.code,
    message,
    { endpoint: error.endpoint, outcome: error.outcome, status: error.status ?? status },
    { cause: error },
  );
}

function specFor(url: URL, spec: RequestSpec, { trusts }: RedirectOptions): RequestSpec {
  if (spec.headers?.["authorization"] === undefined || trusts(url)) return spec;
  const { authorization: _, ...headers } = spec.headers;
  return { ...spec, headers };
}
