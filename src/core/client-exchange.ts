import type { Exchange } from "../http/exchange.js";
import { gotExchange } from "../http/got/got-exchange.js";
import { withOwnSignal } from "../http/own-signal.js";
import { redirectFollower, withRedirects, type FollowRedirect } from "../http/redirects.js";
import { withTrace } from "../http/trace.js";
import type { ResolvedOptions } from "./client-options.js";

export interface ClientExchange {
  /** The transport with the log; if there is a protocol, with the redirects, and the protocol on top. */
  readonly exchange: Exchange;
  /** Follows redirects. undefined if the exchange does so itself. */
  readonly follow: FollowRedirect | undefined;
  /** Closes all connections. */
  readonly close: () => Promise<void>;
}

/**
 * What a client sends its requests through.
 *
 * @param trusts whether a URL belongs to an endpoint of the client
 */
export function clientExchange(options: ResolvedOptions, trusts: (url: URL) => boolean): ClientExchange {
  const { maxRedirects, checkRedirect, tls, agent, protocol, transport = gotExchange(tls, agent) } = options;
  const { presentsCertificate } = transport;
  const redirects = { limit: maxRedirects, check: checkRedirect, trusts, presentsCertificate };
  const overHttp = withTrace(withOwnSignal(transport));
  const exchange = protocol?.(withRedirects(overHttp, redirects)) ?? overHttp;
  const follow = protocol === undefined ? redirectFollower(overHttp, redirects) : undefined;
  const close = async (): Promise<void> => {
    await exchange.close?.();
    await transport.close?.();
  };
  return { exchange, follow, close };
}
