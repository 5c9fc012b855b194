import { errorCode } from "../../util/plain-cause.js";

/** The error of a connection that was closed before its response was complete, as Node words it: all transports give the same messages and hints. */
export function asNodeError(error: Error): Error {
  if (errorCode(error) !== "UND_ERR_SOCKET") return error;
  return Object.assign(new Error("socket hang up"), { code: "ECONNRESET" });
}
