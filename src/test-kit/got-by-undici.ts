import type { Exchange } from "../http/exchange.js";
import type { TlsOptions } from "../http/tls-options.js";
import { undiciExchange } from "../http/undici/index.js";

/** Stands in for the default transport where over-undici.ts is loaded. */
export function gotExchange(tls: TlsOptions = {}): Exchange {
  return undiciExchange({ tls });
}
