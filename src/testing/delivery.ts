import { messageResponse, refusedResponse, textResponse } from "../server/responses.js";
import type { HttpResponse } from "../server/messages.js";
import type { Fault, Garbage } from "./faults.js";

/** What is sent on a connection: a response, complete or not, or only the end of the connection. */
export type Delivery =
  | {
      readonly kind: "response";
      readonly response: HttpResponse;
      /** How long the body is delayed after the head, in ms. */
      readonly bodyDelayMs?: number | undefined;
      /** How many bytes of the body are sent before the connection is reset. */
      readonly cutAfter?: number | undefined;
      /** A header that is sent twice. */
      readonly twice?: string | undefined;
    }
  | { readonly kind: "reset" }
  | { readonly kind: "close" };

/** The response that a fault sends instead of the server's. Undefined: the server's own is sent. */
export function replacedResponse(
  fault: Fault,
  clusterId: string,
  redirectTo: (location: string) => string,
): HttpResponse | undefined {
  switch (fault.kind) {
    case "status": {
      const { status, body = "", type = "text/plain" } = fault;
      return { status, headers: { "Content-Type": type }, body };
    }
    case "raftError":
      return refusedResponse({
        errorCode: 300,
        cause: fault.cause ?? "etcdserver: request timed out, possibly due to previous leader failure",
        index: 0,
        clusterId,
      });
    case "redirect": {
      const { status, location } = fault;
      return { status, headers: location === undefined ? {} : { Location: redirectTo(location) }, body: "" };
    }
    case "garbage":
      return { ...messageResponse(200, "", clusterId), body: garbage[fault.what] };
    case "v2Off":
      return textResponse(404, "404 page not found");
    case "refuse":
    case "resetBeforeApply":
    case "resetAfterApply":
    case "closeAfterApply":
    case "blackHole":
    case "slowHeaders":
    case "slowBody":
    case "cutBody":
    case "emptyBody":
    case "duplicateHeaders":
    case "noIndexHeader":
      return undefined;
  }
}

/** How the server's response is sent under a fault. */
export function faultyDelivery(fault: Fault, response: HttpResponse): Delivery {
  switch (fault.kind) {
    case "resetAfterApply":
      return { kind: "reset" };
    case "closeAfterApply":
      return { kind: "close" };
    case "slowBody":
      return { kind: "response", response, bodyDelayMs: fault.ms };
    case "cutBody":
      return { kind: "response", response, cutAfter: fault.bytes ?? 0 };
    case "emptyBody":
      return { kind: "response", response: { ...response, body: "", lines: undefined } };
    case "duplicateHeaders":
      return { kind: "response", response, twice: "X-Etcd-Index" };
    case "noIndexHeader": {
      const { "X-Etcd-Index": _index, ...headers } = response.headers;
      return { kind: "response", response: { ...response, headers } };
    }
    case "resetBeforeApply":
      return { kind: "reset" };
    case "refuse":
    case "blackHole":
    case "slowHeaders":
    case "status":
    case "raftError":
    case "redirect":
    case "garbage":
    case "v2Off":
      return { kind: "response", response };
  }
}

const node = '{"key":"/k","value":"v","modifiedIndex":7,"createdIndex":7}';

const garbage: Readonly<Record<Garbage, string>> = {
  notJson: "<html>not etcd</html>",
  twoObjects: `{"action":"get","node":${node}}\n{"action":"get","node":${node}}\n`,
  numberForText: `{"action":"get","node":${node.replace('"v"', "1")}}\n`,
  hugeIndex: `{"action":"get","node":${node.replaceAll("7", "9007199254740993")}}\n`,
};
