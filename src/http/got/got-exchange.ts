import { lazy } from "../../util/lazy.js";
import type { Exchange, RawResponse, RequestSpec } from "../exchange.js";
import { whenLoaded } from "../loading.js";
import { nodeTlsOptions, type TlsOptions } from "../tls-options.js";
import type { GotSender } from "./got-transport.js";
import type { OwnAgents } from "./own-agents.js";

/**
 * The default transport: one request to one URL through got's stream form (only that reports the headers as they arrive),
 * with got's retries, redirects, timeouts and status errors off. Long polls have agents of their own. got, what it depends
 * on, and our own part of it, are loaded with the first request.
 */
export function gotExchange(tls: TlsOptions = {}, ownAgents: OwnAgents = {}): Exchange {
  const loading = lazy(async () => {
    const { loadGot } = await import("./got-transport.js");
    return loadGot(nodeTlsOptions(tls), ownAgents);
  });
  let sender: GotSender | undefined;
  const exchange = (url: URL, spec: RequestSpec, signal: AbortSignal | undefined): Promise<RawResponse> =>
    sender?.send(url, spec, signal) ?? sendFirst(url, spec, signal);
  const sendFirst = async (url: URL, spec: RequestSpec, signal: AbortSignal | undefined): Promise<RawResponse> => {
    sender ??= await whenLoaded(loading(), url, spec, signal);
    return sender.send(url, spec, signal);
  };
  const close = (): void => {
    sender?.close();
  };
  return Object.assign(exchange, { close, sharesSignals: true, presentsCertificate: tls.cert !== undefined });
}
