import { errorCode } from "../../util/plain-cause.js";

/** A connection that was closed before its answer was whole, said as Node says it: messages and hints are one for all transports. */
export function asNodeSays(error: Error): Error {
  if (errorCode(error) !== "UND_ERR_SOCKET") return error;
  return Object.assign(new Error("socket hang up"), { code: "ECONNRESET" });
}
