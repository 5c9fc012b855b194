import type { RawResponse, RequestSpec } from "../../http/exchange.js";
import { diagnostics, isTraced, trace } from "../../util/diagnostics.js";
import type { EndpointSet } from "./endpoint-set.js";

/** Whether anybody subscribes to calls like this one. Asked first on the main road: it saves closures and frames. */
export function isCallTraced({ longPoll }: RequestSpec): boolean {
  return isTraced(longPoll === true ? diagnostics().watch : diagnostics().call);
}

/** Sends, and publishes a call, or for a long poll a watch. */
export function traced(spec: RequestSpec, send: () => Promise<RawResponse>): Promise<RawResponse> {
  return trace(
    spec.longPoll === true ? diagnostics().watch : diagnostics().call,
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
  if (before === now || !diagnostics().switch.hasSubscribers) return;
  const [from, to] = [before.order()[0]?.label, now.order()[0]?.label];
  if (from !== to) diagnostics().switch.publish({ from, to });
}
