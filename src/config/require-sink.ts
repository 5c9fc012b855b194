import { badArgument } from "../util/validate.js";

/** What `channel` of a config makes, or anything else with a `send`. */
export function requireSink(what: string, sink: unknown): void {
  if (typeof sink === "object" && sink !== null && "send" in sink && typeof sink.send === "function") return;
  badArgument(`${what} must be a sink, as channel() of a config makes it`);
}
