import { linkSignal } from "../util/signals.js";
import type { Exchange } from "./exchange.js";

/** Gives each request a signal of its own, unless the transport takes off again what it adds to one: ours live long, and serve many. */
export function withOwnSignal(exchange: Exchange): Exchange {
  if (exchange.sharesSignals === true) return exchange;
  return async (url, spec, signal) => {
    const link = linkSignal(signal);
    try {
      return await exchange(url, spec, link.signal);
    } finally {
      link.unlink();
    }
  };
}
