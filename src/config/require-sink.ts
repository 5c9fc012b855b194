import { badArgument } from "../util/validate.js";

/** Refuses what is not a sink: what `channel()` of a config makes, or anything else with a `send`. @throws {UsageError} */
export function requireSink(what: string, sink: unknown): void {
  if (typeof sink === "object" && sink !== null && "send" in sink && typeof sink.send === "function") return;
  badArgument(`${what} must be a sink, as channel() of a config makes it`);
}
