import type { Exchange } from "../http/exchange.js";
import type { TlsOptions } from "../http/tls-options.js";
import { undiciExchange } from "../http/undici/index.js";

/** Replaces the default transport when over-undici.ts is loaded. */
export function gotExchange(tls: TlsOptions = {}): Exchange {
  return undiciExchange({ tls });
}
