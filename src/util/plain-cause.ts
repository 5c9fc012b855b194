import { asErrorLike, type ErrorLike } from "./error-like.js";

/**
 * What may be kept of a foreign error: its name, code and message. Other fields are dropped: HTTP libraries attach their
 * options, passwords included. Errors of other realms are errors, too.
 */
export function plainCause(error: unknown): Error {
  const { name, message, code } = asErrorLike(error) ?? notAnError;
  const cause: Error & { code?: unknown } = new Error(message);
  cause.name = name;
  // where it came from inside the network code helps nobody
  cause.stack = `${name}: ${message}`;
  if (code !== undefined) cause.code = code;
  return cause;
}

const notAnError: ErrorLike = { name: "Error", message: "something that is not an error was thrown" };

/** Node's `code` of an error, if it has one. */
export function errorCode(error: unknown): string | undefined {
  return asErrorLike(error)?.code;
}
