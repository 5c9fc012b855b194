import { messageAnswer, refusedAnswer, textAnswer } from "../server/answers.js";
import type { HttpAnswer } from "../server/messages.js";
import type { Fault, Garbage } from "./faults.js";

/** What goes out on a connection: an answer, whole or not; or nothing but the connection's end. */
export type Delivery =
  | {
      readonly kind: "answer";
      readonly answer: HttpAnswer;
      /** How much later than the head the body comes, in ms. */
      readonly bodyDelayMs?: number | undefined;
      /** How much of the body goes out before the connection is reset, in bytes. */
      readonly cutAfter?: number | undefined;
      /** A header that goes out twice. */
      readonly twice?: string | undefined;
    }
  | { readonly kind: "reset" }
  | { readonly kind: "close" };

/** The answer that a fault puts in place of the server's; undefined: it does not. */
export function replacedAnswer(
  fault: Fault,
  clusterId: string,
  redirectTo: (location: string) => string,
): HttpAnswer | undefined {
  switch (fault.kind) {
    case "status": {
      const { status, body = "", type = "text/plain" } = fault;
      return { status, headers: { "Content-Type": type }, body };
    }
    case "raftError":
      return refusedAnswer({
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
      return { ...messageAnswer(200, "", clusterId), body: garbage[fault.what] };
    case "v2Off":
      return textAnswer(404, "404 page not found");
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

/** How the server's answer goes out under a fault. */
export function faultyDelivery(fault: Fault, answer: HttpAnswer): Delivery {
  switch (fault.kind) {
    case "resetAfterApply":
      return { kind: "reset" };
    case "closeAfterApply":
      return { kind: "close" };
    case "slowBody":
      return { kind: "answer", answer, bodyDelayMs: fault.ms };
    case "cutBody":
      return { kind: "answer", answer, cutAfter: fault.bytes ?? 0 };
    case "emptyBody":
      return { kind: "answer", answer: { ...answer, body: "", lines: undefined } };
    case "duplicateHeaders":
      return { kind: "answer", answer, twice: "X-Etcd-Index" };
    case "noIndexHeader": {
      const { "X-Etcd-Index": _index, ...headers } = answer.headers;
      return { kind: "answer", answer: { ...answer, headers } };
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
      return { kind: "answer", answer };
  }
}

const node = '{"key":"/k","value":"v","modifiedIndex":7,"createdIndex":7}';

const garbage: Readonly<Record<Garbage, string>> = {
  notJson: "<html>not etcd</html>",
  twoObjects: `{"action":"get","node":${node}}\n{"action":"get","node":${node}}\n`,
  numberForText: `{"action":"get","node":${node.replace('"v"', "1")}}\n`,
  hugeIndex: `{"action":"get","node":${node.replaceAll("7", "9007199254740993")}}\n`,
};
