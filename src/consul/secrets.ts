import type { Exchange, RawResponse, RequestSpec } from "../http/exchange.js";
import { EndpointError } from "../util/errors.js";

const redirectStatuses: ReadonlySet<number> = new Set([301, 302, 307, 308]);

/**
 * Refuses redirects that would change what a request does, or give away what it carries. A write follows no redirect to
 * another path, since Consul redirects some ids to the path of another object, nor to another server. A read follows
 * none to another server if there is a token, which may not go there.
 */
export function withSafeRedirects(exchange: Exchange, hasToken: boolean): Exchange {
  return async (url, spec, signal) => {
    const raw = await exchange(url, spec, signal);
    if (redirectStatuses.has(raw.status)) requireSafe(url, spec, raw, hasToken);
    return raw;
  };
}

function requireSafe(from: URL, spec: RequestSpec, { status, headers }: RawResponse, hasToken: boolean): void {
  const { location = "" } = headers;
  // a redirect that cannot be followed at all is refused by the code that follows redirects
  if (location === "" || !URL.canParse(location, from.href)) return;
  const to = new URL(location, from.href);
  const writes = spec.method !== "GET";
  const elsewhere = to.origin !== from.origin;
  if (!(writes && (elsewhere || to.pathname !== from.pathname)) && !(elsewhere && hasToken)) return;
  const endpoint = from.origin + from.pathname;
  const what = writes ? "a write does" : "a request with a token does";
  throw new EndpointError(
    "ERR_BAD_REDIRECT",
    `${endpoint} answered ${String(status)}: ${what} not follow a redirect to ${to.origin}${to.pathname}`,
    { endpoint, outcome: "notApplied", status },
  );
}

/** Shorter secrets would occur in any text. */
const minSecretLength = 4;

/** A refusal's text without the token and the request's own body: a gateway may repeat what it was sent. */
export function withoutSecrets(text: string, token: string, { body, bytes }: RequestSpec): string {
  const value = body ?? (bytes && Buffer.from(bytes).toString());
  let masked = text;
  for (const secret of [token, value ?? ""]) {
    if (secret.length >= minSecretLength) masked = masked.replaceAll(secret, "***");
  }
  return masked;
}
