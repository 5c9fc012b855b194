import { asErrorLike, type ErrorLike } from "./error-like.js";

/**
 * A copy of a foreign error with what may be kept: its name, code and message. Other fields are dropped, since HTTP libraries
 * attach their options, passwords included. Errors of other realms count as errors.
 */
export function plainCause(error: unknown): Error {
  const { name, message, code } = asErrorLike(error) ?? notAnError;
  const cause: Error & { code?: unknown } = new Error(message);
  cause.name = name;
  // a stack inside Node's network code helps nobody
  cause.stack = `${name}: ${message}`;
  if (code !== undefined) cause.code = code;
  return cause;
}

const notAnError: ErrorLike = { name: "Error", message: "something that is not an error was thrown" };

/** The `code` of an error, such as Node's ECONNREFUSED; undefined if it has none. */
export function errorCode(error: unknown): string | undefined {
  return asErrorLike(error)?.code;
}
