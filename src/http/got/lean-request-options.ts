import type { Agent, ClientRequest, IncomingMessage, OutgoingHttpHeaders } from "node:http";
import type { ConnectionOptions } from "node:tls";
import { nodeRequest, type NodeRequestOptions } from "./node-request.js";

/** What this needs of got's `Options`. */
export interface NativeRequestSource {
  readonly agent: { readonly http?: Agent | false | undefined; readonly https?: Agent | false | undefined };
  readonly headers: OutgoingHttpHeaders;
  readonly method: string;
  readonly url: string | URL | undefined;
  createNativeRequestOptions: () => unknown;
}

/** Sends a request that Node has made, and waits for the head of its response. */
export type Send = (request: ClientRequest) => Promise<IncomingMessage>;

interface LeanOptions extends NodeRequestOptions {
  readonly send?: Send | undefined;
}

/**
 * Makes got pass on only what our requests need, and with it how to send them. Its own method spreads into a literal of 28
 * fields, which on Node 20 makes a new hidden class for every request: half of got's time (see bench/). The method is public,
 * but not documented: should a got update stop calling it, requests go out just the same, only slower (see
 * {@link requestForGot}), and the test beside this file fails.
 *
 * @param tls for an https agent that has no TLS options of ours
 */
export function leanRequestOptions(options: NativeRequestSource, send?: Send, tls?: ConnectionOptions): void {
  options.createNativeRequestOptions = (): LeanOptions => {
    const { agent, headers, method, url } = options;
    const secure = url instanceof URL && url.protocol === "https:";
    return { agent: secure ? agent.https : agent.http, headers, method, send, tls };
  };
}

/**
 * What got calls in place of `http.request`. If it is given the promise of a response instead of a request, got leaves out
 * its timings, its timeouts and its events for a request, none of which we use: a quarter of its time. got sends the request
 * itself when the options are not ours.
 */
export function requestForGot(url: URL, options: LeanOptions): ClientRequest | Promise<IncomingMessage> {
  const request = nodeRequest(url, options);
  return options.send === undefined ? request : options.send(request);
}
