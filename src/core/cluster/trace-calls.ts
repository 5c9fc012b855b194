import type { RawResponse, RequestSpec } from "../../http/exchange.js";
import { diagnostics, isTraced, trace } from "../../util/diagnostics.js";
import type { EndpointSet } from "./endpoint-set.js";

/** Sends, and publishes a call, or for a long poll a watch. */
export function traced(spec: RequestSpec, send: () => Promise<RawResponse>): Promise<RawResponse> {
  const channel = spec.longPoll === true ? diagnostics.watch : diagnostics.call;
  if (!isTraced(channel)) return send();
  return trace(
    channel,
    { method: spec.method, path: spec.path, kind: spec.call?.kind },
    send,
    (message, { status, endpoint }) => {
      message.status = status;
      message.endpoint = endpoint;
    },
  );
}

/** Publishes a switch if the endpoint that is tried first is another one. */
export function publishSwitch(before: EndpointSet, now: EndpointSet): void {
  if (before === now || !diagnostics.switch.hasSubscribers) return;
  const [from, to] = [before.order()[0]?.label, now.order()[0]?.label];
  if (from !== to) diagnostics.switch.publish({ from, to });
}
