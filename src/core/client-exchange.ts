import type { Exchange } from "../http/exchange.js";
import { gotExchange } from "../http/got/got-exchange.js";
import { withOwnSignal } from "../http/own-signal.js";
import { withRedirects } from "../http/redirects.js";
import { withTrace } from "../http/trace.js";
import type { ResolvedOptions } from "./client-options.js";

export interface ClientExchange {
  /** The transport, with the log and the redirects, and the protocol on top. */
  readonly exchange: Exchange;
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
  const overHttp = withRedirects(withTrace(withOwnSignal(transport)), {
    limit: maxRedirects,
    check: checkRedirect,
    trusts,
    presentsCertificate: transport.presentsCertificate,
  });
  const exchange = protocol?.(overHttp) ?? overHttp;
  const close = async (): Promise<void> => {
    await exchange.close?.();
    await transport.close?.();
  };
  return { exchange, close };
}
