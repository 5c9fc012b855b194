import { abortable, linkSignal } from "../util/signals.js";
import type { Exchange, RawResponse, RequestSpec } from "./exchange.js";
import { requireResponse } from "./require-response.js";

/**
 * For transports of the user's own: each request gets a signal of its own, since ours live long and serve many requests,
 * and ends at once when it aborts, whatever the transport does. A long poll also ends when `onHeaders` says so. Transports
 * that declare `sharesSignals` do all of this themselves.
 *
 * Their responses are checked here, before anybody reads them.
 */
export function withOwnSignal(exchange: Exchange): Exchange {
  if (exchange.sharesSignals === true) return exchange;
  return async (url, spec, signal) => {
    const link = linkSignal(signal);
    const send = async (each: RequestSpec): Promise<RawResponse> => {
      // resolve: not every transport is async
      const raw = await abortable(Promise.resolve(exchange(url, each, link.signal)), link.signal);
      requireResponse(raw);
      return raw;
    };
    try {
      if (spec.longPoll !== true || spec.onHeaders === undefined) return await send(spec);
      return await untilEndedEarly(spec, spec.onHeaders, send, link.abort);
    } finally {
      link.unlink();
    }
  };
}

/** Sends a long poll; resolves early if `onHeaders` returned a promise and that resolves. */
function untilEndedEarly(
  spec: RequestSpec,
  onHeaders: NonNullable<RequestSpec["onHeaders"]>,
  send: (spec: RequestSpec) => Promise<RawResponse>,
  abort: (reason: unknown) => void,
): Promise<RawResponse> {
  return new Promise((resolve, reject) => {
    const begin: RequestSpec["onHeaders"] = (head, connection) => {
      const until = onHeaders(head, connection);
      if (!(until instanceof Promise)) return;
      until.then(() => {
        resolve({ ...head, body: "", truncated: true });
        abort(new Error("the poll was ended early"));
      }, reject);
    };
    send({ ...spec, onHeaders: begin }).then(resolve, reject);
  });
}
