import { abortable, linkSignal } from "../util/signals.js";
import type { Exchange } from "./exchange.js";

/**
 * For transports of the user's own: each request has a signal of its own, since ours live long and serve many, and ends at once
 * when it aborts, whatever the transport makes of that. Those that say that they share signals do both themselves.
 */
export function withOwnSignal(exchange: Exchange): Exchange {
  if (exchange.sharesSignals === true) return exchange;
  return async (url, spec, signal) => {
    const link = linkSignal(signal);
    try {
      return await abortable(exchange(url, spec, link.signal), link.signal);
    } finally {
      link.unlink();
    }
  };
}
