import type { Agent, ClientRequest, IncomingMessage, OutgoingHttpHeaders, RequestOptions } from "node:http";
import { nodeRequest } from "./node-request.js";

/** What this needs of got's `Options`. */
export interface NativeRequestSource {
  readonly agent: { readonly http?: Agent | false | undefined; readonly https?: Agent | false | undefined };
  readonly headers: OutgoingHttpHeaders;
  readonly method: string;
  readonly url: string | URL | undefined;
  createNativeRequestOptions: () => unknown;
}

/** Sends a request that Node has made, and waits for the head of its answer. */
export type Send = (request: ClientRequest) => Promise<IncomingMessage>;

interface LeanOptions extends Pick<RequestOptions, "agent" | "method" | "headers"> {
  readonly send?: Send | undefined;
}

/**
 * Has got hand on only what our requests need, and with it how to send them. Its own method spreads into a literal of 28
 * fields, which on Node 20 makes a new hidden class for every request: half of got's time (see bench/). The method is public,
 * but not documented: should a got update stop calling it, requests go out just the same, only slower (see
 * {@link requestForGot}), and the test beside this file fails.
 */
export function leanRequestOptions(options: NativeRequestSource, send?: Send): void {
  options.createNativeRequestOptions = (): LeanOptions => {
    const { agent, headers, method, url } = options;
    const secure = url instanceof URL && url.protocol === "https:";
    return { agent: secure ? agent.https : agent.http, headers, method, send };
  };
}

/**
 * What got calls in place of `http.request`. Given the answer to come instead of the request, got leaves out its timings,
 * its timeouts and its events for a request, none of which we use: a quarter of its time. The request itself it sends when
 * the options are not ours.
 */
export function requestForGot(url: URL, options: LeanOptions): ClientRequest | Promise<IncomingMessage> {
  const request = nodeRequest(url, options);
  return options.send === undefined ? request : options.send(request);
}
